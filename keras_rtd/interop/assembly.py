"""A pretrainer from a discriminator and a generator."""

import warnings

import keras
import numpy as np
from keras import ops

from keras_rtd.interop import tokenizer_files
from keras_rtd.models import ElectraMaskedLM
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import ElectraReplacedTokenDetector
from keras_rtd.models.encoders import make_encoders
from keras_rtd.models.weight_copies import copied
from keras_rtd.models.weight_copies import copy_embeddings
from keras_rtd.models.weight_copies import copy_own_weights

# What generator and discriminator share.
SHARED = (
    "family",
    "vocabulary_size",
    "embedding_dim",
    "max_sequence_length",
    "num_segments",
)


def tokenizer_of(model, tokenizer=None):
    """`tokenizer`, or else the model's own, or `None`."""
    if tokenizer is not None:
        return tokenizer
    preprocessor = getattr(model, "preprocessor", None)
    return preprocessor and preprocessor.tokenizer


def join(discriminator, generator=None, tokenizer=None):
    """An `ElectraPretrainer` with the weights of two models.

    Args:
        discriminator: `ElectraReplacedTokenDetector`, or an
            encoder: its detection head is then fresh.
        generator: `ElectraMaskedLM`, an encoder (fresh head), or
            `None` for a randomly initialised one of the reference's size.
            Its embeddings are replaced by the discriminator's.
        tokenizer: `ElectraTokenizer` or `None` for the discriminator's.

    Returns:
        (pretrainer, fresh): the pretrainer, and the list of its components
        that are initialised randomly: "detection head", "generator",
        "masked-token head".

    Raises:
        ValueError: models with different vocabularies or embedding sizes, or
            each in the place of the other.
    """
    for model, wrong in (
        (discriminator, (ElectraMaskedLM, ElectraPretrainer)),
        (generator, (ElectraReplacedTokenDetector, ElectraPretrainer)),
    ):
        if isinstance(model, wrong):
            raise ValueError(
                "A pretrainer is joined from a discriminator and a generator. "
                f"Received: {type(discriminator).__name__} and "
                f"{type(generator).__name__}"
            )
    backbone = getattr(discriminator, "backbone", discriminator)
    if generator is None:
        config = {
            **backbone.generator_config(backbone.get_config()),
            **backbone.generator_arguments,
        }
    else:
        theirs = getattr(generator, "backbone", generator)
        _check_shared(backbone, theirs)
        config = theirs.get_config()
    tokenizer = tokenizer_of(discriminator, tokenizer)
    backbone = type(backbone).from_config(backbone.get_config())
    config = {**config, "name": "generator", "embeddings": backbone.embeddings}
    pretrainer = ElectraPretrainer(
        backbone,
        type(backbone).from_config(config),
        preprocessor=tokenizer_files.preprocessor_of(tokenizer, backbone),
    )
    source = getattr(discriminator, "backbone", discriminator)
    copy_embeddings(source.embeddings, pretrainer.backbone.embeddings)
    theirs = getattr(generator, "backbone", generator)
    if generator is not None:
        _warn_untied(source.embeddings, theirs.embeddings)
    copies = {
        "discriminator": (source, pretrainer.backbone),
        "detection head": (
            getattr(discriminator, "detection_head", None),
            pretrainer.detection_head,
        ),
        "generator": (theirs, pretrainer.generator),
        "masked-token head": (
            getattr(generator, "masked_lm_head", None),
            pretrainer.masked_lm_head,
        ),
    }
    fresh = [
        name for name, pair in copies.items() if not copy_own_weights(*pair)
    ]
    return pretrainer, sorted(fresh)


def complete(model, tokenizer=None):
    """An `ElectraPretrainer` of whatever a checkpoint holds.

    Args:
        model: a pretrainer, which is returned as it is; an encoder or a task,
            whose encoder becomes the discriminator's. ModernBERT is released
            as a masked language model.
        tokenizer: as for `join`.

    Returns:
        (pretrainer, fresh), as `join`.
    """
    if isinstance(model, ElectraPretrainer):
        return model, []
    tokenizer = tokenizer_of(model, tokenizer)
    if not isinstance(model, ElectraReplacedTokenDetector):
        model = copied(getattr(model, "backbone", model), name="backbone")
    return join(model, tokenizer=tokenizer)


def rebuild(pretrainer, preprocessor, **sizes):
    """A fresh pretrainer like another, with other sizes of both encoders.

    Args:
        pretrainer: `ElectraPretrainer`.
        preprocessor: `ElectraPreprocessor` or `None`.
        **sizes: arguments of the backbone.
    """

    def stored(encoder):
        found = encoder and keras.layers.serialize(encoder)
        return found and {**found, "config": {**found["config"], **sizes}}

    backbone, generator = make_encoders(
        stored(pretrainer.backbone),
        stored(pretrainer.generator),
        pretrainer.embedding_sharing,
    )
    return ElectraPretrainer(
        backbone,
        generator,
        preprocessor=preprocessor,
        objective=pretrainer.objective.name,
        objective_config=pretrainer.objective.get_config(),
        optimizer_config=pretrainer.optimizer_config,
        embedding_sharing=pretrainer.embedding_sharing,
        seed=pretrainer.seed,
    )


def _check_shared(backbone, generator):
    wrong = [
        f"{name}: {getattr(backbone, name)} and {getattr(generator, name)}"
        for name in SHARED
        if getattr(backbone, name) != getattr(generator, name)
    ]
    if wrong:
        raise ValueError(
            "Discriminator and generator cannot share embeddings, their sizes "
            f"differ: {'; '.join(wrong)}"
        )


def _warn_untied(discriminator, generator):
    largest = max(
        float(np.max(np.abs(ours - theirs)))
        for ours, theirs in zip(_arrays(discriminator), _arrays(generator))
    )
    if largest > 1e-6:
        warnings.warn(
            "The generator's embeddings were not the discriminator's (they "
            f"differ by up to {largest:.2g}). They are shared from here on: "
            "the discriminator's are kept.",
            stacklevel=3,
        )


def _arrays(embeddings):
    norm = embeddings.layer_norm.weights
    return [ops.convert_to_numpy(v) for v in (*embeddings.tables(), *norm)]
