"""The metrics of pre-training, kept as sums over real tokens."""

from typing import Any

import keras
from keras import ops

from keras_rtd.objectives.term_metrics import MeanLoss
from keras_rtd.utils import replicas

# Every replica adds up the whole batch, so that any of them can be read.
EQUAL = "only_first_replica"


class PretrainingMetrics(keras.metrics.Metric):
    """All metrics of an objective, real tokens only, of the whole batch on
    every replica.

    Args:
        objective: `keras_rtd.objectives.Objective`. Its `metrics` say what is
            measured.
    """

    def __init__(self, objective, name="loss"):
        super().__init__(name=name, dtype="float32")
        self.objective = objective
        self.members = objective.metrics()
        sizes: dict[str, int] = {}
        for member in self.members:
            sizes |= member.sizes()
        for term in objective.term_weights():
            if f"{term}_nll" not in sizes:
                self.members.append(MeanLoss(term))
                sizes |= self.members[-1].sizes()
        # Single numbers first.
        self.sizes = dict(sorted(sizes.items(), key=lambda item: item[1] > 1))
        self.sums = self.add_variable(
            (sum(self.sizes.values()),),
            initializer="zeros",
            name="sums",
            aggregation=EQUAL,
        )
        # Steps in a row whose loss was not finite, up to the newest.
        self.bad_steps = self.add_variable(
            (), initializer="zeros", name="bad_steps", aggregation=EQUAL
        )

    def measure(self, batch, outputs, terms):
        """What one batch, or a micro-batch of it, adds.

        Args:
            batch: the input dict.
            outputs: what the objective's `forward` returned.
            terms: what the objective's `loss` returned beside the loss.

        Returns:
            float32 tensor for `update_state`; those of the micro-batches of a
            batch are added up.
        """
        weights = self.objective.weights(batch)
        values: dict[str, Any] = {}
        for member in self.members:
            values |= member.measure(batch, outputs, terms, weights)
        numbers = [values[name] for name, n in self.sizes.items() if n == 1]
        vectors = [values[name] for name, n in self.sizes.items() if n > 1]
        return ops.concatenate([ops.stack(numbers), *vectors])

    def nothing(self):
        """What a batch without rows would add, see `measure`."""
        return ops.zeros(self.sums.shape)

    def update_state(self, measured, loss):
        """Add one batch.

        Args:
            measured: what `measure` returned.
            loss: float32 scalar.
        """
        finite = ops.isfinite(loss)
        new, bad = replicas.total([measured, 1.0 - ops.cast(finite, "float32")])
        # A step that overflowed in float16, on any replica, is skipped by the
        # optimiser, and must not spoil the sums.
        finite = ops.equal(bad, 0.0)
        self.sums.assign_add(ops.where(finite, new, 0.0))
        self.bad_steps.assign(ops.where(finite, 0.0, self.bad_steps + 1.0))

    def result(self):
        """dict of float32 scalars of the losses and scores; of a part
        that predicts tokens `PART_loss` and `PART_accuracy`."""
        sums = ops.convert_to_tensor(self.sums)
        by_name, start = {}, 0
        for name, size in self.sizes.items():
            end = start + size
            by_name[name] = sums[start] if size == 1 else sums[start:end]
            start = end
        results: dict[str, Any] = {}
        for member in self.members:
            results |= member.result(by_name)
        losses = {
            term: results[f"{term}_loss"]
            for term in self.objective.term_weights()
        }
        return {"loss": self.objective.combine(losses), **results}
