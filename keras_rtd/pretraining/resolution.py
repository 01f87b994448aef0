"""One `resolve` of a recipe's defaults, preset, file and flags.

The order is: a recipe's defaults, the preset, `--config`, flags. A recipe's
defaults are for its own preset: they are over the values of that one, and
under those of any other.
"""

import sys
from typing import Any

from keras_rtd import objectives
from keras_rtd.data.windows import OLD_SEGMENTS
from keras_rtd.models import RtdBackbone
from keras_rtd.models import families
from keras_rtd.models.settings import preset_settings
from keras_rtd.pretraining.settings import GROUPS
from keras_rtd.pretraining.settings import PretrainSettings
from keras_rtd.pretraining.settings import flags
from keras_rtd.utils.setting import ConfigError
from keras_rtd.utils.setting import SettingError
from keras_rtd.utils.settings import NONE
from keras_rtd.utils.settings import as_flags
from keras_rtd.utils.settings import make_group
from keras_rtd.utils.settings import read_file
from keras_rtd.utils.settings import typed
from keras_rtd.utils.types import Path


def resolve(
    defaults: dict[str, Any] | None = None,
    config_file: Path | None = None,
    given: dict[str, Any] | None = None,
) -> PretrainSettings:
    """The settings of a run.

    Args:
        defaults: dict of setting to value, a recipe's own, or `None`.
        config_file: string or `None`, see `keras_rtd.utils.settings`.
        given: dict of setting to value, over the file. `None` in it is as if
            it were not there.

    Returns:
        `PretrainSettings`.

    Raises:
        ConfigError: an unknown setting, or a value that cannot be used.
        ValueError: no such preset.
    """
    known, defaults = flags(), defaults or {}
    given = typed(given or {}, known, OLD)
    if config_file is not None:
        given = {**read_file(config_file, known, OLD), **given}
    try:
        return _resolve(typed(defaults, known), given, known)
    except SettingError as e:
        raise ConfigError(as_flags(e, known)) from e


def _resolve(defaults, given, known):
    def source(values):
        return values.get("init_from") or values.get("preset")

    fallback = {"preset": known["preset"].default}
    preset = source(given) or source(defaults) or source(fallback)
    of_preset = preset_settings(preset)
    config = of_preset.pop("optimizer_config")
    # Such as the special tokens' ids, which no flag sets.
    more = {
        k: v for k, v in of_preset.items() if k not in known and v is not None
    }
    optimizer = {n for n, flag in known.items() if flag.group == "optimizer"}
    of_preset |= {k: v for k, v in config.items() if k in optimizer}
    of_preset["optimizer_options"] = {
        k: v for k, v in config.items() if k not in (*optimizer, *OF_THE_RUN)
    }
    of_preset = {
        k: v
        for k, v in of_preset.items()
        if k in known and (v is not None or known[k].optional)
    }
    of_preset["max_sequence_length"] = more["max_sequence_length"]
    del of_preset["frozen_generator"]
    layers = [defaults, of_preset]
    if preset == (source(defaults) or source(fallback)):
        layers.reverse()
    values = {
        name: flag.default
        for name, flag in known.items()
        if flag.group != "objective"
    }
    values |= {**layers[0], **layers[1], **given}
    kinds = objectives.OBJECTIVES
    rule = f"one of {', '.join(kinds)}"
    _check("objective", values["objective"] in kinds, rule, values)
    kind = kinds[values["objective"]]
    if values["objective"] != of_preset["objective"]:
        values = {**objectives.get(kind.name).get_config(), **values}
    values = {k: None if v == NONE else v for k, v in values.items()}
    _adapt(values, {**defaults, **given}, of_preset, kind, known)
    options = objectives.option_names(kind.name)
    for name in given:
        _check(
            name,
            known[name].group != "objective"
            or name in ("objective", *options)
            or given[name] == known[name].default,
            f"left out: --objective={kind.name} has no such option",
            given,
        )
    values["data"] = tuple(values["data"])
    _check("data", len(values["data"]) > 0, "given: files or a folder", values)
    groups = {
        name: make_group(cls, values) for name, cls in GROUPS.items() if cls
    }
    values["frozen_generator"] = values["frozen_generator"] is not None
    try:
        groups["objective"] = objectives.get(
            kind.name,
            **{k: v for k, v in {**more, **values}.items() if k in options},
        )
    except SettingError:
        raise
    except ValueError as e:
        raise ConfigError(as_flags(e, known)) from e
    settings = PretrainSettings(**groups, of_preset=of_preset)
    _check_steps(settings)
    return settings


