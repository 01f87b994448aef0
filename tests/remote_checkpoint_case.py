"""A small `fit` with checkpoints in an object store that is cut off.

    python tests/remote_checkpoint_case.py half:///tmp/x 6

ends itself when half of the bytes of the checkpoint of step 6 are written.
"""

import os
import pathlib
import signal
import sys

import fsspec
import keras
import tiny
from fsspec.implementations.local import LocalFileSystem

from keras_rtd.training import Checkpoint


def model(seed=5):
    keras.utils.set_random_seed(seed)
    return tiny.pretrainer(dropout=0.1)


def fit(model, directory, keep=3):
    model.fit(
        tiny.Batches(),
        steps_per_epoch=5,
        epochs=2,
        callbacks=[Checkpoint(directory, every=2, keep=keep)],
        verbose=0,
    )


class HalfStore(LocalFileSystem):
    """Shows what is half-written, which gs:// would not."""

    protocol = "half"
    step = 0

    def put_file(self, lpath, rpath, **kwargs):
        if f"step-{self.step:010d}" not in rpath:
            return super().put_file(lpath, rpath, **kwargs)
        data = pathlib.Path(lpath).read_bytes()
        pathlib.Path(rpath).write_bytes(data[: len(data) // 2])
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    HalfStore.step = int(sys.argv[2])
    fsspec.register_implementation("half", HalfStore)
    fit(model(), sys.argv[1])
