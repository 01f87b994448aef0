"""The metrics of pre-training, kept as sums over real tokens."""

import keras
from keras import ops

from keras_rtd.objectives.losses import mean
from keras_rtd.utils import replicas

# Fine enough (0.002) for a discriminator whose logits hardly differ yet.
BINS = 1 << 14
# Logits beyond ±16 are all as good as certain (1e-7).
RANGE = 16.0

# Every replica adds up the whole batch, so that any of them can be read.
EQUAL = "only_first_replica"

SUMS = (
    "generator_nll",
    "generator_count",
    "generator_correct",
    "sampled_correct",
    "discriminator_bce",
    "real_count",
    "discriminator_correct",
    "replaced_count",
    "predicted_count",
    "predicted_correct",
)


class PretrainingMetrics(keras.metrics.Metric):
    """All metrics of replaced token detection, real tokens only, of the whole
    batch on every replica.

    Area under the ROC curve and average precision come from a histogram of
    the discriminator's logits in 16,384 bins (ties within a bin count one
    half), so that a step costs one addition and devices can add theirs up.

    Args:
        objective: weighs the two losses into `loss`.
    """

    def __init__(self, objective, name="loss"):
        super().__init__(name=name, dtype="float32")
        self.objective = objective
        self.sums = self.add_variable(
            (len(SUMS),), initializer="zeros", name="sums", aggregation=EQUAL
        )
        self.histogram = self.add_variable(
            (2 * BINS,),
            initializer="zeros",
            name="histogram",
            aggregation=EQUAL,
        )
        # Steps in a row whose loss was not finite, up to the newest.
        self.bad_steps = self.add_variable(
            (), initializer="zeros", name="bad_steps", aggregation=EQUAL
        )

    def measure(self, batch, outputs, parts):
        """What one batch, or a part of it, adds.

        Args:
            batch: the input dict.
            outputs: what the objective's `forward` returned.
            parts: what the objective's `loss` returned beside the loss.

        Returns:
            list of float32 tensors for `update_state`; those of the parts of
            a batch are added up.
        """

        def count(values, weights):
            return ops.sum(ops.cast(values, "float32") * weights)

        weights = ops.cast(batch["mask_weights"], "float32")
        # A slot drawn twice weighs once each; accuracy counts likewise.
        ids = ops.cast(batch["mask_ids"], "int32")
        guess = outputs["predicted_ids"]
        real = ops.cast(batch["padding_mask"], "float32")
        replaced = ops.cast(outputs["is_replaced"], "float32")
        logits = outputs["discriminator_logits"]
        predicted = ops.cast(logits > 0, "float32")
        sums = {
            "generator_nll": count(parts["generator_nll"], weights),
            "generator_count": ops.sum(weights),
            "generator_correct": count(ops.equal(guess, ids), weights),
            "sampled_correct": count(
                ops.equal(outputs["sampled_ids"], ids), weights
            ),
            "discriminator_bce": count(parts["discriminator_bce"], real),
            "real_count": ops.sum(real),
            "discriminator_correct": count(
                ops.equal(predicted, replaced), real
            ),
            "replaced_count": count(replaced, real),
            "predicted_count": count(predicted, real),
            "predicted_correct": count(predicted * replaced, real),
        }
        return [
            ops.stack([sums[name] for name in SUMS]),
            logit_histogram(logits, replaced, real),
        ]

    def nothing(self):
        """What a batch without rows would add, see `measure`."""
        return [ops.zeros(v.shape) for v in (self.sums, self.histogram)]

    def update_state(self, measured, loss):
        """Add one batch.

        Args:
            measured: what `measure` returned.
            loss: float32 scalar.
        """
        finite = ops.isfinite(loss)
        new, histogram, bad = replicas.total(
            [*measured, 1.0 - ops.cast(finite, "float32")]
        )
        # A step that overflowed in float16, on any replica, is skipped by the
        # optimiser, and must not spoil the sums.
        finite = ops.equal(bad, 0.0)
        self.sums.assign_add(ops.where(finite, new, 0.0))
        self.histogram.assign_add(ops.where(finite, histogram, 0.0))
        self.bad_steps.assign(ops.where(finite, 0.0, self.bad_steps + 1.0))

    def result(self):
        """dict of float32 scalars under the names of DESIGN §2."""
        sums = ops.convert_to_tensor(self.sums)
        s = {name: sums[i] for i, name in enumerate(SUMS)}
        generator_loss = mean(s["generator_nll"], s["generator_count"])
        discriminator_loss = mean(s["discriminator_bce"], s["real_count"])
        auc, average_precision = ranking_metrics(self.histogram)
        return {
            "loss": self.objective.combine(generator_loss, discriminator_loss),
            "generator_loss": generator_loss,
            "generator_accuracy": mean(
                s["generator_correct"], s["generator_count"]
            ),
            "sampled_accuracy": mean(
                s["sampled_correct"], s["generator_count"]
            ),
            "discriminator_loss": discriminator_loss,
            "discriminator_accuracy": mean(
                s["discriminator_correct"], s["real_count"]
            ),
            "discriminator_auc": auc,
            "discriminator_average_precision": average_precision,
            "discriminator_precision": mean(
                s["predicted_correct"], s["predicted_count"]
            ),
            "discriminator_recall": mean(
                s["predicted_correct"], s["replaced_count"]
            ),
            "replaced_rate": mean(s["replaced_count"], s["real_count"]),
        }


def logit_histogram(logits, labels, weights):
    """Histogram of logits, negatives first, then positives.

    Args:
        logits: float32 (batch, length).
        labels: float32 (batch, length), 0 or 1.
        weights: float32 (batch, length).

    Returns:
        float32 (2 * BINS,).
    """
    position = (ops.clip(logits, -RANGE, RANGE) + RANGE) / (2 * RANGE)
    # A logit that is not a number falls into the lowest bin.
    position = ops.where(ops.isfinite(position), position, 0.0)
    bin_ids = ops.minimum(ops.cast(position * BINS, "int32"), BINS - 1)
    bin_ids = bin_ids + BINS * ops.cast(labels, "int32")
    return ops.segment_sum(
        ops.reshape(weights, (-1,)),
        ops.reshape(bin_ids, (-1,)),
        num_segments=2 * BINS,
    )


def ranking_metrics(histogram):
    """ROC-AUC and average precision of a `logit_histogram`.

    AUC counts a tie (same bin) as one half. Average precision is the sum of
    precision times the gain in recall over falling thresholds, as
    scikit-learn defines it. Both are 0 where one class is absent.
    """
    histogram = ops.convert_to_tensor(histogram)
    negatives, positives = histogram[:BINS], histogram[BINS:]
    total_negatives, total_positives = ops.sum(negatives), ops.sum(positives)
    below = ops.cumsum(negatives) - negatives
    wins = ops.sum(positives * (below + 0.5 * negatives))
    pairs = total_negatives * total_positives
    auc = ops.where(pairs > 0, wins / ops.maximum(pairs, 1.0), 0.0)
    true_above = total_positives - ops.cumsum(positives) + positives
    false_above = total_negatives - below
    precision = true_above / ops.maximum(true_above + false_above, 1.0)
    average_precision = ops.sum(precision * positives) / ops.maximum(
        total_positives, 1.0
    )
    return auc, average_precision
