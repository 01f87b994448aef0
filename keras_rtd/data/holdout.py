"""Held-out documents: chosen once, by the hash of their first line."""

import warnings
from typing import NamedTuple

from keras_rtd.data.advice import no_blank_line
from keras_rtd.data.advice import skipped_records
from keras_rtd.data.corpus import READING
from keras_rtd.data.corpus import read_blocks
from keras_rtd.data.files import file_facts

_HASHES = 2.0**64


class CorpusScan(NamedTuple):
    """What reading a corpus once has shown.

    Attributes:
        num_documents: int.
        num_held_out: int.
        num_characters: int.
        threshold: int, documents with a lower hash are held out.
        advice: str, what is odd about the corpus, or "".
    """

    num_documents: int
    num_held_out: int
    num_characters: int
    threshold: int
    advice: str


_scans: dict[tuple, CorpusScan] = {}


def check_validation_fraction(validation_fraction):
    """Raises ValueError unless it is a number from 0 to below 1."""
    valid = isinstance(validation_fraction, (int, float))
    if not valid or not 0 <= validation_fraction < 1:
        raise ValueError(
            "`validation_fraction` must be at least 0 and below 1. "
            f"Received: validation_fraction={validation_fraction!r}"
        )


def scan_corpus(files, reading=READING, validation_fraction=0.01, enough=None):
    """Reads a corpus through, checks it and finds which documents to hold out.

    A document is held out if its hash, as a fraction of 2**64, is below
    `validation_fraction`. If there are documents with different first lines
    and none is chosen, the lowest hash is held out, so that a small corpus
    has a validation split too. Results are remembered for the files' sizes
    and times.

    Args:
        files: list, see `read_blocks`.
        reading: `keras_rtd.data.readers.Reading`. Defaults to its defaults.
        validation_fraction: float in [0, 1); 0 holds nothing out. Defaults
            to `0.01`.
        enough: tuple of int: stop when each split has that many documents,
            and the corpus that many characters. Then only `threshold` and
            that there are so many is meant. Defaults to `None`, all is read.

    Returns:
        `CorpusScan`.

    Raises:
        ValueError: The corpus has no text, or see `read_blocks`.
    """
    check_validation_fraction(validation_fraction)
    paths = [file for file in files if isinstance(file, str)]
    identity = tuple((path, *file_facts(path)) for path in paths)
    key = (identity, reading, validation_fraction, enough)
    if key not in _scans or len(paths) < len(files):
        _scans[key] = _scan(
            files, reading, int(validation_fraction * _HASHES), enough
        )
    return _scans[key]


def _scan(files, reading, threshold, enough):
    num_documents, num_held_out, num_characters = 0, 0, 0
    begun, lines, skipped, last_file, last_hash = 0, 0, 0, 0, None
    lowest, highest = 2**64, -1
    for block in read_blocks(files, reading):
        skipped += block.skipped
        last_file = block.file
        if not len(block.hashes):
            continue
        num_documents += len(block.hashes)
        num_held_out += int((block.hashes < threshold).sum())
        num_characters += sum(map(len, block.documents))
        lines += sum(text.count("\n") + 1 for text in block.documents)
        # The parts of a document that was cut are one.
        begun += len(block.hashes) - (last_hash == block.hashes[0])
        last_hash = block.hashes[-1]
        lowest = min(lowest, int(block.hashes.min()))
        highest = max(highest, int(block.hashes.max()))
        if enough is not None and num_characters >= enough[1]:
            of_split = [num_documents - num_held_out]
            of_split += [num_held_out] if threshold else []
            if min(of_split) >= enough[0]:
                break
    if not num_documents:
        names = [file if isinstance(file, str) else file.name for file in files]
        raise ValueError(
            f"The corpus is empty: no text in {len(files)} file(s), "
            f"{', '.join(names[:3])}{', …' if len(files) > 3 else ''}."
        )
    if threshold and not num_held_out and lowest < highest:
        threshold = lowest + 1
        num_held_out = 1
    advice = no_blank_line(reading, begun, lines, last_file + 1)
    if advice:
        warnings.warn(advice, stacklevel=4)
    if enough is None:
        skipped_records(skipped)
    return CorpusScan(
        num_documents, num_held_out, num_characters, threshold, advice
    )
