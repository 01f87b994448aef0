"""Evaluation files: small enough to be read as a whole."""

import os
import pathlib

from keras_rtd.data.readers import Source
from keras_rtd.utils.reading import decode

# Three times GLUE's largest file.
_LARGEST = 1 << 28


def read_text(path):
    """The text of a file.

    Args:
        path: str or path of a UTF-8 file; `.gz` and `.xz` are decompressed,
            and a byte order mark is left out.

    Raises:
        ValueError: the file is damaged, not UTF-8, or above 256 MiB.
    """
    path = os.fspath(path)
    with Source(path) as source:
        data = source.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise ValueError(
            f"{path} has more than {_LARGEST:,} bytes, decompressed."
        )
    return decode(data, path)


def read_lines(path):
    """The lines of a text file, see `read_text`: list of str.

    Only line feeds, with or without a carriage return, end a line: texts hold
    other characters that `str.splitlines` would split at.
    """
    lines = [line.removesuffix("\r") for line in read_text(path).split("\n")]
    return lines[:-1] if lines[-1] == "" else lines


def find_file(directories, name):
    """The path of a file, plain or compressed.

    Args:
        directories: list of str or path, looked in one after the other.
        name: str, without `.gz`.

    Raises:
        ValueError: it is in none of them.
    """
    for directory in directories:
        for suffix in ("", ".gz"):
            path = pathlib.Path(directory) / (name + suffix)
            if path.is_file():
                return path
    places = " or ".join(str(directory) for directory in directories)
    raise ValueError(f"No {name} or {name}.gz in {places}.")
