"""Bundled presets, and loading a pretrainer from a preset directory.

A bundled preset is a KerasHub preset directory, without weights but for tiny's,
registered under its name, so that every `from_preset` of KerasHub finds it
offline.
"""

import inspect
import os
import pathlib
import warnings

import keras
from keras_hub.src.utils import preset_utils

from keras_rtd import objectives
from keras_rtd.models import families
from keras_rtd.models.bundled_families import BUNDLED
from keras_rtd.models.encoder_backbone import SIZES
from keras_rtd.models.pretrainer_parts import HEADS
from keras_rtd.models.pretrainer_parts import copy_embeddings
from keras_rtd.models.pretrainer_parts import copy_own_weights
from keras_rtd.models.pretrainer_parts import generator_config

DIRECTORY = pathlib.Path(__file__).parent / "presets"

# Of all families: name -> description.
DESCRIPTIONS: dict[str, str] = {}

for _backbone_cls in BUNDLED:
    DESCRIPTIONS |= _backbone_cls.bundled_presets
    preset_utils.register_presets(
        {
            name: {
                "metadata": {"description": description, "path": "electra"},
                # KerasHub's word for where a preset is; a local path will do.
                "kaggle_handle": str(DIRECTORY / name),
            }
            for name, description in _backbone_cls.bundled_presets.items()
        },
        _backbone_cls,
    )

# Arguments of from_preset that reach the generator alone.
GENERATOR = "generator_"
GENERATOR_ARGUMENTS = frozenset(
    GENERATOR + name
    for name in (
        "num_layers",
        "num_heads",
        "hidden_dim",
        "intermediate_dim",
        "dropout",
    )
)

TASK_WEIGHTS = preset_utils.TASK_WEIGHTS_FILE

PRETRAINER = "keras_rtd>ElectraPretrainer"
DETECTOR = "keras_rtd>ElectraReplacedTokenDetector"


def load_pretrainer(cls, preset, load_weights=True, **kwargs):
    """The `ElectraPretrainer` of a preset; see its `from_preset`."""
    settings = read_task(cls, preset)["config"]
    known = families.argument_names()
    encoder = {k: kwargs.pop(k) for k in list(kwargs) if k in known}
    generator = {
        k.removeprefix(GENERATOR): kwargs.pop(k)
        for k in list(kwargs)
        if k in GENERATOR_ARGUMENTS
    }
    unknown = set(kwargs) - set(inspect.signature(cls).parameters)
    unknown -= {"name", "compile", "tokenizer", "sequence_length"}
    if unknown or "kwargs" in kwargs:
        raise ValueError(
            f"Unknown arguments of from_preset: {sorted(unknown)}. It takes "
            f"those of the encoders, {sorted(known)}, of the "
            f"generator alone, {sorted(GENERATOR_ARGUMENTS)}, and of "
            f"{cls.__name__}."
        )
    resized = sorted(
        {k for k in encoder if k in SIZES}
        | {GENERATOR + k for k in generator if k != "dropout"}
        | {k for k in kwargs if k == "tokenizer" and kwargs[k] is not None}
    )
    family = families.take_family(encoder)
    if family is not None and families.exchange_family(settings, family):
        resized.append("family")
        if load_weights and preset not in DESCRIPTIONS:
            raise ValueError(
                f"The weights of {preset!r} are of other layers than "
                f"family={family!r}. Pass load_weights=False to start from "
                "fresh ones, or leave out `family`."
            )
    backbone_cls, config = families.resolve(settings["backbone"])
    families.check_arguments(backbone_cls, encoder)
    if load_weights and resized and preset in DESCRIPTIONS:
        if has_weights(preset):
            warnings.warn(
                f"The weights of {preset!r} do not fit other sizes, layers or "
                f"vocabulary ({', '.join(resized)}): starting from fresh ones.",
                stacklevel=3,
            )
        load_weights = False
    loads = load_weights and has_weights(preset)
    if loads and set(generator) - {"dropout"}:
        raise ValueError(
            f"The preset {preset!r} has weights of a generator of its own "
            "sizes. Pass load_weights=False to start from fresh ones, or "
            f"leave out {sorted(GENERATOR + k for k in generator)}."
        )
    stored = settings["objective"]
    objective = kwargs.get("objective", stored)
    sharing = settings.get("embedding_sharing", "shared")
    same = objective == stored and (
        kwargs.get("embedding_sharing", sharing) == sharing
    )
    if objective != stored:
        known = objectives.option_names(objective)
        settings["objective_config"] = {
            k: v for k, v in settings["objective_config"].items() if k in known
        }
    tokenizer = kwargs.pop("tokenizer", None)
    if tokenizer is not None:
        encoder["vocabulary_size"] = tokenizer.vocabulary_size()
    settings["backbone"] = families.serialized(
        backbone_cls, {**config, **encoder}
    )
    settings["generator"] = generator_config(
        objective, settings, encoder, generator
    )
    own_preprocessor = "preprocessor" in kwargs
    sequence_length = kwargs.pop("sequence_length", None)
    settings.update(kwargs)
    if tokenizer is not None and settings["preprocessor"] is not None:
        # In the config, because a layer that is in place is not exchanged.
        settings["preprocessor"]["config"]["tokenizer"] = tokenizer
    pretrainer = cls.from_config(settings)
    preprocessor = pretrainer.preprocessor
    if preprocessor is not None and not own_preprocessor:
        if tokenizer is None:
            preprocessor.load_preset_assets(preset)
            pretrainer.objective.set_tokenizer(preprocessor.tokenizer)
        if sequence_length is not None:
            preprocessor.sequence_length = sequence_length
    if loads and same:
        load_weights_into(pretrainer, preset)
    elif loads:
        other = cls.from_preset(preset, compile=False, **encoder)
        copy_parts(other, pretrainer)
    elif load_weights and preset not in DESCRIPTIONS:
        raise ValueError(
            f"The preset {preset!r} has no weights "
            f"({preset_utils.MODEL_WEIGHTS_FILE}). Pass load_weights=False "
            "to start from fresh ones."
        )
    return pretrainer


