"""All settings of a pre-training run, by group, and their flags."""

import dataclasses
import textwrap
from typing import Any
from typing import Self

from keras_rtd import objectives
from keras_rtd.data.settings import DataSettings
from keras_rtd.models.settings import GeneratorSettings
from keras_rtd.models.settings import ModelSettings
from keras_rtd.objectives.base import Objective
from keras_rtd.pretraining.run_settings import LENGTH
from keras_rtd.pretraining.run_settings import Phase
from keras_rtd.pretraining.run_settings import RunSettings
from keras_rtd.training.settings import DeviceSettings
from keras_rtd.training.settings import OptimizerSettings
from keras_rtd.utils.setting import setting
from keras_rtd.utils.settings import NONE
from keras_rtd.utils.settings import as_json
from keras_rtd.utils.settings import flags_of

GROUPS = {
    "data": DataSettings,
    "model": ModelSettings,
    "generator": GeneratorSettings,
    "objective": None,
    "optimizer": OptimizerSettings,
    "run": RunSettings,
    "devices": DeviceSettings,
}


@dataclasses.dataclass(frozen=True)
class PretrainSettings:
    """The settings of a run, by group, none left open but `dtype="auto"`.

    Attributes:
        objective: `keras_rtd.objectives.Objective`; its fields are its
            options.
        of_preset: dict, what the preset says of the same settings.
    """

    data: DataSettings
    model: ModelSettings
    generator: GeneratorSettings
    objective: Objective
    optimizer: OptimizerSettings
    run: RunSettings
    devices: DeviceSettings
    of_preset: dict[str, Any] = dataclasses.field(repr=False, compare=False)

    def phases(self) -> list[Phase]:
        """list of `Phase`, in order."""
        return self.run.phases(self.data.sequence_length)

    def on_devices(
        self, stored: dict[str, Any] | None = None, strategy: Any = None
    ) -> Self:
        """These settings with a dtype in place of `"auto"`.

        Args:
            stored: dict or `None`. The run's flat settings so far.
            strategy: `keras_rtd.training.Strategy`, whose processes agree.
        """
        dtype = (stored or {}).get("dtype")
        devices = self.devices.resolved(dtype, strategy)
        return dataclasses.replace(self, devices=devices)

    def value(self, name: str) -> Any:
        """One setting, as JSON holds it; `None` where the run has it not."""
        part = getattr(self, flags()[name].group)
        if name == "objective":
            return part.name
        value = as_json(getattr(part, name, None))
        if value is None and self.of_preset.get(name) is not None:
            return NONE
        return value

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """The settings by group, as `config.json` and `--config` hold them."""
        nested: dict[str, dict[str, Any]] = {group: {} for group in GROUPS}
        for name, flag in flags().items():
            if name == "objective" or hasattr(getattr(self, flag.group), name):
                nested[flag.group][name] = self.value(name)
        return nested

    def binding(self) -> dict[str, Any]:
        """What a continuation of the run must not change: flat dict."""
        known = flags()
        return {
            name: value
            for part in self.to_dict().values()
            for name, value in part.items()
            if not known[name].about.get("free") and name not in LENGTH
        }

    def summary(self) -> str:
        """The settings for people; `*` marks what differs from the preset."""
        source = self.model.init_from or self.model.preset
        lines = [f"settings (* differs from the preset {source}):"]
        for group, values in self.to_dict().items():
            words = [
                f"{name}={_shown(value)}"
                + "*" * (self.of_preset.get(name, value) != value)
                for name, value in values.items()
                if not (value is None or value is False or value in ({}, []))
                or self.of_preset.get(name, value) != value
            ]
            lines.append(
                textwrap.fill(
                    " ".join(words),
                    96,
                    initial_indent=f"  {group:<10}",
                    subsequent_indent=" " * 12,
                    break_long_words=False,
                    break_on_hyphens=False,
                )
            )
        return "\n".join(lines)


def _shown(value):
    if isinstance(value, list):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclasses.dataclass(frozen=True)
class _Choice:
    objective: str = setting(
        "electra", "What is corrupted and what is predicted.", preset=True
    )


def flags():
    """The flags of a run: dict of name to `Flag`, by group.

    Options of an objective are the fields of its dataclass, also of one that
    was added to `OBJECTIVES` elsewhere.
    """
    kinds = objectives.OBJECTIVES
    known = flags_of(
        [
            *((name, cls) for name, cls in GROUPS.items() if cls),
            ("objective", _Choice),
            *(("objective", kind) for kind in kinds.values()),
        ]
    )
    choice = known["objective"]
    known["objective"] = dataclasses.replace(
        choice, about={**choice.about, "choices": tuple(kinds)}
    )
    order = list(GROUPS)
    return dict(
        sorted(known.items(), key=lambda item: order.index(item[1].group))
    )