# What a preset's optimizer_config holds of the run that made it.
OF_THE_RUN = ("train_steps", "phase2_steps", "product_dtype")
# What has no meaning without a generator that learns.
OF_GENERATOR = (
    "generator_num_layers",
    "generator_hidden_dim",
    "generator_dropout",
    "generator_learning_rate",
)


def _check(name, good, rule, values):
    if not good:
        raise SettingError(name, rule, values.get(name))


def _adapt(values, given, of_preset, kind, known):
    """Settings that follow from others; refuses those that contradict."""

    def left_out(names, why, value=None):
        for name in names:
            usual = (value, known[name].default)
            good = given.get(name, value) in usual
            _check(name, good, f"left out{why}", given)
            values[name] = value

    if "dropout" in given and "generator_dropout" not in given:
        values["generator_dropout"] = values["dropout"]
    if values["packing"]:
        values["segments"] = "single"
    if values["family"] != of_preset["family"]:
        window = given.get("local_attention_window")
        values["local_attention_window"] = window
    frozen = values["frozen_generator"]
    if frozen is not None:
        _check(
            "frozen_generator",
            _can_freeze(kind),
            f"left out: --objective={kind.name} samples from no masked LM",
            values,
        )
        why = " with --frozen_generator, which does not learn"
        left_out(OF_GENERATOR, why)
        left_out(["embedding_sharing"], why, "separate")
    elif kind.generator_class(RtdBackbone) is None:
        why = f": --objective={kind.name} has no generator"
        left_out(OF_GENERATOR, why)
        left_out(["embedding_sharing"], why, "shared")
    if values["replacements"] is not None:
        _check(
            "replacements",
            frozen is not None,
            "given with --frozen_generator, which drew them",
            values,
        )
        left_out(
            ["unigram_warmup_steps"], " with --replacements, sampled before", 0
        )
        _check(
            "replacements",
            not values["phase2_steps"],
            "left out with two phases: their rows differ",
            values,
        )
    own = of_preset.get("optimizer", "adamw")
    name = values["optimizer"]
    if "learning_rate" not in given and name != own:
        _check(
            "learning_rate",
            name != "lamb" and own != "muon",
            f"given with --optimizer={name}, as the preset's is for {own}",
            values,
        )
    if name != "muon":
        _check(
            "adam_lr_ratio",
            given.get("adam_lr_ratio", NONE) == NONE,
            "given with --optimizer=muon",
            given,
        )
        values["adam_lr_ratio"] = None
    if values["phase2_learning_rate"] is not None:
        _check(
            "phase2_learning_rate",
            values["phase2_steps"] > 0,
            "given with --phase2_steps",
            values,
        )


def _can_freeze(kind):
    try:
        objectives.get(kind.name, frozen_generator=True)
    except ValueError:
        return False
    return True


def _check_steps(settings):
    """Refuse numbers of steps that calls of several would pass over."""
    run, each = settings.run, settings.devices.steps_per_execution
    for name in (
        "train_steps",
        "eval_every",
        "checkpoint_every",
        "phase2_steps",
    ):
        value = getattr(run, name)
        rule = f"a multiple of --steps_per_execution={each}"
        _check(name, value % each == 0, rule, {name: value})


def _segments(value, path):
    if value not in OLD_SEGMENTS:
        return {"segments": value}
    segments, packing = OLD_SEGMENTS[value]
    now = "packing" if packing else f"segments={segments}"
    print(f"note: segments={value} is now --{now}", file=sys.stderr)
    return {"segments": segments, "packing": packing}


def _block(value, path):
    try:
        return {"family": families.name_of(value)}
    except ValueError as e:
        raise ConfigError(str(e).replace("`family`", "--block")) from e


def _gone(name):
    def gone(value, path):
        text = f"{name} no longer exists"
        if path is None:
            raise ConfigError(f"--{text}: leave it out")
        print(f"note: {text}: left out of {path}", file=sys.stderr)
        return {}

    return gone


# What earlier versions took; `facts` of config.json stood beside settings.
OLD = {
    "segments": _segments,
    "block": _block,
    **{
        name: _gone(name)
        for name in (
            "generator_clipnorm",
            "generator_schedule",
            "generator_warmup_steps",
        )
    },
    **dict.fromkeys(
        ("backend", "versions", "python", "machine", "cpus"),
        lambda value, path: {},
    ),
}
