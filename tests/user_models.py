"""Small models as a Keras user makes them."""

import tiny

from keras_rtd.models import ElectraPreprocessor
from keras_rtd.models import ElectraTextClassifier

TEXTS = ["the people made it", "no time"] * 4
LABELS = [0, 1] * 4


def preprocessor():
    return ElectraPreprocessor(tiny.tokenizer(), sequence_length=16)


def backbone(family="electra"):
    return tiny.pretrainer(family=family).backbone


def classifier(num_classes=None, **kwargs):
    if num_classes is None and "class_names" not in kwargs:
        num_classes = 2
    return ElectraTextClassifier(
        backbone(), num_classes, preprocessor(), **kwargs
    )


def encoder_batch():
    """dict of int32 arrays (4, 16)."""
    batch = tiny.batch()
    names = ("token_ids", "segment_ids", "padding_mask")
    return {name: batch[name].astype("int32") for name in names}
