"""What is measured: an implementation, a model, a batch, a dtype."""

import dataclasses
import os

from sizes import SIZES


@dataclasses.dataclass(frozen=True)
class Case:
    """One row of the table.

    `variant` says how a peer was run: `masked_head` or `full_head`, `eager`
    or `compile`, joined by `+`. Ours is empty, `accumulate_steps=N`, `remat`,
    `family=modernbert` (of about the same size), `frozen_generator`,
    `replacements` (its samples come with the batch) or `muon`.
    """

    implementation: str
    backend: str
    model: str
    dtype: str
    batch_size: int = 32
    sequence_length: int = 128
    variant: str = ""

    @property
    def size(self):
        return SIZES[self.model]

    @property
    def tokens(self):
        """Tokens a step."""
        return self.batch_size * self.sequence_length

    def __str__(self):
        words = (self.implementation, self.backend, self.dtype, self.variant)
        return " ".join(word for word in words if word)

    def environment(self):
        """The worker's environment variables."""
        return {
            **os.environ,
            "KERAS_BACKEND": self.backend,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "HF_HUB_OFFLINE": "1",
        }

    def row(self):
        """What identifies it in the results file."""
        return dataclasses.asdict(self)
