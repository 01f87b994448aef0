"""Text files to documents, in blocks of about half a megabyte.

Work in Python is done per document only; cutting, decoding and searching are
single calls on a whole block.
"""

import codecs
import hashlib
import json
import re
from typing import NamedTuple

import numpy as np

from keras_rtd.data.files import ByteReader
from keras_rtd.data.files import resolve_files

DOCUMENTS = ("blank_line", "line")
ERRORS = ("strict", "replace")

_BLOCK_BYTES = 1 << 19
# A longer document goes on as a further one, so that memory stays bounded.
_LONGEST_DOCUMENT = 1 << 24
# A longer line goes on as a further one: tokenizers take a line as a whole.
_LONGEST_LINE = 1 << 20

_BLANK_LINE_BYTES = re.compile(rb"\n[ \t\r\f\v]*\n")
_BLANK_LINE = re.compile(r"\n\s*\n")
# How text begins that does not go on with the document cut before it.
_BEGINS_ANEW = {
    "blank_line": re.compile(r"\s*\n\s*\n"),
    "line": re.compile(r"\s*\n"),
}


class Block(NamedTuple):
    """Consecutive documents of one file.

    Attributes:
        documents: list of str, none empty, lines separated by one newline.
        hashes: (D,) uint64, by which documents are held out. The parts of a
            document that was cut have the same one.
        file: int, index of the file.
        number: int, number of the block in its file.
        position: int, bytes of the stored file consumed so far.
    """

    documents: list
    hashes: np.ndarray
    file: int
    number: int
    position: int


def read_blocks(
    files,
    documents="blank_line",
    text_field="text",
    errors="strict",
    start=(0, 0),
):
    """Yields the blocks of a corpus, in order.

    Args:
        files: list of str, from `resolve_files`. Files are plain text, except
            `.jsonl` (a record is a document); `.gz` and `.xz` after either.
        documents: `"blank_line"` (documents are separated by blank lines) or
            `"line"` (every line is one). Defaults to `"blank_line"`.
        text_field: str, the field of a JSON record with the text. Defaults
            to `"text"`.
        errors: `"strict"` or `"replace"` (what is not UTF-8 becomes U+FFFD).
            Defaults to `"strict"`.
        start: tuple of file index and block index, the first to be yielded.

    Yields:
        `Block`s.

    Raises:
        ValueError: A file is not UTF-8 (names file and byte offset), not
            JSON (names file and line), or cannot be decompressed.
    """
    for number in range(start[0], len(files)):
        first = start[1] if number == start[0] else 0
        path = files[number]
        is_json = _is_json(path)
        kind = "line" if is_json else documents
        cut_hash, line_number, offset = None, 1, 0
        with ByteReader(path) as reader:
            for index, (raw, is_cut) in enumerate(_cut(reader, kind)):
                # A block that a resumed caller has is not worth decoding,
                # unless a document goes on from it.
                needed = index >= first or is_cut or cut_hash is not None
                if needed:
                    text = _decode(raw, errors, path, offset)
                    if is_json:
                        texts = _json_texts(
                            text, text_field, errors, path, line_number
                        )
                    else:
                        texts = _split(text, documents)
                    hashes = [document_hash(text) for text in texts]
                    begins = _BEGINS_ANEW[kind].match(text)
                    if cut_hash is not None and hashes and not begins:
                        hashes[0] = cut_hash
                    if not is_cut:
                        cut_hash = None
                    elif hashes:
                        cut_hash = hashes[-1]
                    if index >= first and texts:
                        yield Block(
                            [_shorten_lines(text) for text in texts],
                            np.array(hashes, np.uint64),
                            number,
                            index,
                            reader.position(),
                        )
                offset += len(raw)
                if is_json:
                    line_number += raw.count(b"\n")


def check_reading(documents, text_field, errors):
    """Raises ValueError for an argument of `read_blocks` that it cannot be."""
    if documents not in DOCUMENTS:
        raise ValueError(
            f"`documents` must be one of {DOCUMENTS}. "
            f"Received: documents={documents!r}"
        )
    if errors not in ERRORS:
        raise ValueError(
            f"`errors` must be one of {ERRORS}. Received: errors={errors!r}"
        )
    if not isinstance(text_field, str):
        raise ValueError(
            f"`text_field` must be a string. Received: {text_field!r}"
        )


def read_documents(
    patterns, documents="blank_line", text_field="text", errors="strict"
):
    """Yields the documents of a corpus as str.

    Args:
        patterns: see `resolve_files`.
        documents, text_field, errors: see `read_blocks`.
    """
    files = resolve_files(patterns)
    for block in read_blocks(files, documents, text_field, errors):
        yield from block.documents


def document_hash(document):
    """Returns the first line's hash, an int below 2**64."""
    first_line = document.partition("\n")[0].strip()
    digest = hashlib.blake2b(
        first_line.encode("utf-8", "replace"), digest_size=8
    )
    return int.from_bytes(digest.digest(), "big")


def _cut(reader, documents):
    """Yields (bytes, whether a document goes on in the next bytes)."""
    buffer, searched = b"", 0
    while chunk := reader.read(_BLOCK_BYTES):
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
        elif len(buffer) >= _LONGEST_DOCUMENT and not _is_json(reader.path):
            end = _cut_inside(buffer)
            yield buffer[:end], True
            buffer = buffer[end:]
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


def _decode(raw, errors, path, offset):
    if not offset and raw.startswith(codecs.BOM_UTF8):
        raw = raw[len(codecs.BOM_UTF8) :]
        offset = len(codecs.BOM_UTF8)
    try:
        text = raw.decode("utf-8", errors)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8 at byte {offset + error.start} "
            f"({raw[error.start : error.start + 4]!r}). Convert the file, or "
            'pass errors="replace" (--errors=replace) to read such bytes as '
            "U+FFFD."
        ) from error
    return text.replace("\r\n", "\n")


def _split(text, documents):
    parts = text.split("\n") if documents == "line" else _BLANK_LINE.split(text)
    return [part for part in map(str.strip, parts) if part]


def _json_texts(text, field, errors, path, line_number):
    texts = []
    for number, line in enumerate(text.split("\n"), line_number):
        if not line.strip():
            continue
        try:
            value = json.loads(line)[field]
            if not isinstance(value, str):
                raise TypeError(f"field {field!r} is not a string")
            if errors == "strict":
                value.encode()
            else:
                value = value.encode("utf-16", "surrogatepass")
                value = value.decode("utf-16", "replace")
        except KeyError:
            reason = f"the record has no field {field!r}"
        except UnicodeEncodeError:
            reason = 'half a surrogate pair (errors="replace" reads U+FFFD)'
        except (ValueError, TypeError) as error:
            reason = str(error)
        else:
            value = _BLANK_LINE.sub("\n", value.replace("\r\n", "\n")).strip()
            texts += [value] if value else []
            continue
        raise ValueError(f"{path}, line {number}: {reason}.")
    return texts


def _shorten_lines(document):
    if len(document) <= _LONGEST_LINE:
        return document
    lines = []
    for line in document.split("\n"):
        while len(line) > _LONGEST_LINE:
            end = line.rfind(" ", 1, _LONGEST_LINE)
            end = end if end > 0 else _LONGEST_LINE
            lines.append(line[:end])
            line = line[end:]
        lines.append(line)
    return "\n".join(lines)


def _is_json(path):
    return path.removesuffix(".gz").removesuffix(".xz").endswith(".jsonl")
