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
