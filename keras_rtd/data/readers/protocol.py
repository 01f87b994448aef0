"""What a file format is to the rest of the package."""

from collections.abc import Callable
from collections.abc import Iterator
from typing import NamedTuple


class Reading(NamedTuple):
    """How a corpus is read; see `keras_rtd.data.corpus.read_blocks`."""

    documents: str = "blank_line"
    text_field: str = "text"
    errors: str = "strict"


class Piece(NamedTuple):
    """The documents of a block of a file.

    Attributes:
        texts: list of str, none empty.
        begins: bool. The first one is new, and not the rest of a document
            that the block before has begun. Defaults to `True`.
        goes_on: bool. The last one goes on in the next block. Defaults to
            `False`.
    """

    texts: list[str]
    begins: bool = True
    goes_on: bool = False


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
