"""The registry of encoder families.

A family is a subclass of `RtdBackbone` with its name, registered:

```python
from keras_rtd.models import families
from keras_rtd.models.encoder_backbone import RtdBackbone

@families.register
@keras.saving.register_keras_serializable(package="mine")
class MyBackbone(RtdBackbone):
    family = "mine"
    ...
```

`ElectraPretrainer(MyBackbone(...), ...)` and `from_preset(..., family="mine")`
then take it like the bundled ones.
"""

import inspect
import sys

import keras

from keras_rtd.models.encoder_backbone import SIZES
from keras_rtd.models.encoder_backbone import RtdBackbone
from keras_rtd.training import strategy

FAMILIES: dict[str, type[RtdBackbone]] = {}

# Names of families in presets, run directories and command lines of
# versions that had one backbone class with an argument `block`.
OLD_NAMES = {"classic": "electra", "modern": "modernbert"}

# The options with which `ModernBertBackbone` computes what block="modern" did.
OLD_MODERN = {
    "first_attention_norm": True,
    "final_norm_scale": False,
    "global_rope_base": 10_000.0,
    "local_rope_base": 10_000.0,
    "num_segments": 2,
    "local_attention_window": None,
    "dropout": 0.1,
    "max_sequence_length": 512,
    "layer_norm_epsilon": 1e-12,
}

# What another family takes from an encoder's config; the rest is its default.
KEPT = (
    *(n for n in SIZES if n not in ("intermediate_dim", "num_segments")),
    "dropout",
    "activation",
    "kernel_stddev",
    "name",
    "trainable",
    "dtype",
)


def register(backbone_cls):
    """Make a family known by its name. A decorator.

    Args:
        backbone_cls: a subclass of `RtdBackbone` with a `family`.

    Returns:
        The class.

    Raises:
        ValueError: no name, or one of another class.
    """
    name = backbone_cls.family
    known = FAMILIES.get(name)
    if not name or (known and known.__qualname__ != backbone_cls.__qualname__):
        raise ValueError(
            f"{backbone_cls.__name__} needs a `family` of its own. Received: "
            f"{name!r}. Known: {', '.join(FAMILIES)}"
        )
    FAMILIES[name] = backbone_cls
    strategy.TENSOR_PARALLEL.update(backbone_cls.tensor_parallel)
    return backbone_cls


def name_of(name):
    """The registered name of a family, given by that or by an old name.

    Raises:
        ValueError: neither.
    """
    if name in FAMILIES:
        return name
    if name not in OLD_NAMES:
        raise ValueError(
            f"`family` must be one of {', '.join(FAMILIES)}. "
            f"Received: family={name!r}"
        )
    now = OLD_NAMES[name]
    print(f"note: block={name} is now called family={now}", file=sys.stderr)
    return OLD_NAMES[name]


def get(name):
    """The backbone class of a family's name."""
    return FAMILIES[name_of(name)]


def of_huggingface(model_type, where="The directory"):
    """The backbone class of a `model_type` of `transformers`.

    Args:
        model_type: string, as in `config.json`.
        where: names the source in the message.

    Raises:
        ValueError: no registered family has it.
    """
    known = huggingface_types()
    if model_type not in known:
        raise ValueError(
            f"{where} is of a model of type {model_type!r}. Known: "
            f"{', '.join(known)}."
        )
    return known[model_type]


def huggingface_types():
    """dict of `transformers`' model types to backbone classes."""
    return {
        backbone_cls.huggingface.MODEL_TYPE: backbone_cls
        for backbone_cls in FAMILIES.values()
        if backbone_cls.huggingface is not None
    }


def translated(config):
    """An encoder's config as this version writes it.

    The one place that knows how older versions wrote them: one class for two
    families, told apart by `block`.

    Args:
        config: dict of arguments.

    Returns:
        (backbone class or `None` where the config does not say, config).
    """
    config = dict(config)
    family = config.pop("family", None)
    if "block" in config:
        family = OLD_NAMES[config.pop("block")]
        if family == OLD_NAMES["modern"]:
            stddev = config.get("kernel_stddev", 0.02)
            config = {**OLD_MODERN, "output_stddev": stddev, **config}
        else:
            config.pop("local_attention_window", None)
    return family and FAMILIES[family], config


def resolve(serialized):
    """Class and config of the encoders in a serialised encoder or generator.

    Args:
        serialized: dict as `keras.layers.serialize` makes it.

    Returns:
        (backbone class, config).
    """
    backbone_cls, config = translated(serialized["config"])
    # Two towers name the class of both.
    name = config.pop("encoder", serialized["registered_name"])
    if backbone_cls is None:
        backbone_cls = keras.saving.get_registered_object(name)
        if not issubclass(backbone_cls, RtdBackbone):
            # Two towers of a version that had no other layers.
            backbone_cls = FAMILIES["electra"]
    return backbone_cls, config


def facts(serialized):
    """The `EncoderFacts` of a serialised encoder, without making weights."""
    backbone_cls, config = resolve(serialized)
    defaults = {
        name: parameter.default
        for name, parameter in parameters(backbone_cls).items()
    }
    return backbone_cls.facts_cls.of({**defaults, **config})


def argument_names():
    """Arguments of the encoders of any family, as `from_preset` takes them."""
    names = {"family", "block"}
    for backbone_cls in FAMILIES.values():
        names |= set(parameters(backbone_cls))
    return frozenset(names - {"embeddings"})


def take_family(arguments):
    """Take the family out of arguments of `from_preset`, by its name, old
    names included; `None` where there is none."""
    block = arguments.pop("block", None)
    name = arguments.pop("family", block)
    return None if name is None else name_of(name)


def exchange_family(settings, family):
    """Make the encoders of a pretrainer's config of another family, with
    inner widths at which they have about as many weights.

    Args:
        settings: dict, the config of a pretrainer; it is changed.
        family: string, a registered or an old name.

    Returns:
        bool. Whether they were of another family.
    """
    new = get(family)
    old, _ = resolve(settings["backbone"])
    if old is new:
        return False
    for part in ("backbone", "generator"):
        if settings[part] is None:
            continue
        _, config = resolve(settings[part])
        kept = {name: config[name] for name in KEPT if name in config}
        kept["intermediate_dim"] = new.inner_width(
            config["intermediate_dim"], old.feed_forward_kernels
        )
        found = keras.saving.get_registered_object(
            settings[part]["registered_name"]
        )
        towers = not issubclass(found, RtdBackbone)
        if part == "generator" and not towers:
            kept |= new.generator_arguments
        settings[part] = serialized(new, kept, found if towers else new)
    return True


def serialized(backbone_cls, config, kind=None):
    """An encoder, or a generator made of encoders, as
    `keras.layers.serialize` writes it.

    Args:
        backbone_cls: the family's class.
        config: dict of its arguments.
        kind: class of the generator. `None` is `backbone_cls`. Defaults to
            `None`.
    """
    kind = kind or backbone_cls
    if kind is not backbone_cls:
        encoder = keras.saving.get_registered_name(backbone_cls)
        config = {**config, "encoder": encoder}
    return {
        "module": kind.__module__,
        "class_name": kind.__name__,
        "config": config,
        "registered_name": keras.saving.get_registered_name(kind),
    }


def parameters(backbone_cls):
    """Parameters of a family's constructor, by name."""
    # A family passes `**kwargs` on.
    found: dict[str, inspect.Parameter] = {}
    for cls in (RtdBackbone, backbone_cls):
        found |= inspect.signature(cls.__init__).parameters
    for name in ("self", "kwargs"):
        found.pop(name, None)
    return found
