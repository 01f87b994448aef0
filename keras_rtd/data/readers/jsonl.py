"""JSON: a record is a document, one of its fields the text.

A record a line, as usual; or an array of records, or records of many lines.
"""

import json
import re

from keras_rtd.data.readers.protocol import Piece
from keras_rtd.data.readers.records import BadRecord
from keras_rtd.data.readers.records import check_skipping
from keras_rtd.data.readers.records import field_of
from keras_rtd.data.readers.records import pieces
from keras_rtd.data.readers.records import text_of
from keras_rtd.data.readers.text import LONGEST_RECORD
from keras_rtd.data.readers.text import cut
from keras_rtd.data.readers.utf8 import TextStream
from keras_rtd.data.readers.utf8 import encoding_of

SUFFIXES = (".jsonl", ".ndjson", ".json", ".jsonlines", ".ldjson", ".jl")
# How a file begins whose records are not one a line.
_MANY_LINES = re.compile(r"\s*(\[|\{\s*\n)")
_BRACKET = re.compile(r"\A\s*\[?")
_WORD = re.compile(r"[^\s,]|\Z")
_END = re.compile(r"[\]\s]*\Z")
_CHUNK = 1 << 19


def read(source, reading, first):
    """Yields the blocks of a file of JSON; see `readers.Format`."""
    encoding, mark = encoding_of(source.head, reading.encoding)
    head = source.head[len(mark) :].decode(encoding, "replace")
    stream = TextStream(source, reading, reading.skip_bad)
    if _MANY_LINES.match(head):
        yield from pieces(_values(stream, reading), reading, source.path, first)
        return
    blocks = cut(stream, "line", may_cut_documents=False)
    for index, (raw, _) in enumerate(blocks):
        line = stream.line
        if index < first:
            stream.pass_over(raw)
            yield None
        else:
            yield _piece(stream.decode(raw), reading, source.path, line)


def _piece(text, reading, path, line_number):
    texts, skipped = [], 0
    for number, line in enumerate(text.split("\n"), line_number):
        if not line or line.isspace():
            continue
        try:
            value = text_of(_field(line, reading), reading.errors)
        except BadRecord as error:
            check_skipping(error, f"line {number}", reading, path)
            skipped += 1
        else:
            texts += [value] if value else []
    return Piece(texts, skipped=skipped)


def _field(line, reading):
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadRecord(str(error)) from error
    return field_of(record, reading.text_field)


def _values(stream, reading):
    """Yields (which record, its text) of values one after the other."""
    decoder = json.JSONDecoder()
    text, place, number, ended = "", 0, 0, False

    def more():
        nonlocal text, place, ended
        chunk = stream.decode(_whole(stream))
        ended = not chunk
        text, place = text[place:] + chunk, 0

    more()
    # The brackets of an array are left out.
    is_array = text.lstrip().startswith("[")
    text = _BRACKET.sub("", text)
    while True:
        found = _WORD.search(text, place)
        place = found.start() if found else len(text)
        if place == len(text) and not ended:
            more()
            continue
        if _END.match(text, place):
            if not ended:
                more()
                continue
            if is_array and "]" not in text[place:]:
                raise ValueError(f"{stream.path} ends within its array.")
            return
        try:
            value, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError) as error:
            too_long = len(text) - place > LONGEST_RECORD
            if not (ended or too_long or isinstance(error, RecursionError)):
                more()
                continue
            reason = f"more than {LONGEST_RECORD:,} characters; " * too_long
            raise ValueError(
                f"{stream.path}, record {number + 1}: {reason}{error}"
            ) from error
        number += 1
        yield f"record {number}", field_of(value, reading.text_field)


def _whole(stream):
    """The next bytes up to the end of a character."""
    data = stream.read(_CHUNK)
    while data and data[-1] >= 0x80:
        byte = stream.read(1)
        if not byte:
            break
        data += byte
    return data


def begins(head):
    """Whether a file of any name begins with a record on its first line."""
    line, newline, _ = head.partition(b"\n")
    if not newline or not line.startswith(b"{"):
        return False
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
