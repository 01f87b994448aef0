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
    print(f"note: block={name} is now called family={OLD_NAMES[name]}")
    return OLD_NAMES[name]


def get(name):
    """The backbone class of a family's name."""
    return FAMILIES[name_of(name)]


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
    if backbone_cls is None:
        backbone_cls = keras.saving.get_registered_object(
            serialized["registered_name"]
        )
        if not issubclass(backbone_cls, RtdBackbone):
            # Two towers of a version that had no other layers.
            backbone_cls = FAMILIES["electra"]
    return backbone_cls, config


def facts(serialized):
    """The `EncoderFacts` of a serialised encoder, without making weights."""
    backbone_cls, config = resolve(serialized)
    defaults = {
        name: parameter.default
        for name, parameter in _parameters(backbone_cls).items()
    }
    return backbone_cls.facts_cls.of({**defaults, **config})


def argument_names():
    """Arguments of the encoders of any family, as `from_preset` takes them."""
    names = {"family", "block"}
    for backbone_cls in FAMILIES.values():
        names |= set(_parameters(backbone_cls))
    return frozenset(names - {"embeddings"})


def take_family(arguments):
    """Take the family out of arguments of `from_preset`, by its name, old
    names included; `None` where there is none."""
    block = arguments.pop("block", None)
    name = arguments.pop("family", block)
    return None if name is None else name_of(name)


def check_arguments(backbone_cls, arguments):
    """Refuse arguments that a family has not.

    Raises:
        ValueError: naming them and the families that have them.
    """
    for name in arguments:
        if name not in _parameters(backbone_cls):
            owners = [
                family
                for family, other in FAMILIES.items()
                if name in _parameters(other)
            ]
            raise ValueError(
                f"`{name}` is for family={' or '.join(map(repr, owners))}. "
                f"Received: family={backbone_cls.family!r}"
            )


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
        settings[part] = serialized(
            new, kept, two_towers=_has_two_towers(settings[part])
        )
    return True


def serialized(backbone_cls, config, two_towers=False):
    """A serialised encoder, or a generator of two, of a family.

    Args:
        backbone_cls: the family's class.
        config: dict of its arguments.
        two_towers: bool. Defaults to `False`.

    Returns:
        dict as `keras.layers.serialize` makes it.
    """
    kind = backbone_cls
    if two_towers:
        kind = keras.saving.get_registered_object(TWO_TOWERS)
        config = {**config, "family": backbone_cls.family}
    return {
        "module": kind.__module__,
        "class_name": kind.__name__,
        "config": config,
        "registered_name": keras.saving.get_registered_name(kind),
    }


TWO_TOWERS = "keras_rtd>ElectraTwoTowerGenerator"


def _has_two_towers(serialized):
    return serialized["registered_name"] == TWO_TOWERS


def _parameters(backbone_cls):
    # A family passes `**kwargs` on.
    parameters: dict[str, inspect.Parameter] = {}
    for cls in (RtdBackbone, backbone_cls):
        parameters |= inspect.signature(cls.__init__).parameters
    for name in ("self", "kwargs"):
        parameters.pop(name, None)
    return parameters
