"""Finding corpus files, local or remote."""

import glob
import os

from keras_rtd.utils.remote import file_system
from keras_rtd.utils.remote import is_remote


def resolve_files(patterns):
    """Returns the corpus files that patterns stand for.

    Args:
        patterns: str, path or list of them: a file, a directory (all files
            in and below it whose names do not begin with a dot), or a glob;
            with `gs://` and other `://` paths through fsspec.

    Returns:
        Sorted list of str, each file once.

    Raises:
        ValueError: A pattern matches no file.
        ImportError: The package of a `://` path is not installed.
    """
    if isinstance(patterns, (str, os.PathLike)):
        patterns = [patterns]
    patterns = [os.fspath(pattern) for pattern in patterns]
    if not patterns:
        raise ValueError("No corpus files: the list of patterns is empty.")
    found = set()
    for pattern in patterns:
        files = _match(pattern)
        if not files:
            raise ValueError(f"No file matches {pattern!r}.")
        found.update(files)
    return sorted(found)


def file_facts(path):
    """Returns size in bytes and modification time in nanoseconds."""
    if is_remote(path):
        files, inside = file_system(path)
        try:
            modified = int(files.modified(inside).timestamp() * 1e9)
        except NotImplementedError:
            modified = 0  # not every store keeps one
        return files.size(inside), modified
    stat = os.stat(path)
    return stat.st_size, stat.st_mtime_ns


def _match(pattern):
    if is_remote(pattern):
        store, inside = file_system(pattern)
        isdir, isfile, walk = store.isdir, store.isfile, store.walk
        matches = [inside] if store.exists(inside) else store.glob(inside)
    else:
        store = None
        isdir, isfile, walk = os.path.isdir, os.path.isfile, os.walk
        # A name such as "[1].txt" is a file before it is a pattern.
        exists = os.path.exists(pattern)
        matches = [pattern] if exists else glob.glob(pattern, recursive=True)
    files = []
    for match in matches:
        if isdir(match):
            for folder, _, names in walk(match):
                if "/." not in folder[len(match) :].replace(os.sep, "/"):
                    files += [
                        os.path.join(folder, name)
                        for name in names
                        if not name.startswith(".")
                    ]
        elif isfile(match):
            files.append(match)
    return files if store is None else [*map(store.unstrip_protocol, files)]
