"""File formats and compressions: what a corpus file is, and who reads it.

A kind is told by how the content begins, then by the file's name. A new
format is a file here with a `read` function, and a line in `FORMATS`; one
from outside is `register`ed.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

from keras_rtd.data.readers import jsonl
from keras_rtd.data.readers import text
from keras_rtd.data.readers.protocol import Format
from keras_rtd.data.readers.protocol import Piece
from keras_rtd.data.readers.protocol import Reading
from keras_rtd.data.readers.source import COMPRESSIONS
from keras_rtd.data.readers.source import Compression
from keras_rtd.data.readers.source import Source
from keras_rtd.utils.public_names import listed

__all__ = [
    "COMPRESSIONS",
    "Compression",
    "FORMATS",
    "Format",
    "Piece",
    "Reading",
    "Source",
    "format_of",
    "register",
    "register_compression",
]

__dir__ = listed(__name__)

TEXT = Format("text", text.read, (".txt", ".md"))
# In this order; what no format knows by content or name is text.
FORMATS = {
    "jsonl": Format("jsonl", jsonl.read, (".jsonl",)),
    "text": TEXT,
}

# Content that is no text, as far as people are likely to have it.
_FOREIGN = {
    b"PAR1": "a Parquet file",
    b"ARROW1": "an Arrow file",
    b"\x28\xb5\x2f\xfd": "compressed with Zstandard",
    b"BZh91AY&SY": "compressed with bzip2",
    b"PK\x03\x04": "a zip archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"%PDF-": "a PDF",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
}


def register(
    name: str,
    read: Callable[..., Iterator[Piece | None]],
    suffixes: Iterable[str] = (),
    magic: Iterable[bytes] = (),
) -> None:
    """Adds a file format.

    Args:
        name: str, for people.
        read: function of `(source, reading, first)`, see `Format`.
        suffixes: tuple of str, how names end, in lower case and before the
            suffix of a compression. Defaults to none.
        magic: tuple of bytes, how contents begin. Defaults to none.

    Example:

    ```python
    def read(source, reading, first):
        for record in my_records(source):
            yield keras_rtd.data.readers.Piece([record.text])

    keras_rtd.data.readers.register("records", read, suffixes=(".rec",))
    ```
    """
    FORMATS[name] = Format(name, read, tuple(suffixes), tuple(magic))


def register_compression(
    name: str,
    open: Callable[[Any], Any],
    suffixes: Iterable[str] = (),
    magic: Iterable[bytes] = (),
    errors: Iterable[type[BaseException]] = (),
) -> None:
    """Adds a compression.

    Args:
        name: str, for people.
        open: function of a binary file, to a file of what is in it.
        suffixes, magic: see `register`.
        errors: tuple of exception types that damaged data raises.
    """
    COMPRESSIONS[name] = Compression(
        name, open, tuple(suffixes), tuple(magic), tuple(errors)
    )


def format_of(source: Source) -> Format:
    """The `Format` of a file.

    Args:
        source: `Source`.

    Returns:
        `Format`; that of text where none is recognised.

    Raises:
        ValueError: binary content that no format reads.
    """
    for kind in FORMATS.values():
        if kind.magic and source.head.startswith(kind.magic):
            return kind
    _refuse_binary(source)
    for kind in FORMATS.values():
        if kind.suffixes and source.name.endswith(kind.suffixes):
            return kind
    return TEXT


def _refuse_binary(source):
    what = next(
        (w for begin, w in _FOREIGN.items() if source.head.startswith(begin)),
        None,
    )
    if what is None and b"\0" in source.head:
        what = f"binary data (a zero at byte {source.head.index(0)})"
    if what is not None:
        raise ValueError(
            f"{source.path} is {what}. What is read is UTF-8 text or "
            f"{', '.join(k for k in FORMATS if k != 'text')}, plain or "
            f"{', '.join(COMPRESSIONS)}: convert the file or leave it out."
        )
