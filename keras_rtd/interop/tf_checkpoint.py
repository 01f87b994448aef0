"""Reading and writing TensorFlow checkpoints (tensor bundles) by name."""

import os

import numpy as np


def find(path):
    """The prefix of the checkpoint that `path` means.

    Args:
        path: a prefix, the path of its `.index` file, or a directory, whose
            newest checkpoint is taken.

    Returns:
        string, the prefix.

    Raises:
        ValueError: no checkpoint there.
    """
    path = os.fspath(path).removesuffix(".index")
    if os.path.isfile(path + ".index"):
        return path
    if os.path.isdir(path):
        state = _tensorflow().train.get_checkpoint_state(path)
        if state is not None:
            # The checkpoint beside it, wherever that was when it was written.
            name = os.path.basename(state.model_checkpoint_path)
            newest = os.path.join(path, name)
            if os.path.isfile(newest + ".index"):
                return newest
        found = sorted(n for n in os.listdir(path) if n.endswith(".index"))
        if len(found) == 1:
            return os.path.join(path, found[0].removesuffix(".index"))
        raise ValueError(
            f"The directory {path} does not say which of its checkpoints to "
            f"take: {found or 'there is none'}. Pass the path of one, without "
            "`.index`."
        )
    raise ValueError(
        f"No TensorFlow checkpoint {path}: there is no {path}.index."
    )


def read(prefix):
    """All variables of a checkpoint.

    Returns:
        dict of names to arrays.

    Raises:
        ValueError: a file that is damaged or cut off.
    """
    tf = _tensorflow()
    try:
        reader = tf.train.load_checkpoint(prefix)
        names = reader.get_variable_to_shape_map()
        return {name: reader.get_tensor(name) for name in sorted(names)}
    except tf.errors.OpError as e:
        raise ValueError(
            f"The checkpoint {prefix} cannot be read: {e.message}"
        ) from e


def is_index(path):
    """Whether a file is the index of a checkpoint: a table of LevelDB's."""
    with open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - 8))
        return file.read() == bytes.fromhex("57fb808b247547db")


def write(prefix, variables):
    """Write variables as `tf.compat.v1.train.Saver` does.

    Args:
        prefix: string. Path without suffix; its directory exists.
        variables: dict of names to arrays.
    """
    tf = _tensorflow()
    names = sorted(variables)
    with tf.device("CPU"):
        tf.raw_ops.SaveV2(
            prefix=prefix,
            tensor_names=names,
            shape_and_slices=[""] * len(names),
            tensors=[tf.constant(np.asarray(variables[n])) for n in names],
        )
    directory, name = os.path.split(prefix)
    tf.compat.v1.train.update_checkpoint_state(directory, name)


def _tensorflow():
    try:
        import tensorflow
    except ImportError as e:
        raise ImportError(
            "Checkpoints of google-research/electra are read and written by "
            "TensorFlow, which is not installed: pip install tensorflow"
        ) from e
    return tensorflow
