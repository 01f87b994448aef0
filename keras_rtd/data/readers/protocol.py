"""What a file format is to the rest of the package."""

import importlib
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any
from typing import NamedTuple


class Reading(NamedTuple):
    """How a corpus is read.

    Attributes:
        documents: `"blank_line"` (blank lines separate the documents of text
            files) or `"line"` (every line is one). Defaults to
            `"blank_line"`.
        text_field: str, the field or column of a record with the text.
            Defaults to `"text"`.
        errors: `"strict"` or `"replace"` (bytes that are not in the encoding
            become U+FFFD). Defaults to `"strict"`.
        encoding: str, of files without a byte order mark. `None`, the
            default, is UTF-8.
        skip_bad: bool. Records without text are skipped and counted, instead
            of an error. Defaults to `False`.
    """

    documents: str = "blank_line"
    text_field: str = "text"
    errors: str = "strict"
    encoding: str | None = None
    skip_bad: bool = False


class Piece(NamedTuple):
    """The documents of a block of a file.

    Attributes:
        texts: list of str, none empty.
        begins: bool. The first one is new, and not the rest of a document
            that the block before has begun. Defaults to `True`.
        goes_on: bool. The last one goes on in the next block. Defaults to
            `False`.
        skipped: int, bad records that were skipped. Defaults to `0`.
    """

    texts: list[str]
    begins: bool = True
    goes_on: bool = False
    skipped: int = 0


class Format(NamedTuple):
    """A file format.

    Attributes:
        name: str.
        read: function of `source` (a `Source`: the file's bytes,
            decompressed), `reading` (a `Reading`) and `first` (int). Yields a
            `Piece` for each block of half a megabyte or so, the same blocks
            each time; it may yield `None` instead for a block with a lower
            index than `first`, and saves itself the work.
        suffixes: tuple of str, how names end.
        magic: tuple of bytes, how contents begin.
    """

    name: str
    read: Callable[..., Iterator[Piece | None]]
    suffixes: tuple[str, ...] = ()
    magic: tuple[bytes, ...] = ()


def package(path: str, module: str, install: str) -> Any:
    """A module that a file needs.

    Raises:
        ImportError: It is not installed; says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        raise ImportError(
            f"{path} is read with the package {name}, which is not installed: "
            f"pip install {install}"
        ) from error