def copy_parts(source, target):
    """Weights of what two pretrainers share that differ in objective or in
    the sharing of embeddings.

    Warns of parts of `target` that keep fresh weights.
    """
    generators = [m.generator or m.backbone for m in (source, target)]
    copy_embeddings(*(g.embeddings for g in generators))
    copy_embeddings(source.backbone.embeddings, target.backbone.embeddings)
    fresh = []
    for name in ("backbone", "generator", *HEADS):
        ours, theirs = (getattr(m, name) for m in (target, source))
        if ours is not None and not copy_own_weights(theirs, ours):
            fresh.append(name)
    if fresh:
        warnings.warn(
            f"The preset was trained with the objective "
            f"{source.objective.name!r}: for {target.objective.name!r} these "
            f"parts start from fresh weights: {', '.join(fresh)}.",
            stacklevel=4,
        )


def from_pretrainer_preset(cls, preset, load_weights, part, **kwargs):
    """The part of a pretrainer's preset that is `cls`.

    Args:
        cls: the task class asked for.
        preset: string.
        load_weights: bool.
        part: string. Name of the pretrainer's method that gives it.
        **kwargs: for `ElectraPretrainer.from_preset`.

    Returns:
        The task, or `None` where the preset holds no pretrainer.

    Raises:
        ValueError: a preset without weights where weights are asked for.
    """
    pretrainer_cls = keras.saving.get_registered_object(PRETRAINER)
    config = _task_config(preset)
    if config is None or config.get("registered_name") != PRETRAINER:
        return None
    if load_weights and not has_weights(preset):
        raise ValueError(
            f"The preset {preset!r} has no weights. Pass load_weights=False "
            f"for a fresh {cls.__name__}."
        )
    pretrainer = pretrainer_cls.from_preset(
        preset, load_weights=load_weights, compile=False, **kwargs
    )
    return getattr(pretrainer, part)()


def _task_config(preset):
    check_known(preset)
    try:
        return preset_utils.load_json(preset, preset_utils.TASK_CONFIG_FILE)
    except FileNotFoundError:
        return None


def read_task_name(preset):
    """Registered name of a preset's task, `None` for a bare encoder."""
    config = _task_config(preset)
    return config and config.get("registered_name")


def preset_length(preset):
    """Sequence length of a preset's preprocessor: what the encoder was made
    for. `None` where it has none."""
    try:
        config = preset_utils.load_json(
            preset, preset_utils.PREPROCESSOR_CONFIG_FILE
        )
    except FileNotFoundError:
        return None
    return config["config"].get("sequence_length")


def has_detector(preset):
    """Whether a preset holds a detection head."""
    config = _task_config(preset)
    if config is None or config.get("registered_name") != PRETRAINER:
        return bool(config) and config.get("registered_name") == DETECTOR
    return objectives.OBJECTIVES[config["config"]["objective"]].has_detector


def read_task(cls, preset):
    """`task.json` of a preset that holds a pretrainer."""
    config = _task_config(preset)
    if config is None or config.get("registered_name") != PRETRAINER:
        found = "no task" if config is None else config.get("class_name")
        raise ValueError(
            f"The preset {preset!r} holds {found}, not an {cls.__name__}. "
            "Load it with the class that wrote it, or convert it with "
            "`python -m keras_rtd.interop convert`."
        )
    return config


def has_weights(preset):
    """Whether a preset has the weights of its encoder."""
    names = (
        preset_utils.MODEL_WEIGHTS_FILE,
        preset_utils.SHARDED_MODEL_WEIGHTS_CONFIG_FILE,
    )
    return any(preset_utils.check_file_exists(preset, n) for n in names)


def load_weights_into(pretrainer, preset):
    """Read encoder and task weights, as KerasHub lays them out."""
    loader = preset_utils.get_preset_loader(preset)
    path = preset_utils.get_file(preset, TASK_WEIGHTS)
    pretrainer.load_task_weights(path)
    loader._load_backbone_weights(pretrainer.backbone)


def check_known(preset):
    if not isinstance(preset, str | os.PathLike):
        raise ValueError(
            "`preset` must be a bundled name or a directory. "
            f"Received: {preset!r}"
        )
    if "://" in str(preset) or preset in preset_utils.BUILTIN_PRESETS:
        return
    if not os.path.isdir(preset):
        raise ValueError(
            f"No preset {str(preset)!r}: not a directory, and not one of the "
            f"bundled {', '.join(DESCRIPTIONS)}."
        )
