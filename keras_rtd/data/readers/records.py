"""Records: what has a text in one of its fields."""

from keras_rtd.data.readers.protocol import Piece
from keras_rtd.data.readers.text import BLANK_LINE
from keras_rtd.data.readers.text import trimmed

_BLOCK_CHARACTERS = 1 << 19
# A block of records that are all empty ends too.
_BLOCK_RECORDS = 1 << 16
SKIP = "pass skip_bad=True (--skip_bad) to skip and count such records"


class BadRecord(Exception):
    """A record without text; the message says why.

    A reader yields one where a value should be.
    """


def text_of(value, errors="strict"):
    """The text of a field, as one document.

    Args:
        value: what the field holds. Bytes are UTF-8.
        errors: see `Reading`.

    Returns:
        str, without blank lines; empty where there is no text.

    Raises:
        BadRecord: It is no string, or not Unicode.
    """
    if isinstance(value, BadRecord):
        raise value
    if isinstance(value, bytes):
        try:
            value = value.decode("utf-8", errors)
        except UnicodeDecodeError as error:
            raise BadRecord("the text is not UTF-8") from error
    if value is None:
        raise BadRecord("the text is null")
    if not isinstance(value, str):
        raise BadRecord(f"the text is not a string: {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        if errors == "strict":
            raise BadRecord(
                "half a surrogate pair or a byte that is not UTF-8 "
                "(errors=replace reads U+FFFD)"
            ) from error
        value = value.encode("utf-16", "surrogatepass")
        value = value.decode("utf-16", "replace")
    if "\r" in value:
        value = value.replace("\r\n", "\n").replace("\r", "\n")
    return trimmed(BLANK_LINE.sub("\n", value))


def pieces(values, reading, path, first=0):
    """Yields the blocks of a file of records.

    Args:
        values: iterable of (str, which record it is: "record 7"; the text, or
            a `BadRecord`).
        reading: `Reading`.
        path: str, for messages.
        first: int, see `Format`.

    Raises:
        ValueError: A record without text, unless `skip_bad`.
    """
    texts: list[str] = []
    index = size = count = skipped = 0
    for where, value in values:
        try:
            text = text_of(value, reading.errors)
        except BadRecord as error:
            check_skipping(error, where, reading, path)
            skipped += 1
            continue
        finally:
            count += 1
        if text:
            texts.append(text)
            size += len(text)
        if size >= _BLOCK_CHARACTERS or count >= _BLOCK_RECORDS:
            yield Piece(texts, skipped=skipped) if index >= first else None
            texts = []
            index, size, count, skipped = index + 1, 0, 0, 0
    yield Piece(texts, skipped=skipped) if index >= first else None


def check_skipping(error, where, reading, path):
    """Raises ValueError for a bad record unless such records are skipped."""
    if not reading.skip_bad:
        raise ValueError(f"{path}, {where}: {error}; {SKIP}.") from error


def check_field(path, names, field):
    """Raises ValueError where there is no such field or column."""
    if field not in names:
        raise ValueError(
            f"{path} has no column {field!r}. Its columns are: "
            f"{', '.join(map(str, names))}. Name the one with the text: "
            "text_field=NAME (--text_field=NAME)."
        )


def field_of(record, field):
    """The value of a field of a mapping, or a `BadRecord`."""
    try:
        return record[field]
    except KeyError:
        names = ", ".join(map(repr, list(record)[:8])) or "none"
        return BadRecord(
            f"the record has no field {field!r} (text_field, --text_field); "
            f"its fields: {names}"
        )
    except (TypeError, IndexError):
        kind = type(record).__name__
        return BadRecord(f"the record is not an object, but of type {kind}")
