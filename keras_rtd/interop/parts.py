"""A pretrainer from its parts, and the parts of a model."""

import warnings

import numpy as np

from keras_rtd.interop import google_config
from keras_rtd.interop import weights
from keras_rtd.models import ElectraBackbone
from keras_rtd.models import ElectraMaskedLM
from keras_rtd.models import ElectraPretrainer

# What generator and discriminator share.
SHARED = ("vocabulary_size", "embedding_dim", "max_sequence_length")


def tokenizer_of(model, tokenizer=None):
    """`tokenizer`, or else the model's own, or `None`."""
    if tokenizer is not None:
        return tokenizer
    preprocessor = getattr(model, "preprocessor", None)
    return preprocessor and preprocessor.tokenizer


def join(discriminator, generator=None, preprocessor=None, **kwargs):
    """An `ElectraPretrainer` with the weights of its parts.

    Args:
        discriminator: `ElectraReplacedTokenDetector`, or an
            `ElectraBackbone`: its detection head is then fresh.
        generator: `ElectraMaskedLM`, `ElectraBackbone` (fresh head), or
            `None` for a fresh one of the reference's size, a quarter as wide.
            Its embeddings are replaced by the discriminator's.
        preprocessor: `ElectraPreprocessor` or `None` for the
            discriminator's.
        **kwargs: for `ElectraPretrainer`.

    Raises:
        ValueError: parts with different vocabularies or embedding sizes.
    """
    backbone = getattr(discriminator, "backbone", discriminator)
    if generator is None:
        config = fresh_generator_config(backbone)
    else:
        theirs = getattr(generator, "backbone", generator)
        _check_shared(backbone, theirs)
        config = theirs.get_config()
    config = {**config, "name": "generator"}
    if preprocessor is None:
        preprocessor = getattr(discriminator, "preprocessor", None)
    pretrainer = ElectraPretrainer(
        ElectraBackbone.from_config(backbone.get_config()),
        None,
        preprocessor=preprocessor,
        **kwargs,
    )
    return pretrainer


def fresh_generator_config(backbone, fraction=0.25):
    """The config of the reference's generator for a discriminator."""
    width = round(backbone.hidden_dim * fraction)
    return {
        **backbone.get_config(),
        "hidden_dim": width,
        "num_heads": google_config.heads_of(width),
        "intermediate_dim": 4 * width,
    }
