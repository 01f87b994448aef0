"""Prepared data of an object store, copied to this machine.

Batches are gathered from memory-mapped files, which an object store has not.
"""

import fcntl
import hashlib
import os
import tempfile

from keras_rtd.data import storage
from keras_rtd.utils import json_file
from keras_rtd.utils.remote import RemoteFolder
from keras_rtd.utils.remote import is_remote
from keras_rtd.utils.writing import new_file
from keras_rtd.utils.writing import new_path
from keras_rtd.utils.writing import remove_leftovers

CACHE = "KERAS_RTD_CACHE"


def cache_directory():
    """Where copies lie: `KERAS_RTD_CACHE`, or `~/.cache/keras_rtd`."""
    default = os.path.join("~", ".cache", "keras_rtd")
    return os.path.expanduser(os.environ.get(CACHE) or default)


def local_copy(directory):
    """A local directory with the files of prepared data.

    A copy that was interrupted goes on with the file it was at. Processes of
    one machine make one copy together: the first copies, the others wait.

    Args:
        directory: str. A local one is returned as it is.

    Returns:
        str.

    Raises:
        ValueError: There is no prepared data, or its manifest is damaged, or
            names files outside its directory.
        OSError: The store is out of reach, or the disk is full.
    """
    if not is_remote(directory):
        return directory
    folder = RemoteFolder(directory)
    parent = cache_directory()
    os.makedirs(parent, exist_ok=True)
    with open(os.path.join(parent, "lock"), "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with tempfile.TemporaryDirectory(prefix="keras_rtd-") as scratch:
            path = os.path.join(scratch, storage.MANIFEST)
            try:
                folder.get(storage.MANIFEST, path)
            except FileNotFoundError:
                raise ValueError(
                    f"{directory} has no {storage.MANIFEST}: it is not "
                    "prepared data, or its preparation is not finished."
                ) from None
            with open(path, "rb") as file:
                manifest = file.read()
        try:
            where = f"{directory}/{storage.MANIFEST}"
            entries = storage.files_of(json_file.parse(manifest, where))
        except ValueError as e:
            raise ValueError(f"{where} is damaged: {e}") from e
        # Data that was prepared anew is another copy.
        name = hashlib.sha256(directory.encode() + manifest).hexdigest()[:32]
        target = os.path.join(parent, name)
        os.makedirs(target, exist_ok=True)
        remove_leftovers(target)
        for entry in entries:
            path = os.path.join(target, entry["file"])
            if _size(path) != entry["bytes"]:
                with new_path(path) as temporary:
                    folder.get(entry["file"], temporary)
        with new_file(os.path.join(target, storage.MANIFEST)) as file:
            file.write(manifest)
    return target


def _size(path):
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return None
