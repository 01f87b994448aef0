"""A pretrainer from a discriminator and a generator."""

import warnings

import numpy as np

from keras_rtd.interop import google_config
from keras_rtd.interop import tokenizer_files
from keras_rtd.interop import weights
from keras_rtd.models import ElectraMaskedLM
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import ElectraReplacedTokenDetector

# What generator and discriminator share.
SHARED = (
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
            `None` for a fresh one of the reference's size, a quarter as wide.
            Its embeddings are replaced by the discriminator's.
        tokenizer: `ElectraTokenizer` or `None` for the discriminator's.

    Returns:
        (pretrainer, fresh): the pretrainer, and the list of its components that
        have fresh weights, by the names of `weights.COMPONENTS`.

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
        config = fresh_generator_config(backbone)
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
    found = weights.read(discriminator)
    if generator is not None:
        theirs = _as_generator(weights.read(generator))
        _warn_untied(found, theirs)
        found = {**theirs, **found}
    arrays = weights.read(pretrainer)
    fresh = {weights.component_of(name) for name in set(arrays) - set(found)}
    weights.assign(pretrainer, {**arrays, **found}, "The joined model")
    return pretrainer, sorted(fresh)


def rebuild(pretrainer, preprocessor, **sizes):
    """A fresh pretrainer like another, with other sizes of both encoders.

    Args:
        pretrainer: `ElectraPretrainer`.
        preprocessor: `ElectraPreprocessor` or `None`.
        **sizes: arguments of the backbone.
    """
    backbone = type(pretrainer.backbone).from_config(
        {**pretrainer.backbone.get_config(), **sizes}
    )
    generator = pretrainer.generator
    if generator is not None:
        generator = type(generator).from_config(
            {
                **generator.get_config(),
                **sizes,
                "embeddings": backbone.embeddings,
            }
        )
    return ElectraPretrainer(
        backbone,
        generator,
        preprocessor=preprocessor,
        objective=pretrainer.objective.name,
        objective_config=pretrainer.objective.get_config(),
        optimizer_config=pretrainer.optimizer_config,
        seed=pretrainer.seed,
    )


def fresh_generator_config(backbone, fraction=0.25):
    """The config of the reference's generator for a discriminator."""
    width = round(backbone.hidden_dim * fraction)
    return {
        **backbone.get_config(),
        "hidden_dim": width,
        "num_heads": google_config.heads_of(width),
        "intermediate_dim": 4 * width,
    }


def _as_generator(arrays):
    """Names of an encoder on its own, as a generator's."""
    return {
        name.replace("electra/", "generator/", 1)
        if weights.component_of(name) == "discriminator"
        else name: array
        for name, array in arrays.items()
    }


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
        float(np.max(np.abs(array - generator[name])))
        for name, array in discriminator.items()
        if weights.component_of(name) == "embeddings"
    )
    if largest > 1e-6:
        warnings.warn(
            "The generator's embeddings were not the discriminator's (they "
            f"differ by up to {largest:.2g}). They are shared from here on: "
            "the discriminator's are kept.",
            stacklevel=3,
        )
