"""Where checkpoints lie: a folder, or an object store such as gs://."""

import contextlib
import json
import os
import pathlib
import re
import tempfile

import numpy as np

from keras_rtd.utils.remote import RemoteFolder
from keras_rtd.utils.remote import is_remote
from keras_rtd.utils.writing import new_file
from keras_rtd.utils.writing import remove_leftovers

SUFFIX = ".checkpoint.npz"
# Beside an object that was written to its end.
WHOLE = ".whole"
# Of one that could not be read.
DAMAGED = ".damaged"


def checkpoint_files(directory):
    """`LocalFiles`, or `RemoteFiles` for a path with `://`."""
    if is_remote(directory):
        return RemoteFiles(os.fspath(directory))
    return LocalFiles(directory)


class LocalFiles:
    """Checkpoints in a folder; each is renamed to its place when whole.

    Args:
        directory: string or path.
    """

    may_fail = False

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)

    def path(self, name):
        """Where a checkpoint is, for people."""
        return self.directory / name

    def names(self):
        """Whole checkpoints, oldest first."""
        return sorted(
            path.name
            for path in self.directory.glob(f"step-*{SUFFIX}")
            if _is_checkpoint(path.name)
        )

    def clean(self):
        """Make the folder, and remove what a killed process left."""
        self.directory.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self.directory)

    def write(self, name, write):
        """Let `write(file)` make a checkpoint, whole or not at all."""
        with new_file(self.directory / name) as file:
            write(file)

    @contextlib.contextmanager
    def local(self, name):
        """A context with the path of a file that can be read."""
        yield self.directory / name

    def set_aside(self, name):
        """Rename a checkpoint, so that it no longer counts."""
        path = self.directory / name
        os.replace(path, path.with_name(name + DAMAGED))

    def remove(self, name):
        """Remove a checkpoint."""
        (self.directory / name).unlink()


class RemoteFiles:
    """Checkpoints as objects, which cannot be renamed.

    An object `….whole` is written after each, and a checkpoint without one
    does not count: not every store keeps a half-written object back.

    Args:
        directory: string, a URL.
    """

    # A store that fails now may take the next checkpoint.
    may_fail = True

    def __init__(self, directory):
        self.directory = directory.rstrip("/")
        self._folder = RemoteFolder(self.directory)

    def path(self, name):
        return f"{self.directory}/{name}"

    def names(self):
        found = self._folder.names()
        return [
            name
            for name in found
            if _is_checkpoint(name) and name + WHOLE in found
        ]

    def clean(self):
        whole = self.names()
        for found in self._folder.names():
            name = found.removesuffix(WHOLE)
            if _is_checkpoint(name) and name not in whole:
                self._folder.remove(found)

    def write(self, name, write):
        with tempfile.TemporaryDirectory(prefix="keras_rtd-") as scratch:
            path = os.path.join(scratch, name)
            with open(path, "wb") as file:
                write(file)
            # A stop between the two must not leave an old mark on new bytes.
            if name in self.names():
                self._folder.remove(name + WHOLE)
            self._folder.put(path, name)
            self._folder.write(name + WHOLE, b"whole\n")

    @contextlib.contextmanager
    def local(self, name):
        with tempfile.TemporaryDirectory(prefix="keras_rtd-") as scratch:
            path = pathlib.Path(scratch, name)
            self._folder.get(name, path)
            yield path

    def set_aside(self, name):
        with self.local(name) as path:
            self._folder.put(path, name + DAMAGED)
        self.remove(name)

    def remove(self, name):
        # The mark first: what is half removed does not count.
        self._folder.remove(name + WHOLE)
        self._folder.remove(name)


def load_checkpoint(file):
    """(arrays by name, what it says of itself) of a checkpoint's file.

    Raises:
        Exception: of whatever kind, where it is damaged or not complete.
    """
    with np.load(file) as archive:
        arrays = {key: archive[key] for key in archive.files}
    meta = json.loads(bytes(arrays.pop("meta")).decode())
    names = [str(i) for i in range(len(meta["shapes"]))]
    if [list(arrays[name].shape) for name in names] != meta["shapes"]:
        raise ValueError("a variable has another shape than was written")
    needed = {f"metric-{i}" for i in range(meta["metrics"])}
    keys = {"step", "extra", "config", "names", "best_value", "best_step"}
    missing = (needed - set(arrays)) | (keys - set(meta))
    if missing:
        raise ValueError(f"{', '.join(sorted(missing))} missing")
    return arrays, meta


def _is_checkpoint(name):
    return re.fullmatch(rf"step-\d+{re.escape(SUFFIX)}", name) is not None
