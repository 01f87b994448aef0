"""Content that is no text: named, so that nobody trains on noise."""

import re

from keras_rtd.data.readers.utf8 import encoding_of

# How contents begin, as far as people are likely to have them: what they are,
# and what to do.
_CONVERT = "convert it to one of these, or leave it out"
_UNPACK = "unpack it and pass the files inside"
_EXTRACT = "extract its text first"
_KINDS = (
    (b"PK\x03\x04", "a zip archive", _UNPACK),
    (b"PK\x05\x06", "a zip archive", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (b"\x04\x22\x4d\x18", "compressed with LZ4", "compress it as .zst or .gz"),
    (b"\xff\x06\0\0sNaPpY", "compressed with Snappy", "use .zst or .gz"),
    (b"\x1f\x9d", "compressed with compress", "compress it as .zst or .gz"),
    (b"\x1f\x8b", "compressed twice", "decompress it once"),
    (b"\xfd7zXZ\0", "compressed twice", "decompress it once"),
    (b"\x28\xb5\x2f\xfd", "compressed twice", "decompress it once"),
    (b"%PDF-", "a PDF", _EXTRACT),
    (b"{\\rtf", "an RTF document", _EXTRACT),
    (b"\xd0\xcf\x11\xe0", "an old Microsoft Office document", _EXTRACT),
    (b"\x89PNG", "a picture (PNG)", _CONVERT),
    (b"\xff\xd8\xff", "a picture (JPEG)", _CONVERT),
    (b"GIF8", "a picture (GIF)", _CONVERT),
    (b"\x89HDF", "an HDF5 file", _CONVERT),
    (b"\x93NUMPY", "a NumPy array", _CONVERT),
    (b"Obj\x01", "an Avro file", _CONVERT),
    (b"ORC", "an ORC file", _CONVERT),
    (b"FEA1", "a Feather file of version 1", _CONVERT),
    (b"PARE", "an encrypted Parquet file", "decrypt it first"),
    (b"SQLite format 3\0", "an SQLite database", _CONVERT),
    (b"\x7fELF", "a program", _CONVERT),
    (b"\x80\x04\x95", "a Python pickle", _CONVERT),
)
# Markup that is text by its bytes; under a name that says text it is one.
_MARKUP = (".html", ".htm", ".xhtml", ".xml", ".svg", ".rtf", ".ipynb")
_MARKUP_BEGINS = re.compile(
    rb"\s*<(\?xml|!doctype html|html|mediawiki|svg)[\s>]", re.IGNORECASE
)
# Control characters that text has no use for.
_CONTROL = bytes(set(range(32)) - set(b"\0\t\n\r\f\v\b\x1a\x1b"))
_MOST_CONTROL = 0.02
# At least so many characters of a text are letters, digits or spaces.
_LETTERS = 0.75


def refuse_foreign(source, encoding, readable):
    """Raises ValueError for content that is no text.

    Args:
        source: `Source`.
        encoding: str or `None`, of text without a byte order mark.
        readable: str, what is read, for the message.
    """
    head = source.head
    what, advice = None, _CONVERT
    name, _ = encoding_of(head, encoding)
    for begin, kind, todo in _KINDS:
        # Letters alone may begin a text.
        if head.startswith(begin) and (not begin.isalnum() or b"\0" in head):
            what, advice = kind, todo
            break
    else:
        if head[257:262] == b"ustar":
            what, advice = "a tar archive", _UNPACK
        elif not name.startswith(("utf-16", "utf-32", "utf_16", "utf_32")):
            what, advice = _binary(head)
    if what is not None:
        raise ValueError(
            f"{source.path} is {what}. What is read is {readable}: {advice}."
        )


def _binary(head):
    if b"\0" not in head:
        control = len(head) - len(head.translate(None, _CONTROL))
        if control > max(2, _MOST_CONTROL * len(head)):
            return "binary data (control characters)", _CONVERT
        return None, None
    for order, first in (("le", 1), ("be", 0)):
        if not head[1 - first :: 2].count(0) and _is_text(head, order):
            return (
                "text in UTF-16 without a byte order mark",
                f"pass encoding=utf-16-{order} (--encoding=utf-16-{order})",
            )
    return f"binary data (a zero at byte {head.index(0)})", _CONVERT


def _is_text(head, order):
    """Whether bytes are text in UTF-16 of a byte order."""
    text = head.decode(f"utf-16-{order}", "replace")
    letters = sum(c.isalnum() or c.isspace() for c in text)
    return head.count(0) > 1 and letters > _LETTERS * len(text)


def refuse_markup(source, readable):
    """Raises ValueError for markup under a name that does not say text."""
    if source.name.endswith(_MARKUP) or _MARKUP_BEGINS.match(source.head):
        raise ValueError(
            f"{source.path} is markup (HTML, XML or the like). What is read is "
            f"{readable}: extract its text first; to train on the markup "
            "itself, name the file .txt."
        )
