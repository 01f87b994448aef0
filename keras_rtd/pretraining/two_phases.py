"""Most steps with short windows, the last ones with long ones."""

import dataclasses

from keras_rtd.pretraining.config import PretrainConfig
from keras_rtd.pretraining.phase import Phase
from keras_rtd.pretraining.settings import setting


@dataclasses.dataclass(frozen=True)
class TwoPhaseConfig(PretrainConfig):
    """Settings of a run whose last steps may have longer windows.

    Attention's cost grows with the square of the length, and only the far
    positions need long windows to learn (BERT, appendix A.2).

    Raises:
        ConfigError: a value out of range.
    """

    phase2_steps: int = setting(
        0, "the last of --train_steps, with windows and batches of their own"
    )
    phase2_sequence_length: int = setting(512, "tokens a window in phase 2")
    phase2_batch_size: int | None = setting(
        None, "windows a step in phase 2 (default: as many tokens as before)"
    )
    phase2_learning_rate: float | None = setting(
        None,
        "peak rate of phase 2, which then has warmup and decay of its own, in "
        "proportion to its steps (default: one schedule for all steps)",
    )

    def __post_init__(self):
        super().__post_init__()
        self.check(
            "phase2_steps",
            0 <= self.phase2_steps < self.train_steps,
            f"0 or more, and fewer than the {self.train_steps} train_steps",
        )
        self.check(
            "phase2_steps",
            self.phase2_steps % self.steps_per_execution == 0,
            f"a multiple of --steps_per_execution={self.steps_per_execution}",
        )
        self.check(
            "phase2_sequence_length",
            self.phase2_sequence_length >= 8,
            "at least 8",
        )
        for name in ("phase2_batch_size", "phase2_learning_rate"):
            value = getattr(self, name)
            self.check(name, value is None or value > 0, "above 0")
            self.check(
                name,
                value is None or self.phase2_steps > 0,
                "given with --phase2_steps",
            )

    def phases(self):
        (whole,) = super().phases()
        if not self.phase2_steps:
            return [whole]
        border = self.train_steps - self.phase2_steps
        first = dataclasses.replace(whole, last_step=border)
        length = self.phase2_sequence_length
        second = Phase(
            border,
            self.train_steps,
            self.phase2_batch_size or max(1, first.tokens_per_step // length),
            length,
            tokens_before=first.tokens(border),
        )
        return [first, second]

    def optimizer_config(self):
        return {
            **super().optimizer_config(),
            "phase2_steps": self.phase2_steps,
            "phase2_learning_rate": self.phase2_learning_rate,
        }
