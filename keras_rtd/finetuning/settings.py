"""The settings of a fine-tuning, resolved once."""

import dataclasses
from collections.abc import Callable
from typing import Any
from typing import Self

from keras_rtd.training.settings import DtypeSettings
from keras_rtd.utils.setting import ConfigError
from keras_rtd.utils.setting import SettingError
from keras_rtd.utils.setting import Settings
from keras_rtd.utils.setting import setting
from keras_rtd.utils.settings import NONE
from keras_rtd.utils.settings import as_flags
from keras_rtd.utils.settings import as_json
from keras_rtd.utils.settings import flags_of
from keras_rtd.utils.settings import make_group
from keras_rtd.utils.settings import read_file
from keras_rtd.utils.settings import typed
from keras_rtd.utils.types import Path


@dataclasses.dataclass(frozen=True)
class ModelSettings(Settings):
    """What is fine-tuned."""

    init_from: str | None = setting(
        None,
        "Model to start from: a preset, a run directory, or a checkpoint of "
        "another library (hf:DIR, keras_hub:DIR, google:PREFIX).",
        none="none, it is needed",
    )
    fresh: bool = setting(
        False,
        "Initialise the weights randomly, in the architecture of --init_from.",
    )
    dropout: float = setting(
        0.1,
        "Dropout rate of encoder and head, from 0 to below 1.",
        at_least=0,
        below=1,
    )

    def __post_init__(self):
        super().__post_init__()
        if not self.init_from:
            raise SettingError("init_from", "given: a preset", self.init_from)


@dataclasses.dataclass(frozen=True)
class DataSettings(Settings):
    """What it learns from."""

    data: str | None = setting(
        None, "Folder of the task's files.", none="none, it is needed"
    )
    sequence_length: int | None = setting(
        None,
        "Tokens per row.",
        none="the preset's",
        at_least=8,
        at_most=1 << 20,
    )
    limit: int | None = setting(
        None,
        "Training examples used, the first ones of the file.",
        none="all",
        at_least=1,
    )

    def __post_init__(self):
        super().__post_init__()
        if not self.data:
            raise SettingError("data", "given: the task's folder", self.data)


@dataclasses.dataclass(frozen=True)
class OptimizerSettings(Settings):
    """Arguments of `make_fine_tuning_optimizer`."""

    learning_rate: float | None = setting(
        None,
        "Peak learning rate of the head.",
        none="3e-4 for tiny, 1e-4 for small and base, 5e-5 for large, by the "
        "encoder's width",
        above=0,
    )
    layer_decay: float | None = setting(
        None,
        "Learning rate of a layer as a multiple of that of the layer above, "
        "above 0 and at most 1.",
        none="1.0 for tiny, 0.8 for small and base, 0.9 for large",
        above=0,
        at_most=1,
    )
    reference_exponent: bool = setting(
        False,
        "Count the layers as the reference does: one more below the head.",
    )
    weight_decay: float = setting(
        0.01,
        "Decoupled weight decay per step and unit of learning rate.",
        at_least=0,
    )
    warmup_fraction: float = setting(
        0.1, "Share of the steps with linear warmup.", at_least=0, below=1
    )


@dataclasses.dataclass(frozen=True)
class RunSettings(Settings):
    """How long it trains, and what it writes."""

    run_dir: str = setting(
        "runs/finetune", "Folder that everything is written to.", free=True
    )
    epochs: int = setting(3, "Epochs over the training data.", at_least=1)
    batch_size: int = setting(32, "Rows per step.", at_least=1, at_most=1 << 20)
    seed: int = setting(0, "Random seed of the first run.", at_least=0)
    seeds: int = setting(
        1,
        "Number of runs, each with a seed of its own.",
        free=True,
        at_least=1,
        at_most=1000,
    )
    checkpoint_every: int = setting(
        500, "Steps between checkpoints.", free=True, at_least=1
    )
    profile: bool = setting(
        False,
        "Measure the time of each part of a step, write a trace, and stop.",
        free=True,
    )


GROUPS = {
    "model": ModelSettings,
    "data": DataSettings,
    "optimizer": OptimizerSettings,
    "run": RunSettings,
    "devices": DtypeSettings,
}


@dataclasses.dataclass(frozen=True)
class FineTuneSettings:
    """The settings of a fine-tuning, by group.

    Attributes:
        task: the group of a recipe's own settings, or `None`.
    """

    model: ModelSettings
    data: DataSettings
    optimizer: OptimizerSettings
    run: RunSettings
    devices: DtypeSettings
    task: Any = None

    def on_devices(self, stored: dict[str, Any] | None = None) -> Self:
        """These settings with a dtype in place of `"auto"`.

        Args:
            stored: dict or `None`. The run's settings so far.
        """
        dtype = (stored or {}).get("dtype")
        return dataclasses.replace(self, devices=self.devices.resolved(dtype))

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """The settings by group, as `config.json` and `--config` hold them."""
        return {
            group: {k: as_json(v) for k, v in vars(part).items()}
            for group, part in vars(self).items()
            if part is not None
        }

    def binding(self) -> dict[str, Any]:
        """What a continuation must not change: flat dict."""
        return {
            name: as_json(getattr(getattr(self, flag.group), name))
            for name, flag in flags().items()
            if not flag.about.get("free")
        }


def flags(task=None):
    """The flags of a fine-tuning: dict of name to `Flag`.

    Args:
        task: dataclass of a recipe's own settings, or `None`.
    """
    groups = list(GROUPS.items())
    if task is not None:
        groups.insert(0, ("task", task))
    return flags_of(groups)


def resolve(
    given: dict[str, Any] | None = None,
    config_file: Path | None = None,
    defaults: dict[str, Any] | Callable[..., dict[str, Any]] | None = None,
    task: type | None = None,
) -> FineTuneSettings:
    """The settings of a fine-tuning.

    Args:
        given: dict of setting to value, over the file.
        config_file: string or `None`, see `keras_rtd.utils.settings`.
        defaults: dict, a recipe's own, or a function of all that is given
            that returns it.
        task: dataclass of a recipe's own settings, or `None`.

    Returns:
        `FineTuneSettings`.

    Raises:
        ConfigError: an unknown setting, or a value that cannot be used.
    """
    known = flags(task)
    given = typed(given or {}, known)
    if config_file is not None:
        given = {**read_file(config_file, known, OLD), **given}
    defaults = defaults(given) if callable(defaults) else defaults or {}
    values = {name: flag.default for name, flag in known.items()}
    values |= {**defaults, **given}
    values = {k: None if v == NONE else v for k, v in values.items()}
    groups = dict(GROUPS, **({"task": task} if task else {}))
    try:
        return FineTuneSettings(
            **{name: make_group(cls, values) for name, cls in groups.items()}
        )
    except SettingError as e:
        raise ConfigError(as_flags(e, known)) from e


# What config.json of earlier versions held beside settings.
OLD: dict[str, Any] = {"backend": lambda value, path: {}}
