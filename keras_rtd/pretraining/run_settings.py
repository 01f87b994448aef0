"""Settings of a run's length and records, and the phases it has."""

import dataclasses

from keras_rtd.utils.setting import SettingError
from keras_rtd.utils.setting import Settings
from keras_rtd.utils.setting import setting

# How long a run is; bound by what its steps so far were.
LENGTH = (
    "train_steps",
    "phase2_steps",
    "phase2_sequence_length",
    "phase2_batch_size",
    "phase2_learning_rate",
)


@dataclasses.dataclass(frozen=True)
class RunSettings(Settings):
    """How long a run trains, and what it writes how often.

    Attention's cost grows with the square of the length, and only the far
    positions need long rows to learn (BERT, appendix A.2): the last steps may
    have longer rows than the first.
    """

    run_dir: str = setting(
        "runs/pretrain",
        "Folder or URL (gs://...) that the run writes to.",
        free=True,
    )
    train_steps: int = setting(
        1_000_000,
        "Optimiser steps of the whole run. A continued run may have another "
        "number while its learning rate so far is the same, as on the plateau "
        "of --schedule=stable.",
        at_least=1,
    )
    batch_size: int = setting(
        128, "Rows per step, of all devices.", at_least=1, at_most=1 << 20
    )
    seed: int = setting(
        0,
        "Random seed for the weights, the data order, the masks and the "
        "sampled tokens.",
        at_least=0,
    )
    phase2_steps: int = setting(
        0,
        "Last steps of --train_steps, with rows and batches of their own.",
        at_least=0,
    )
    phase2_sequence_length: int = setting(
        512, "Tokens per row in phase 2.", at_least=8, at_most=1 << 20
    )
    phase2_batch_size: int | None = setting(
        None,
        "Rows per step in phase 2.",
        none="as many tokens per step as before",
        at_least=1,
        at_most=1 << 20,
    )
    allow_changed_data: bool = setting(
        False,
        "Continue a run although its data changed since it began; the order "
        "of the rows is another from there on.",
        free=True,
    )
    checkpoint_every: int = setting(
        1000, "Steps between checkpoints.", free=True, at_least=1
    )
    keep_checkpoints: int = setting(
        3, "Number of newest checkpoints kept.", free=True, at_least=1
    )
    eval_every: int = setting(
        1000, "Steps between evaluations.", free=True, at_least=1
    )
    eval_batches: int = setting(
        50, "Held-out batches per evaluation.", at_least=1
    )
    profile: bool = setting(
        False,
        "Measure the time of each part of a step, write a trace, and stop.",
        free=True,
    )

    def __post_init__(self):
        super().__post_init__()
        if not self.phase2_steps < self.train_steps:
            raise SettingError(
                "phase2_steps",
                f"below the {self.train_steps} train_steps",
                self.phase2_steps,
            )
        if self.phase2_batch_size is not None and not self.phase2_steps:
            raise SettingError(
                "phase2_batch_size",
                "given with --phase2_steps",
                self.phase2_batch_size,
            )

    def phases(self, sequence_length):
        """list of `Phase`, in order.

        Args:
            sequence_length: int, of the first.
        """
        border = self.train_steps - self.phase2_steps
        first = Phase(0, border, self.batch_size, sequence_length)
        if not self.phase2_steps:
            return [first]
        length = self.phase2_sequence_length
        second = Phase(
            border,
            self.train_steps,
            self.phase2_batch_size or max(1, first.tokens_per_step // length),
            length,
            tokens_before=first.tokens(border),
        )
        return [first, second]


@dataclasses.dataclass(frozen=True)
class Phase:
    """Steps with batches of one shape.

    Attributes:
        first_step, last_step: int. Steps done when it begins and ends.
        batch_size: int. Rows per step.
        sequence_length: int. Tokens per row.
        tokens_before: int. Of the phases before.
    """

    first_step: int
    last_step: int
    batch_size: int
    sequence_length: int
    tokens_before: int = 0

    @property
    def tokens_per_step(self):
        return self.batch_size * self.sequence_length

    def tokens(self, step):
        """Tokens of the whole run after `step` steps."""
        return self.tokens_before + self.tokens_per_step * (
            step - self.first_step
        )
