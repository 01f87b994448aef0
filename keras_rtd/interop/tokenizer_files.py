"""Tokenizers from and to the files of the other projects."""

import os
import pathlib

from keras_rtd.models import ElectraPreprocessor
from keras_rtd.models import ElectraTokenizer
from keras_rtd.utils.writing import write_text

VOCABULARY = "vocab.txt"


def tokenizer_of(vocabulary, **options):
    """A tokenizer from what a caller may pass for one.

    Args:
        vocabulary: an `ElectraTokenizer`, a path, a list of tokens or `None`.
        **options: for `ElectraTokenizer`.

    Returns:
        `ElectraTokenizer` or `None`.
    """
    if vocabulary is None or isinstance(vocabulary, ElectraTokenizer):
        return vocabulary
    if isinstance(vocabulary, os.PathLike):
        vocabulary = os.fspath(vocabulary)
    return ElectraTokenizer(vocabulary, **options)


def preprocessor_of(tokenizer, backbone):
    """A preprocessor around a tokenizer, checked against the encoder.

    Returns:
        `ElectraPreprocessor`, or `None` without a tokenizer.

    Raises:
        ValueError: a vocabulary of another size than the encoder's.
    """
    if tokenizer is None:
        return None
    size = tokenizer.vocabulary_size()
    if size != backbone.vocabulary_size:
        raise ValueError(
            f"The vocabulary has {size} tokens, the weights have "
            f"{backbone.vocabulary_size}: they do not belong together."
        )
    return ElectraPreprocessor(
        tokenizer, sequence_length=backbone.max_sequence_length
    )


def write_vocabulary(tokenizer, directory):
    """Write `vocab.txt`, one token a line; returns its path."""
    path = pathlib.Path(directory) / VOCABULARY
    write_text(path, "\n".join(tokenizer.vocabulary) + "\n")
    return path
