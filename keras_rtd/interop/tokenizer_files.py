"""Tokenizers from and to the files of the other projects."""

from keras_rtd.models import ElectraPreprocessor
from keras_rtd.tokenizers import Tokenizer
from keras_rtd.tokenizers import load

VOCABULARY = "vocab.txt"


def tokenizer_of(vocabulary, **options):
    """A tokenizer from what a caller may pass for one.

    Args:
        vocabulary: a `Tokenizer`, a path, or `None`.
        **options: for `keras_rtd.tokenizers.load`.

    Returns:
        `Tokenizer` or `None`.
    """
    if vocabulary is None or isinstance(vocabulary, Tokenizer):
        return vocabulary
    return load(vocabulary, **options)


# Rows of an encoder without a table of positions, which knows no limit.
LENGTH = 512


def preprocessor_of(tokenizer, backbone, kind=ElectraPreprocessor):
    """A preprocessor around a tokenizer, checked against the encoder.

    Args:
        tokenizer: `Tokenizer` or `None`.
        backbone: the encoder.
        kind: class of the preprocessor. Defaults to `ElectraPreprocessor`.

    Returns:
        The preprocessor, or `None` without a tokenizer.

    Raises:
        ValueError: a vocabulary of another size than the encoder's.
    """
    if tokenizer is None:
        return None
    size = tokenizer.vocabulary_size()
    spare = backbone.vocabulary_size - size
    if spare and not 0 < spare <= backbone.spare_tokens:
        raise ValueError(
            f"The vocabulary has {size} tokens, the weights have "
            f"{backbone.vocabulary_size}: they do not belong together."
        )
    length = backbone.max_sequence_length
    if not backbone.uses_positions:
        length = min(length, LENGTH)
    return kind(tokenizer, sequence_length=length)
