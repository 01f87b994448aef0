"""What may be written where: over nothing but what we wrote ourselves.

A target that is there already is replaced only if it is what the writer makes,
and never if it is, or contains, what the writer reads. Symbolic links are
followed: the link stays.
"""

import dataclasses
import fnmatch
import os
import pathlib
from collections.abc import Callable

from keras_rtd.utils import json_file
from keras_rtd.utils.remote import is_remote


@dataclasses.dataclass(frozen=True)
class Kind:
    """What a writer makes, and may therefore replace.

    Args:
        name: string, with its article: `"a SavedModel"`.
        is_one: function of a `pathlib.Path` that is there and not empty.
        folder: bool. Defaults to `False`, a regular file.
    """

    name: str
    is_one: Callable[[pathlib.Path], bool]
    folder: bool = False


def plain_name(name, where):
    """A file name that a file gave, if it stays in its folder.

    Raises:
        ValueError: it has a folder in it, or is no name.
    """
    good = isinstance(name, str) and name not in ("", ".", "..")
    if not good or set(name) & set("/\\\0"):
        raise ValueError(
            f"{where} names the file {name!r}. Only names without a folder "
            "are accepted: the file is damaged, or not what it seems."
        )
    return name


def check_target(path, kind, inputs=()):
    """Refuse a path that must not be written.

    Args:
        path: string or path.
        kind: `Kind`, what will be there.
        inputs: paths of what is read; what is no path of this machine is
            left out.

    Returns:
        `pathlib.Path`, with links resolved.

    Raises:
        ValueError: the path is empty; it is there and is not of the kind; it
            is, or contains, an input.
    """
    target = _resolve(path)
    check_inputs(path, inputs)
    if target.exists() and not _is_one(target, kind):
        raise ValueError(
            f"{path} is there already, {_description(target)} that is not "
            f"{kind.name}. Write to another path, or move it away."
        )
    return target


def check_inputs(path, inputs):
    """Refuse a path that is, or contains, what is read; see `check_target`."""
    target = _resolve(path)
    for given in inputs:
        # Also a list of tokens in a path's place.
        if not isinstance(given, str | os.PathLike) or is_remote(given):
            continue
        source = pathlib.Path(os.path.realpath(given))
        if any(_same(target, part) for part in (source, *source.parents)):
            raise ValueError(
                f"{path} is, or contains, the input {given}. Write to another "
                "path."
            )


def check_folder(path, names, is_ours, what):
    """Refuse a folder where files of others have the names that we write.

    Args:
        path: string or path. A folder that is not there is good.
        names: patterns of the names that will be written.
        is_ours: function of a `pathlib.Path`: whether the folder is ours, so
            that these names are too.
        what: string, such as `"a run directory"`.

    Raises:
        ValueError: the path is empty or no folder, or there are such files.
    """
    folder = _resolve(path)
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ValueError(f"{path} is not a folder. Write to another path.")
    found = [
        name
        for name in sorted(os.listdir(folder))
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in names)
    ]
    odd = [n for n in found if not is_plain(folder / n)]
    if odd or (found and not is_ours(folder)):
        raise ValueError(
            f"{path} is not {what}, but holds {(odd or found)[0]}, which would "
            "be overwritten. Write to another folder, or move it away."
        )


def has_keys(path, *keys):
    """Whether a file is a JSON object with these keys."""
    path = pathlib.Path(path)
    if not path.is_file():
        return False
    try:
        value = json_file.read(path)
    except (OSError, ValueError):
        return False
    return isinstance(value, dict) and set(keys) <= set(value)


def folder_of(name, patterns, is_one):
    """`Kind` of a folder in which nothing but certain files is.

    Args:
        name: as for `Kind`.
        patterns: of the paths of all files, relative to the folder.
        is_one: function of the folder's path, whether it has what it must.
    """

    def check(folder):
        for parent, folders, files in os.walk(folder):
            links = [n for n in folders if os.path.islink(f"{parent}/{n}")]
            for file in (*files, *links):
                path = pathlib.Path(parent, file)
                inside = path.relative_to(folder).as_posix()
                if not is_plain(path) or path.is_symlink():
                    return False
                if not any(fnmatch.fnmatchcase(inside, p) for p in patterns):
                    return False
        return is_one(folder)

    return Kind(name, check, folder=True)


ANY_FILE = Kind("a regular file", lambda path: True)
SAVED_MODEL = folder_of(
    "a SavedModel",
    (
        "saved_model.pb",
        "fingerprint.pb",
        "variables/variables.*",
        "assets/*",
        "tokenizer.json",
    ),
    lambda folder: (folder / "saved_model.pb").is_file(),
)
PRESET_CONFIGS = (
    "config.json",
    "task.json",
    "preprocessor.json",
    "tokenizer.json",
)
PRESET_FILES = (
    *PRESET_CONFIGS,
    "metadata.json",
    "model.weights.json",
    "*.weights.h5",
)

CARD = "README.md"
CARD_MARK = (
    "<!-- Written by keras_rtd, and again with every save. To keep your own "
    "changes, remove this line. -->"
)


def _is_preset(folder):
    found = [folder / n for n in PRESET_CONFIGS if (folder / n).exists()]
    return bool(found) and all(has_keys(p, "registered_name") for p in found)


def is_card(path):
    """Whether a file is a model card that we wrote, and nobody claimed."""
    path = pathlib.Path(path)
    if not path.is_file():
        return False
    return CARD_MARK in path.read_text("utf-8", "replace").splitlines()


def _is_preset_of_ours(folder):
    card = folder / CARD
    return _is_preset(folder) and (not card.exists() or is_card(card))


PRESET = folder_of(
    "a preset", (*PRESET_FILES, "assets/*", CARD), _is_preset_of_ours
)


def check_preset_target(path, inputs=()):
    """Refuse a folder whose files a preset's would overwrite, and that is no
    preset. Other files may be there: a preset is written beside them.

    Raises:
        ValueError: see `check_folder` and `check_target`.
    """
    check_target(path, Kind("a folder", os.path.isdir, folder=True), inputs)
    check_folder(path, (*PRESET_FILES, "assets"), _is_preset, "a preset")


def _resolve(path):
    if not os.fspath(path):
        raise ValueError(
            "The path to write to is empty. Use `.` for the current folder."
        )
    return pathlib.Path(os.path.realpath(path))


def _description(path):
    if path.is_dir():
        return "a directory"
    return "a file" if path.is_file() else "a device or pipe"


def _same(one, other):
    return one == other or (
        one.exists() and other.exists() and os.path.samefile(one, other)
    )


def is_plain(path):
    """Whether a path is a regular file or a folder, or a link to one."""
    return path.is_file() or path.is_dir()


def _is_one(target, kind):
    if kind.folder:
        return target.is_dir() and (
            not any(target.iterdir()) or kind.is_one(target)
        )
    return target.is_file() and (
        target.stat().st_size == 0 or kind.is_one(target)
    )
