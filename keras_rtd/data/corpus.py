"""Corpus files to documents, in blocks of about half a megabyte."""

import hashlib
from typing import NamedTuple

import numpy as np

from keras_rtd.data import readers
from keras_rtd.data.corpora import resolve

DOCUMENTS = ("blank_line", "line")
ERRORS = ("strict", "replace")
READING = readers.Reading()

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
        skipped: int, bad records that were skipped in it. Defaults to `0`.
        duplicates: int, duplicates that were left out. Defaults to `0`.
    """

    documents: list
    hashes: np.ndarray
    file: int
    number: int
    position: int
    skipped: int = 0
    duplicates: int = 0


def read_blocks(files, reading=READING, start=(0, 0)):
    """Yields the blocks of a corpus, in order.

    Args:
        files: list of str, from `resolve_files`, each of a format and a
            compression that `keras_rtd.data.readers` knows, and of
            `keras_rtd.data.python_records.PythonRecords`.
        reading: `keras_rtd.data.readers.Reading`, see there. Defaults to its
            defaults.
        start: tuple of file index and block index, the first to be yielded.

    Yields:
        `Block`s; those without documents only if records were skipped.

    Raises:
        ValueError: A file is not UTF-8 (names file and byte offset), not
            JSON (names file and line), binary, or cannot be decompressed.
    """
    for number in range(start[0], len(files)):
        first = start[1] if number == start[0] else 0
        cut_hash = None
        pieces = _pieces(files[number], reading, first)
        for index, (piece, position) in enumerate(pieces):
            if piece is None:
                continue
            hashes = [document_hash(text) for text in piece.texts]
            if cut_hash is not None and hashes and not piece.begins:
                hashes[0] = cut_hash
            if not piece.goes_on:
                cut_hash = None
            elif hashes:
                cut_hash = hashes[-1]
            if index >= first and (hashes or piece.skipped):
                yield Block(
                    [_shorten_lines(text) for text in piece.texts],
                    np.array(hashes, np.uint64),
                    number,
                    index,
                    position,
                    piece.skipped,
                )


def _pieces(file, reading, first):
    """Yields (piece, bytes of the stored file consumed)."""
    if not isinstance(file, str):
        for piece in file.pieces(reading, first):
            yield piece, 0
        return
    with readers.Source(file) as source:
        read = readers.format_of(source, reading.encoding).read
        for piece in read(source, reading, first):
            yield piece, source.position()


def check_reading(reading):
    """Raises ValueError for a value of a `Reading` that it cannot be."""
    for name, known in (("documents", DOCUMENTS), ("errors", ERRORS)):
        value = getattr(reading, name)
        if value not in known:
            raise ValueError(
                f"`{name}` must be one of {known}. Received: {name}={value!r}"
            )
    if not isinstance(reading.text_field, str):
        raise ValueError(
            f"`text_field` must be a string. Received: {reading.text_field!r}"
        )
    if not isinstance(reading.skip_bad, bool):
        raise ValueError(
            "`skip_bad` must be True or False. "
            f"Received: skip_bad={reading.skip_bad!r}"
        )
    if reading.encoding is not None:
        try:
            "a".encode(reading.encoding)
        except (LookupError, TypeError):
            raise ValueError(
                "`encoding` must be the name of a text encoding, such as "
                f"latin-1. Received: encoding={reading.encoding!r}"
            ) from None


def read_documents(data, *reading, **options):
    """Yields the documents of all corpora of data as str.

    Args:
        data: see `keras_rtd.data.pretraining_dataset`.
        *reading, **options: of `keras_rtd.data.readers.Reading`.
    """
    files = [file for corpus in resolve(data) for file in corpus.data]
    for block in read_blocks(files, readers.Reading(*reading, **options)):
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
