"""Strings in any shape, eagerly and in TensorFlow graphs, to ids."""

import sys

import numpy as np


def tokenize(tokenizer, inputs):
    """`Tokenizer.tokenize`."""
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is not None and not tensorflow.executing_eagerly():
        return tokenizer.tokenize_in_graph(inputs)
    if hasattr(inputs, "to_list"):
        inputs = inputs.to_list()
    elif hasattr(inputs, "numpy"):
        inputs = inputs.numpy()
    if isinstance(inputs, np.ndarray):
        inputs = inputs.tolist()
    if isinstance(inputs, (str, bytes)):
        return tokenizer.encode_arrays([_to_str(inputs)])[0]
    return _nested(tokenizer, inputs)


def _nested(tokenizer, inputs):
    if isinstance(inputs, (str, bytes)):
        return tokenizer.encode_batch([_to_str(inputs)])[0]
    if not isinstance(inputs, (list, tuple, np.ndarray)):
        raise ValueError(
            f"inputs must be str or nested lists of str. Received: {inputs!r}"
        )
    return [_nested(tokenizer, item) for item in inputs]


def tokenize_by_python(encode_arrays, inputs):
    """Ids of string tensors in a graph that runs in this process."""
    import tensorflow as tf

    def encode(texts):
        found = encode_arrays(map(_to_str, texts))
        flat = np.concatenate([np.zeros(0, np.int32), *found])
        return flat, np.fromiter(map(len, found), np.int64, len(found))

    def ids_of(texts):
        flat, lengths = tf.numpy_function(
            encode, [texts], (tf.int32, tf.int64), stateful=False
        )
        return tf.RaggedTensor.from_row_lengths(
            tf.ensure_shape(flat, [None]), tf.ensure_shape(lengths, [None])
        )

    return map_strings(ids_of, inputs)


def map_strings(function, texts):
    """Applies a function of string tensors `(num_texts,)` to any shape.

    Args:
        function: gives a RaggedTensor `(num_texts, None)`.
        texts: string tensor of any rank, dense or ragged, or what becomes one.

    Returns:
        A tensor `(None,)` for a scalar, otherwise a RaggedTensor with one
        dimension more than `texts`.
    """
    import tensorflow as tf

    if not isinstance(texts, tf.RaggedTensor):
        texts = tf.convert_to_tensor(texts)
        rank = texts.shape.rank
        if rank == 0:
            return function(texts[tf.newaxis]).values
        if rank == 1:
            return function(texts)
        texts = tf.RaggedTensor.from_tensor(texts, ragged_rank=rank - 1)
    return texts.with_flat_values(function(texts.flat_values))


def _to_str(text):
    if isinstance(text, bytes):
        return text.decode("utf-8", errors="replace")
    return text
