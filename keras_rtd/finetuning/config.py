"""The settings of a fine-tuning."""

import dataclasses

from keras_rtd.training.settings import DTYPES
from keras_rtd.pretraining.settings import ConfigError
from keras_rtd.pretraining.settings import setting
from keras_rtd.utils.hardware import fast_dtype

# What may change between the runs of one directory.
FREE = ("run_dir", "seeds", "checkpoint_every", "profile")


@dataclasses.dataclass(frozen=True)
class FineTuneConfig:
    """Settings of a fine-tuning; a recipe is a subclass with its defaults.

    Raises:
        ConfigError: a value out of range.
    """

    init_from: str | None = setting(
        None,
        "what to start from: a preset, a run's directory, or a checkpoint of "
        "another library (hf:DIR, keras_hub:DIR, google:PREFIX)",
    )
    fresh: bool = setting(
        False, "random weights in the architecture of --init_from"
    )
    data: str | None = setting(None, "folder of the task's files")
    run_dir: str = setting("runs/finetune", "where everything is written")
    epochs: int | None = setting(3, "passes over the training data")
    batch_size: int = setting(32, "rows a step")
    sequence_length: int | None = setting(
        None, "tokens a row (default the preset's)"
    )
    learning_rate: float | None = setting(
        None,
        "peak rate, of the head (default by the encoder's width: 3e-4 for "
        "tiny, 1e-4 for small and base, 5e-5 for large)",
    )
    layer_decay: float | None = setting(
        None,
        "factor of the rate from a layer to the one below (default likewise "
        "1.0, 0.8 and 0.9)",
    )
    reference_exponent: bool = setting(
        False, "count layers as the reference does: one more below the head"
    )
    weight_decay: float = setting(0.01, "decoupled")
    warmup_fraction: float = setting(0.1, "share of the steps, linear")
    dropout: float = setting(0.1, "rate in encoder and head")
    dtype: str = setting(
        "float32",
        "dtype policy; auto: mixed_bfloat16 where the devices are fast at it",
        choices=DTYPES,
    )
    seed: int = setting(0, "the first run's")
    seeds: int = setting(1, "runs, each with a seed of its own")
    limit: int | None = setting(
        None, "training examples used, the first of the file (default all)"
    )
    checkpoint_every: int = setting(500, "steps between checkpoints")
    profile: bool = setting(
        False, "measure where a step's time goes, write a trace, and stop"
    )

    def __post_init__(self):
        for name in ("epochs", "batch_size", "seeds", "checkpoint_every"):
            self.check(name, getattr(self, name) >= 1, "at least 1")
        for name in ("seed", "weight_decay"):
            self.check(name, getattr(self, name) >= 0, "0 or more")
        self.check(
            "learning_rate",
            self.learning_rate is None or self.learning_rate > 0,
            "above 0",
        )
        self.check(
            "layer_decay",
            self.layer_decay is None or 0 < self.layer_decay <= 1,
            "above 0, at most 1",
        )
        for name in ("dropout", "warmup_fraction"):
            self.check(name, 0 <= getattr(self, name) < 1, "from 0 up to 1")
        self.check("limit", self.limit is None or self.limit > 0, "at least 1")
        self.check(
            "sequence_length",
            self.sequence_length is None or self.sequence_length >= 8,
            "at least 8",
        )
        for field in dataclasses.fields(self):
            choices = field.metadata["choices"]
            self.check(
                field.name,
                choices is None or getattr(self, field.name) in choices,
                f"one of {', '.join(choices or ())}",
            )
        self.check("init_from", bool(self.init_from), "given: a preset")
        self.check("data", bool(self.data), "given: the task's folder")
        if self.dtype == "auto":
            object.__setattr__(self, "dtype", fast_dtype())

    def check(self, name, good, rule):
        """Raise `ConfigError` with the setting's name unless `good`."""
        if not good:
            raise ConfigError(
                f"--{name} must be {rule}. Received: {getattr(self, name)!r}"
            )

    def binding(self):
        """What a continuation must not change, as JSON can hold it."""
        return {
            name: value
            for name, value in dataclasses.asdict(self).items()
            if name not in FREE
        }
