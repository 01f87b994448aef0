"""Puts trained weights into a bundled preset.

    python tools/make_trained_preset.py runs/tiny/preset electra_tiny_uncased_en

Encoder, generator and heads, without the optimiser's state. Values are rounded
to bfloat16 and stored as float32 with gzip, which makes half of each byte
string zeros: KerasHub's own files and loader, at half the size.
"""

import argparse
import pathlib
import tempfile

import h5py
import keras
import numpy as np

from keras_rtd.models import ElectraPretrainer
from keras_rtd.models.bundled import DIRECTORY
from keras_rtd.utils.writing import new_path

NAMES = ("model.weights.h5", "task.weights.h5")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trained", help="preset directory of a pretrainer")
    parser.add_argument("name", help="bundled preset of the same architecture")
    arguments = parser.parse_args()
    target = DIRECTORY / arguments.name
    trained = ElectraPretrainer.from_preset(
        arguments.trained, dtype="float32", compile=False
    )
    model = ElectraPretrainer.from_preset(
        arguments.name, load_weights=False, dtype="float32", compile=False
    )
    model.set_weights([rounded(w) for w in trained.get_weights()])
    model.step.assign(0)
    with tempfile.TemporaryDirectory() as whole:
        model.save_to_preset(whole)
        for name in NAMES:
            with new_path(target / name) as temporary:
                compress(pathlib.Path(whole) / name, temporary)
    for name in NAMES:
        size = (target / name).stat().st_size
        print(f"{target / name}: {size / 1e6:.1f} MB")


def rounded(array):
    """float32 values to the nearest bfloat16, other types as they are."""
    array = np.asarray(array)
    if array.dtype != np.float32:
        return array
    return np.asarray(
        keras.ops.convert_to_numpy(
            keras.ops.cast(keras.ops.cast(array, "bfloat16"), "float32")
        )
    )


def compress(path, copy_path):
    """Write an HDF5 file again, with its datasets compressed."""
    with h5py.File(path) as source, h5py.File(copy_path, "w") as target:
        target.attrs.update(source.attrs)

        def copy(name, item):
            if isinstance(item, h5py.Dataset):
                options = {}
                if item.ndim:
                    options = {"compression": "gzip", "shuffle": True}
                new = target.create_dataset(name, data=item[()], **options)
            else:
                new = target.require_group(name)
            new.attrs.update(item.attrs)

        source.visititems(copy)


if __name__ == "__main__":
    main()
