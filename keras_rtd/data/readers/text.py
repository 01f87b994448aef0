"""Plain text: documents with blank lines between, or a line each.

Work in Python is done per document only; cutting, decoding and searching are
single calls on a whole block.
"""

import re

from keras_rtd.data.readers.protocol import Piece
from keras_rtd.data.readers.utf8 import TextStream

_BLOCK_BYTES = 1 << 19
# A longer document goes on as a further one, so that memory stays bounded.
_LONGEST_DOCUMENT = 1 << 24
# A record is read as a whole.
LONGEST_RECORD = 1 << 27

_BLANK_LINE_BYTES = re.compile(rb"\n[ \t\f\v]*\n")
BLANK_LINE = re.compile(r"\n\s*\n")
_LEADING_LINES = re.compile(r"\A\s*\n")
# How text begins that does not go on with the document cut before it.
_BEGINS_ANEW = {
    "blank_line": re.compile(r"\s*\n\s*\n"),
    "line": re.compile(r"\s*\n"),
}


def read(source, reading, first):
    """Yields the blocks of a text file; see `readers.Format`."""
    documents, goes_on = reading.documents, False
    stream = TextStream(source, reading)
    for index, (raw, is_cut) in enumerate(cut(stream, documents)):
        # A block that a resumed caller has is not worth decoding, unless a
        # document goes on from it.
        if index < first and not is_cut and not goes_on:
            stream.pass_over(raw)
            yield None
        else:
            text = stream.decode(raw)
            begins = bool(_BEGINS_ANEW[documents].match(text))
            yield Piece(_split(text, documents), begins, is_cut)
        goes_on = is_cut


def cut(stream, documents, may_cut_documents=True):
    """Yields a file's text in blocks that end where documents end.

    Args:
        stream: `TextStream`.
        documents: `"blank_line"` or `"line"`.
        may_cut_documents: bool. A document that is very long is cut. Defaults
            to `True`.

    Yields:
        (UTF-8 bytes, whether a document goes on in the next bytes).
    """
    buffer, searched = b"", 0
    while chunk := stream.read(_BLOCK_BYTES):
        buffer += chunk
        if documents == "line":
            end = buffer.rfind(b"\n", searched) + 1
        else:
            end = 0
            for match in _BLANK_LINE_BYTES.finditer(buffer, searched):
                end = match.end()
        if end:
            yield buffer[:end], False
            buffer = buffer[end:]
        elif may_cut_documents and len(buffer) >= _LONGEST_DOCUMENT:
            end = _cut_inside(buffer)
            yield buffer[:end], True
            buffer = buffer[end:]
        elif not may_cut_documents and len(buffer) > LONGEST_RECORD:
            raise ValueError(
                f"{stream.path} has a line of more than {LONGEST_RECORD:,} "
                "bytes: it is no file of one record a line."
            )
        # The last newline may be the first half of a blank line.
        searched = max(0, buffer.rfind(b"\n"))
    if buffer:
        yield buffer, False


def _cut_inside(buffer):
    """Where to cut a long document: before a newline, at a space, anywhere."""
    # The newline stays with what follows: it may be half of a blank line.
    end = max(0, buffer.rfind(b"\n")) or buffer.rfind(b" ") + 1
    if not end:
        end = len(buffer)
        while buffer[end - 1] & 0xC0 == 0x80 and end > len(buffer) - 3:
            end -= 1
        end -= buffer[end - 1] >= 0xC0
    return end


def trimmed(text):
    """A text without the blank lines and spaces around it.

    The first line keeps its indentation, which code needs.
    """
    if text[:1].isspace():
        text = _LEADING_LINES.sub("", text)
    return text.rstrip()


def _split(text, documents):
    parts = text.split("\n") if documents == "line" else BLANK_LINE.split(text)
    return [part for part in map(trimmed, parts) if part]
