"""Encoder and generator: from configs to models, and how they share
embeddings."""

import keras
import keras_hub

from keras_rtd.models import families

# How generator and discriminator share embeddings.
SHARED, DISENTANGLED = "shared", "gradient_disentangled"
SEPARATE = "separate"
SHARING = (SHARED, DISENTANGLED, SEPARATE)


def class_of(serialized):
    """The class of a serialised encoder or generator."""
    return keras.saving.get_registered_object(serialized["registered_name"])


def check_generator(objective, backbone, generator):
    """Refuse a generator that is not what the objective works with.

    Raises:
        ValueError: another kind of generator.
    """
    wanted = objective.generator_class(type(backbone))
    if objective.freezes_generator():
        # It has embeddings of its own, so that any encoder will do.
        wanted = keras_hub.models.Backbone
    if not isinstance(generator, wanted or type(None)):
        raise ValueError(
            f"The objective {objective.name!r} needs generator="
            f"{f'an {wanted.__name__}' if wanted else 'None'}. "
            f"Received: {type(generator).__name__}. `from_preset(..., "
            "objective=...)` makes what is needed."
        )


def check_sharing(embedding_sharing, objective, backbone, generator):
    """Refuse encoders that share their embeddings in another way.

    Raises:
        ValueError: another `embedding_sharing` than said, or a frozen
            generator whose embeddings the discriminator would train.
    """
    found = SHARED
    if backbone.embeddings.base() is not None:
        found = DISENTANGLED
        base = generator and generator.embeddings
        if base is not backbone.embeddings.base():
            raise ValueError(
                "The discriminator's embeddings have another base than the "
                "generator's: make them with `ElectraEmbedding(..., "
                "base=generator.embeddings)`."
            )
    elif generator and generator.embeddings is not backbone.embeddings:
        found = SEPARATE
    if embedding_sharing != found:
        raise ValueError(
            f"These encoders have embedding_sharing={found!r}. Received: "
            f"{embedding_sharing!r}. Shared embeddings are made with "
            "`embeddings=backbone.embeddings` of the generator, disentangled "
            "ones with `embeddings=ElectraEmbedding(..., "
            "base=generator.embeddings)` of the discriminator."
        )
    if objective.freezes_generator() and found != SEPARATE:
        raise ValueError(
            "A frozen generator has embeddings of its own: "
            f"embedding_sharing={SEPARATE!r}, as `from_preset(..., "
            f"frozen_generator=...)` makes it. Received: {found!r}"
        )


def generator_settings(objective, settings, shared, own):
    """The serialised generator for an objective.

    Args:
        objective: class of the objective.
        settings: dict, the config of a pretrainer, of any objective.
        shared: dict of the encoder's arguments that reach both encoders; the
            settings of the encoder hold them already.
        own: dict of arguments of the generator alone. A `hidden_dim` brings
            heads of 64 and the usual inner width along.

    Returns:
        dict as `keras.layers.serialize` makes it, or `None`. Where the
        settings have no generator, it is the reference's.

    Raises:
        ValueError: `own` where there is no generator.
    """
    encoder_class, encoder = families.resolve(settings["backbone"])
    kind = objective.generator_class(encoder_class)
    if kind is None:
        if own:
            raise ValueError(
                f"The objective {objective.name!r} has no generator: leave "
                f"out {', '.join(f'generator_{name}' for name in own)}."
            )
        return None
    stored = settings["generator"]
    if stored is None:
        config = encoder_class.generator_config(encoder)
        config["name"] = "generator"
        if kind is encoder_class:
            config |= encoder_class.generator_arguments
    else:
        _, config = families.resolve(stored)
        config = {**config, **shared}
    if "hidden_dim" in own:
        config |= encoder_class.sizes_of_width(own["hidden_dim"])
    config.update(own)
    config.pop("direction", None)
    return families.serialized(encoder_class, config, kind)


def make_encoders(backbone, generator, embedding_sharing):
    """Encoder and generator from their serialised forms.

    Args:
        backbone: dict of a serialised encoder, or one.
        generator: dict of a serialised generator, one, or `None`.
        embedding_sharing: a key of `SHARING`.

    Raises:
        ValueError: another `embedding_sharing`, or one that needs a generator
            where there is none.
    """
    if embedding_sharing not in SHARING:
        raise ValueError(
            f"`embedding_sharing` must be one of {', '.join(SHARING)}. "
            f"Received: {embedding_sharing!r}"
        )
    if embedding_sharing != SHARED:
        if generator is None:
            raise ValueError(
                f"embedding_sharing={embedding_sharing!r} needs an objective "
                "with a generator."
            )
        if isinstance(generator, dict):
            generator = keras.layers.deserialize(generator)
    if isinstance(backbone, dict):
        encoder_class, config = families.resolve(backbone)
        if embedding_sharing == DISENTANGLED:
            base = generator.embeddings
            sizes = {**base.get_config(), "dropout": config["dropout"]}
            config["embeddings"] = type(base)(**sizes, base=base)
        backbone = encoder_class.from_config(config)
    if isinstance(generator, dict):
        # By hand: the embeddings are the discriminator's.
        generator = class_of(generator).from_config(
            {**generator["config"], "embeddings": backbone.embeddings}
        )
    return backbone, generator
