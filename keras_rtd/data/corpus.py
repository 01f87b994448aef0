"""Corpus files to documents, in blocks of about half a megabyte."""

import hashlib
from typing import NamedTuple

import numpy as np

from keras_rtd.data import readers
from keras_rtd.data.files import resolve_files

DOCUMENTS = ("blank_line", "line")
ERRORS = ("strict", "replace")

# A longer line goes on as a further one: tokenizers take a line as a whole.
_LONGEST_LINE = 1 << 20


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
        files: list of str, from `resolve_files`, each of a format and a
            compression that `keras_rtd.data.readers` knows.
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
            JSON (names file and line), binary, or cannot be decompressed.
    """
    reading = readers.Reading(documents, text_field, errors)
    for number in range(start[0], len(files)):
        first = start[1] if number == start[0] else 0
        cut_hash = None
        with readers.Source(files[number]) as source:
            read = readers.format_of(source).read
            for index, piece in enumerate(read(source, reading, first)):
                if piece is None:
                    continue
                hashes = [document_hash(text) for text in piece.texts]
                if cut_hash is not None and hashes and not piece.begins:
                    hashes[0] = cut_hash
                if not piece.goes_on:
                    cut_hash = None
                elif hashes:
                    cut_hash = hashes[-1]
                if index >= first and hashes:
                    yield Block(
                        [_shorten_lines(text) for text in piece.texts],
                        np.array(hashes, np.uint64),
                        number,
                        index,
                        source.position(),
                    )


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
