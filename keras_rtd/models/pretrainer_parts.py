"""What an objective needs beside the encoder: generator and heads."""

from typing import Any

import keras
from keras import ops

from keras_rtd import objectives
from keras_rtd.layers.embedding import ElectraEmbedding
from keras_rtd.models import families
from keras_rtd.models.encoder_backbone import RtdBackbone
from keras_rtd.models.two_tower import ElectraTwoTowerGenerator

# What an objective may ask for as its generator.
GENERATORS: dict[str | None, type] = {
    "masked_lm": RtdBackbone,
    "two_tower": ElectraTwoTowerGenerator,
    None: type(None),
}


# How generator and discriminator share embeddings.
SHARED, DISENTANGLED = "shared", "gradient_disentangled"
SEPARATE = "separate"
SHARING = (SHARED, DISENTANGLED, SEPARATE)

# The heads a pretrainer may have: the generator's, and two of the encoder.
HEADS = (
    "masked_lm_head",
    "detection_head",
    "encoder_lm_head",
)


def check_generator(objective, backbone, generator):
    """Refuse a generator that is not what the objective works with.

    Raises:
        ValueError: another kind of generator.
    """
    wanted: Any = GENERATORS[objective.generator]
    if not isinstance(generator, wanted):
        found = type(generator).__name__
        raise ValueError(
            f"The objective {objective.name!r} needs generator="
            f"{'None' if generator else f'an {wanted.__name__}'}. "
            f"Received: {found}. `from_preset(..., objective=...)` makes what "
            "is needed."
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
    if objective.frozen_generator and found != SEPARATE:
        raise ValueError(
            "A frozen generator has embeddings of its own: "
            f"embedding_sharing={SEPARATE!r}, as `from_preset(..., "
            f"frozen_generator=...)` makes it. Received: {found!r}"
        )


def generator_config(objective, settings, shared, own):
    """The serialised generator for an objective.

    Args:
        objective: string.
        settings: dict, the config of a pretrainer, of any objective.
        shared: dict of the backbone's arguments that reach both encoders;
            the settings of the encoder hold them already.
        own: dict of arguments of the generator alone. A `hidden_dim` brings
            heads of 64 and an inner width of four times that along, or
            its equal in cost, see `EncoderFacts.inner_width`.

    Returns:
        dict as `keras.layers.serialize` makes it, or `None`. Where the
        settings have no generator, it is the reference's: as deep as the
        encoder, a quarter as wide.

    Raises:
        ValueError: an unknown objective, or `own` where there is no generator.
    """
    objectives.option_names(objective)
    kind = objectives.OBJECTIVES[objective].generator
    if kind is None:
        if own:
            raise ValueError(
                f"The objective {objective!r} has no generator: leave out "
                f"{', '.join(f'generator_{name}' for name in own)}."
            )
        return None
    stored = settings["generator"]
    backbone_cls, config = families.resolve(stored or settings["backbone"])
    sizes = {}
    if stored is None:
        config["name"] = "generator"
        width = round(config["hidden_dim"] / 4)
        sizes = _sizes_of_width(width, backbone_cls)
    config.update(shared)
    if "hidden_dim" in own:
        sizes = _sizes_of_width(own["hidden_dim"], backbone_cls)
    config.update({**sizes, **own})
    config.pop("direction", None)
    return families.serialized(
        backbone_cls, config, two_towers=kind == "two_tower"
    )


def _sizes_of_width(width, backbone_cls):
    return {
        "hidden_dim": width,
        "num_heads": max(1, width // 64),
        "intermediate_dim": backbone_cls.inner_width(4 * width),
    }


def make_encoders(backbone, generator, embedding_sharing):
    """Encoder and generator from their serialised forms.

    Args:
        backbone: dict of a serialised `RtdBackbone`, or one.
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
    disentangled = embedding_sharing == DISENTANGLED
    if embedding_sharing != SHARED:
        if generator is None:
            raise ValueError(
                f"embedding_sharing={embedding_sharing!r} needs an objective "
                "with a generator."
            )
        if isinstance(generator, dict):
            generator = keras.layers.deserialize(generator)
    if isinstance(backbone, dict):
        backbone_cls, config = families.resolve(backbone)
        if disentangled:
            sizes = generator.embeddings.get_config()
            sizes["dropout"] = config["dropout"]
            config["embeddings"] = ElectraEmbedding(
                **sizes, base=generator.embeddings
            )
        backbone = backbone_cls.from_config(config)
    if isinstance(generator, dict):
        # By hand: the embeddings are the discriminator's.
        kind = keras.saving.get_registered_object(generator["registered_name"])
        generator = kind.from_config(
            {**generator["config"], "embeddings": backbone.embeddings}
        )
    return backbone, generator


def folded(backbone):
    """The encoder itself, or a copy with embeddings that need no base."""
    if backbone.embeddings.base() is None:
        return backbone
    copy = type(backbone).from_config(backbone.get_config())
    copy_own_weights(backbone, copy)
    copy_embeddings(backbone.embeddings, copy.embeddings)
    return copy


def copy_embeddings(source, target):
    """What one `ElectraEmbedding` computes, to another, whatever its base."""
    target.assign_tables([ops.convert_to_numpy(t) for t in source.tables()])
    target.layer_norm.set_weights(source.layer_norm.get_weights())


def own_weights(part):
    """The variables of an encoder, generator or head but for embeddings."""
    embeddings = getattr(part, "embeddings", None)
    shared = {id(v) for v in embeddings.weights} if embeddings else ()
    return [v for v in part.weights if id(v) not in shared]


def copy_own_weights(source, target):
    """Weights of one encoder, generator or head to another, but for
    embeddings.

    Returns:
        bool. Whether they fit; nothing is copied otherwise.
    """
    if type(source) is not type(target):
        return False
    old, new = own_weights(source), own_weights(target)
    fits = [tuple(v.shape) for v in old] == [tuple(v.shape) for v in new]
    if fits:
        for theirs, ours in zip(old, new):
            ours.assign(theirs)
    return fits


def make_heads(objective, backbone, generator):
    """The heads that the objective uses, with fresh weights.

    Returns:
        dict of `masked_lm_head` (the generator's), `detection_head` and
        `encoder_lm_head` (both of the encoder); `None` where there is none.
    """
    heads = dict.fromkeys(HEADS)
    if generator is not None:
        heads["masked_lm_head"] = generator.make_masked_lm_head()
    if objective.has_detector:
        heads["detection_head"] = backbone.make_detection_head()
    if objective.encoder_predicts:
        heads["encoder_lm_head"] = backbone.make_masked_lm_head(
            name="encoder_lm_head"
        )
    return heads
