"""Writing files and folders: whole or not at all.

Every writer of this package goes through here, or asks `targets` first.
"""

import contextlib
import errno
import fcntl
import json
import os
import pathlib
import re
import shutil
import stat
import uuid
import zlib
from typing import Any

from keras_rtd.utils.targets import ANY_FILE
from keras_rtd.utils.targets import check_preset_target
from keras_rtd.utils.targets import check_target
from keras_rtd.utils.targets import is_plain
from keras_rtd.utils.types import Path

FULL = "The disk is full"

# The checksum of the target's name, and a random number. A living process
# holds a lock on it.
_TEMPORARY = re.compile(r"\.keras_rtd-[0-9a-f]{8}-[0-9a-f]{32}\.tmp")


@contextlib.contextmanager
def new_path(path, kind=ANY_FILE, inputs=()):
    """A context with a temporary path, which becomes `path` at its end.

    It is there already, an empty file or folder. When the block raises, it is
    removed, and `path` is as it was. What killed processes left of the same
    target is removed first.

    Args:
        path, kind, inputs: as for `check_target`. Missing folders are made.

    Raises:
        ValueError: see `check_target`.
        OSError: the disk is full, or refuses; one line.
    """
    target = check_target(path, kind, inputs)
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(target.parent, target.name)
    temporary, lock = _reserve(target, kind.folder)
    try:
        with _one_line(path):
            yield str(temporary)
            _sync(temporary)
            _replace(temporary, target)
            _sync_one(target.parent)
    finally:
        os.close(lock)
        _remove(temporary)


@contextlib.contextmanager
def new_file(path, kind=ANY_FILE, inputs=()):
    """A context with a binary file to write; see `new_path`."""
    with (
        new_path(path, kind, inputs) as temporary,
        open(temporary, "wb") as file,
    ):
        yield file


def write_text(path, text, kind=ANY_FILE, inputs=(), errors="strict"):
    """Write a text file as UTF-8; see `new_path`."""
    with new_file(path, kind, inputs) as file:
        file.write(text.encode("utf-8", errors))


def write_json(path, value, kind=ANY_FILE, indent=2):
    """Write a JSON file; see `new_path`."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    write_text(path, text + "\n", kind)


def remove_leftovers(folder, name=None):
    """Remove what killed processes left half-written.

    Args:
        folder: string or path.
        name: string. Only what was to become this file of the folder; `None`,
            the default, for all, in a folder that is ours.
    """
    start = "" if name is None else _start(name)
    for entry in os.listdir(folder):
        path = pathlib.Path(folder, entry)
        if (
            _TEMPORARY.fullmatch(entry)
            and entry.startswith(start)
            and is_plain(path)
            and not _in_use(path)
        ):
            _remove(path)


def is_disk_full(error):
    """Whether an error of any library says that the disk is full."""
    full = (errno.ENOSPC, errno.EDQUOT)
    return getattr(error, "errno", None) in full or any(
        os.strerror(number) in str(error) for number in full
    )


class SavesPreset:
    """`save_to_preset` that refuses to write over what is no preset.

    Stands before a class of KerasHub among the bases.
    """

    def save_to_preset(
        self, preset_dir: Path, *args: Any, **kwargs: Any
    ) -> None:
        """As KerasHub's.

        Raises:
            ValueError: the folder is no preset, but has files of its names.
            OSError: the disk is full; one line.
        """
        check_preset_target(preset_dir)
        with _one_line(preset_dir):
            super().save_to_preset(  # type: ignore[misc]
                preset_dir, *args, **kwargs
            )


@contextlib.contextmanager
def _one_line(path):
    """A context that says in one line that the disk is full."""
    try:
        yield
    except Exception as e:
        if not is_disk_full(e):
            raise
        raise OSError(
            errno.ENOSPC,
            f"{FULL}: {path} was not written. Free some space, and run the "
            "same command again",
        ) from e


def _start(name):
    return f".keras_rtd-{zlib.crc32(os.fsencode(name)):08x}-"


def _temporary(target):
    return target.with_name(f"{_start(target.name)}{uuid.uuid4().hex}.tmp")


def _reserve(target, folder):
    """(path, open descriptor with a lock) of something new and empty."""
    while True:
        path = _temporary(target)
        if folder:
            path.mkdir()
            descriptor = os.open(path, os.O_RDONLY)
        else:
            descriptor = os.open(
                path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666
            )
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        except OSError:
            # A file system without locks: there, leftovers stay.
            return path, descriptor
        # Another process may have taken it for a leftover just before.
        if path.exists():
            return path, descriptor
        os.close(descriptor)


def _in_use(path):
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _replace(temporary, target):
    if not (target.is_dir() and any(target.iterdir())):
        os.replace(temporary, target)
        return
    # Aside first: a folder is not replaced by renaming another.
    aside = _temporary(target)
    os.rename(target, aside)
    try:
        os.rename(temporary, target)
    except OSError:
        os.rename(aside, target)
        raise
    _remove(aside)


def _remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _sync(path):
    """Make a file, or a folder with all in it, outlast a loss of power."""
    for parent, folders, files in os.walk(path):
        for name in (*folders, *files):
            _sync_one(os.path.join(parent, name))
    _sync_one(path)


def _sync_one(path):
    if not stat.S_ISREG(os.lstat(path).st_mode) and not os.path.isdir(path):
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
