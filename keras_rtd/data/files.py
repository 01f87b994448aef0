"""Finding corpus files, local or remote."""

import glob
import os
import warnings

from keras_rtd.data import readers
from keras_rtd.utils.remote import file_system
from keras_rtd.utils.remote import is_remote

# What Hugging Face `datasets` writes beside the data itself.
_BESIDE_DATA = ("dataset_info.json", "dataset_dict.json", "state.json")


def resolve_files(patterns):
    """Returns the corpus files that patterns stand for.

    Args:
        patterns: str, path or list of them: a file, a directory (the files in
            and below it whose suffixes `keras_rtd.data.readers` knows, and
            whose names do not begin with a dot; a warning lists the others),
            or a glob, which is like a directory where it ends with `/*`; with
            `gs://` and other `://` paths through fsspec.

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
    found, all_left_out = set(), []
    for pattern in patterns:
        files, left_out = _match(pattern)
        if not files and left_out:
            raise ValueError(
                f"{pattern!r} has no file of a known kind, only "
                f"{_listed(left_out)}. Known names end with "
                f"{', '.join(_suffixes())}; a file given by its own path is "
                "read as text whatever its name."
            )
        if not files:
            raise ValueError(f"No file matches {pattern!r}.")
        found.update(files)
        all_left_out += left_out
    all_left_out = [path for path in all_left_out if path not in found]
    if all_left_out:
        warnings.warn(
            f"{len(all_left_out)} file(s) left out, of no known kind: "
            f"{_listed(all_left_out)}. A file given by its own path, or by a "
            "glob such as '*.py', is read as text.",
            stacklevel=3,
        )
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
    """(files that a pattern stands for, files that a folder left out)"""
    if is_remote(pattern):
        store, inside = file_system(pattern)
        isdir, isfile, walk = store.isdir, store.isfile, store.walk
        exists = store.exists(inside)
        matches = [inside] if exists else store.glob(inside)
    else:
        store = None
        isdir, isfile, walk = os.path.isdir, os.path.isfile, os.walk
        # A name such as "[1].txt" is a file before it is a pattern.
        exists = os.path.exists(pattern)
        matches = [pattern] if exists else glob.glob(pattern, recursive=True)
    takes_all = not exists and os.path.basename(pattern) in ("*", "**")
    files: list[str] = []
    left_out: list[str] = []
    for match in sorted(matches):
        if isdir(match):
            for folder, _, names in walk(match):
                if "/." in folder[len(match) :].replace(os.sep, "/"):
                    continue
                chosen = _known(names)
                for name in sorted(names):
                    if not name.startswith("."):
                        paths = files if name in chosen else left_out
                        paths.append(os.path.join(folder, name))
        elif isfile(match):
            known = not takes_all or readers.is_known(match)
            (files if known else left_out).append(match)
    if store is not None:
        files = [*map(store.unstrip_protocol, files)]
        left_out = [*map(store.unstrip_protocol, left_out)]
    return files, left_out


def _known(names):
    """Those of a folder's files that are read."""
    known = {name for name in names if readers.is_known(name)}
    if any(name.endswith(".arrow") for name in known):
        known.difference_update(_BESIDE_DATA)
    return known


def _suffixes():
    return [s for kind in readers.FORMATS.values() for s in kind.suffixes]


def _listed(paths):
    names = [os.path.basename(path) for path in paths]
    return ", ".join(names[:8]) + (
        f" and {len(names) - 8} more" if len(names) > 8 else ""
    )
