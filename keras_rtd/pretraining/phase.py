"""A stretch of a run."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Phase:
    """Steps with batches of one shape.

    Attributes:
        first_step, last_step: int. Steps done when it begins and ends.
        batch_size: int. Windows a step.
        sequence_length: int. Tokens a window.
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
