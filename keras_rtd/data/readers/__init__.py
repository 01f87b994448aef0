"""File formats and compressions: what a corpus file is, and who reads it.

A kind is told by how the content begins, then by the file's name. A new
format is a file here with a `read` function, and a line in `FORMATS`; one
from outside is `register`ed.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

from keras_rtd.data.readers import arrow
from keras_rtd.data.readers import jsonl
from keras_rtd.data.readers import parquet
from keras_rtd.data.readers import table
from keras_rtd.data.readers import text
from keras_rtd.data.readers import warc
from keras_rtd.data.readers.foreign import refuse_foreign
from keras_rtd.data.readers.foreign import refuse_markup
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
    "is_known",
    "register",
    "register_compression",
]

__dir__ = listed(__name__)

TEXT = Format("text", text.read, (".txt", ".text", ".md", ".markdown"))
# In this order; what no format knows by content or name is text.
FORMATS = {
    "jsonl": Format("jsonl", jsonl.read, jsonl.SUFFIXES),
    "csv": Format("csv", table.read, table.SUFFIXES),
    "parquet": Format("parquet", parquet.read, parquet.SUFFIXES, parquet.MAGIC),
    "arrow": Format("arrow", arrow.read, arrow.SUFFIXES, arrow.MAGIC),
    "warc": Format("warc", warc.read, warc.SUFFIXES, warc.MAGIC),
    "text": TEXT,
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


def format_of(source: Source, encoding: str | None = None) -> Format:
    """The `Format` of a file.

    Args:
        source: `Source`.
        encoding: str, the encoding of text without a byte order mark. `None`,
            the default, is UTF-8.

    Returns:
        `Format`; that of text where none is recognised.

    Raises:
        ValueError: binary content that no format reads.
    """
    for kind in FORMATS.values():
        if kind.magic and source.head.startswith(kind.magic):
            return kind
    names = ", ".join(kind for kind in FORMATS if kind != "text")
    readable = f"text, {names}, plain or {', '.join(COMPRESSIONS)}"
    refuse_foreign(source, encoding, readable)
    for kind in FORMATS.values():
        if kind.suffixes and source.name.endswith(kind.suffixes):
            return kind
    if jsonl.begins(source.head):
        return FORMATS["jsonl"]
    refuse_markup(source, readable)
    return TEXT


def is_known(path: str) -> bool:
    """Whether a folder's file is read, going by its name.

    Args:
        path: str.

    Returns:
        bool. The suffix is that of a format, before that of a compression; or
        there is that of a compression only.
    """
    name = path.lower().replace("\\", "/").rpartition("/")[2]
    suffixes = tuple(s for k in COMPRESSIONS.values() for s in k.suffixes)
    packed = name.endswith(suffixes)
    if packed:
        name = name.rpartition(".")[0]
    known = tuple(s for kind in FORMATS.values() for s in kind.suffixes)
    return name.endswith(known) or (packed and "." not in name)
