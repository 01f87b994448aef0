"""Settings of the optimiser and of the devices."""

import dataclasses
from typing import Any

from keras_rtd.training.optimizers import OPTIMIZERS
from keras_rtd.training.schedules import SCHEDULES
from keras_rtd.training.strategy import STRATEGIES
from keras_rtd.utils.hardware import fast_dtype
from keras_rtd.utils.setting import check_settings
from keras_rtd.utils.setting import setting

AUTO = "auto"
DTYPES = (AUTO, "float32", "mixed_bfloat16", "mixed_float16")


@dataclasses.dataclass(frozen=True)
class OptimizerSettings:
    """Arguments of `keras_rtd.training.make_optimizer`.

    Raises:
        SettingError: a value out of range.
    """

    optimizer: str = setting(
        "adamw",
        "Optimiser. lamb is for large batches and needs --learning_rate. muon "
        "updates the kernels of the encoders, and AdamW the rest.",
        choices=tuple(OPTIMIZERS),
        preset=True,
    )
    learning_rate: float = setting(
        5e-4, "Peak learning rate.", preset=True, above=0
    )
    adam_lr_ratio: float | None = setting(
        None,
        "With muon: learning rate of AdamW's part, as a multiple of "
        "--learning_rate.",
        preset=True,
        above=0,
    )
    generator_learning_rate: float | None = setting(
        None,
        "Peak learning rate of the generator's own weights. Without it, "
        "--learning_rate counts.",
        preset=True,
        above=0,
    )
    warmup_steps: int = setting(
        10_000, "Steps of linear warmup.", preset=True, at_least=0
    )
    schedule: str = setting(
        "polynomial",
        "Decay of the learning rate after the warmup.",
        choices=tuple(SCHEDULES),
        preset=True,
    )
    weight_decay: float = setting(
        0.01,
        "Decoupled weight decay of kernels and embeddings, per step and unit "
        "of learning rate.",
        preset=True,
        at_least=0,
    )
    ema_momentum: float | None = setting(
        None,
        "Momentum of the exponential moving averages of the weights, e.g. "
        "0.999. The averages are then evaluated and saved.",
        preset=True,
        above=0,
        below=1,
    )
    phase2_learning_rate: float | None = setting(
        None,
        "Peak learning rate of phase 2, with warmup and decay of its own in "
        "proportion to its steps.",
        above=0,
        none="none, one schedule for all steps",
    )
    # Of the preset alone: what no flag sets, such as `bias_correction`.
    optimizer_options: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        check_settings(self)

    def arguments(self, dtype):
        """Arguments of `make_optimizer`, without the numbers of steps.

        Args:
            dtype: string, the run's dtype policy.
        """
        made = {**dataclasses.asdict(self), **self.optimizer_options}
        del made["optimizer_options"]
        if self.optimizer != "muon":
            del made["adam_lr_ratio"]
        elif dtype == "mixed_bfloat16":
            made["product_dtype"] = "bfloat16"
        return {k: v for k, v in made.items() if v is not None}


@dataclasses.dataclass(frozen=True)
class DtypeSettings:
    """In which numbers a model computes.

    Raises:
        SettingError: a value that is none of the choices.
    """

    dtype: str = setting(
        AUTO,
        "Dtype policy. auto: mixed_bfloat16 where the devices are fast at it, "
        "float32 elsewhere; a continued run keeps its own.",
        choices=DTYPES,
    )

    def __post_init__(self):
        check_settings(self)

    def resolved(self, stored=None, strategy=None):
        """These settings with a dtype in place of `"auto"`.

        Ask only when the processes of a run have connected.

        Args:
            stored: string or `None`. What the run has used so far.
            strategy: `keras_rtd.training.Strategy` or `None`.
        """
        if self.dtype != AUTO:
            return self
        return dataclasses.replace(self, dtype=stored or fast_dtype(strategy))


@dataclasses.dataclass(frozen=True)
class DeviceSettings(DtypeSettings):
    """Devices, their memory, and how they share the work.

    Raises:
        SettingError: a value out of range.
    """

    strategy: str = setting(
        AUTO,
        "How devices share the work. auto: all accelerators of this host.",
        choices=STRATEGIES,
        free=True,
    )
    model_devices: int | None = setting(
        None,
        "With model_parallel: number of devices that share one copy of the "
        "weights.",
        free=True,
        none="all devices",
        at_least=1,
    )
    tpu: str | None = setting(
        None,
        "With tpu: name of the Cloud TPU.",
        free=True,
        none="the TPU of this machine",
    )
    accumulate_steps: int = setting(
        1,
        "Micro-batches of a step, computed one after the other to save memory.",
        at_least=1,
    )
    steps_per_execution: int = setting(
        1,
        "Steps per call of the compiled program, which saves host time "
        "between short steps (TensorFlow on one device, JAX).",
        free=True,
        at_least=1,
    )
    remat: bool = setting(
        False,
        "Activation checkpointing: compute the encoders' layers again in the "
        "backward pass to save memory.",
    )
