"""Held-out documents: chosen once, by the hash of their first line."""

from typing import NamedTuple

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
    """

    num_documents: int
    num_held_out: int
    num_characters: int
    threshold: int


_scans: dict[tuple, CorpusScan] = {}


def check_validation_fraction(validation_fraction):
    """Raises ValueError unless it is a number from 0 to below 1."""
    valid = isinstance(validation_fraction, (int, float))
    if not valid or not 0 <= validation_fraction < 1:
        raise ValueError(
            "`validation_fraction` must be at least 0 and below 1. "
            f"Received: validation_fraction={validation_fraction!r}"
        )


def scan_corpus(
    files,
    documents="blank_line",
    text_field="text",
    errors="strict",
    validation_fraction=0.01,
    stop_early=False,
):
    """Reads a corpus through, checks it and finds which documents to hold out.

    A document is held out if its hash, as a fraction of 2**64, is below
    `validation_fraction`. If there are documents with different first lines
    and none is chosen, the lowest hash is held out, so that a small corpus
    has a validation split too. Results are remembered for the files' sizes
    and times.

    Args:
        files: list of str.
        documents, text_field, errors: see `read_blocks`.
        validation_fraction: float in [0, 1); 0 holds nothing out. Defaults
            to `0.01`.
        stop_early: bool, stop at the first held-out document: then only
            `threshold` is meant. Defaults to `False`.

    Returns:
        `CorpusScan`.

    Raises:
        ValueError: The corpus has no text, or see `read_blocks`.
    """
    check_validation_fraction(validation_fraction)
    identity = tuple((path, *file_facts(path)) for path in files)
    key = (
        identity,
        documents,
        text_field,
        errors,
        validation_fraction,
        stop_early,
    )
    if key not in _scans:
        _scans[key] = _scan(
            read_blocks(files, documents, text_field, errors),
            int(validation_fraction * _HASHES),
            stop_early,
            files,
        )
    return _scans[key]


def _scan(blocks, threshold, stop_early, files):
    num_documents, num_held_out, num_characters = 0, 0, 0
    lowest, highest = 2**64, -1
    for block in blocks:
        num_documents += len(block.hashes)
        num_held_out += int((block.hashes < threshold).sum())
        num_characters += sum(map(len, block.documents))
        lowest = min(lowest, int(block.hashes.min()))
        highest = max(highest, int(block.hashes.max()))
        if stop_early and num_held_out:
            break
    if not num_documents:
        raise ValueError(
            f"The corpus is empty: no text in {len(files)} file(s), "
            f"{', '.join(files[:3])}{', …' if len(files) > 3 else ''}."
        )
    if threshold and not num_held_out and lowest < highest:
        threshold = lowest + 1
        num_held_out = 1
    return CorpusScan(num_documents, num_held_out, num_characters, threshold)
