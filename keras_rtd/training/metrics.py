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


def sum_names(objective):
    """What is added up for an objective: list of strings."""
    names = []
    for part in objective.predicting_parts:
        names += [f"{part}_nll", f"{part}_count", f"{part}_correct"]
        if part == "generator":
            names.append("drawn_correct")
    if objective.has_detector:
        names += [
            "discriminator_bce",
            "discriminator_count",
            "discriminator_correct",
            "positive_count",
            "predicted_count",
            "predicted_correct",
        ]
    if objective.generator and not objective.detects_all_tokens:
        names += ["real_count", "replaced_count"]
    return names


class PretrainingMetrics(keras.metrics.Metric):
    """All metrics of an objective, real tokens only, of the whole batch on
    every replica. What an objective has not is left out.

    Area under the ROC curve and average precision come from a histogram of
    the discriminator's logits in 16,384 bins (ties within a bin count one
    half), so that a step costs one addition and devices can add theirs up.

    Args:
        objective: `keras_rtd.objectives.base.Objective`.
    """

    def __init__(self, objective, name="loss"):
        super().__init__(name=name, dtype="float32")
        self.objective = objective
        self.names = sum_names(objective)
        self.sums = self.add_variable(
            (len(self.names),),
            initializer="zeros",
            name="sums",
            aggregation=EQUAL,
        )
        self.histogram = self.add_variable(
            (2 * BINS if objective.has_detector else 0,),
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
        # A slot drawn twice weighs once each; accuracy counts likewise.
        weights = self.objective.weights(batch)
        sums = {}
        for name in self.objective.predicting_parts:
            part, weight = parts[name], weights[name]
            targets = part["targets"]
            sums[f"{name}_nll"] = count(part["loss"], weight)
            sums[f"{name}_count"] = ops.sum(weight)
            sums[f"{name}_correct"] = count(
                ops.equal(part["predicted"], targets), weight
            )
            if "drawn" in part:
                sums["drawn_correct"] = count(
                    ops.equal(part["drawn"], targets), weight
                )
        histogram = ops.zeros((0,))
        if self.objective.has_detector:
            part, weight = parts["discriminator"], weights["discriminator"]
            logits = part["logits"]
            labels = ops.cast(part["labels"], "float32")
            predicted = ops.cast(logits > 0, "float32")
            sums |= {
                "discriminator_bce": count(part["loss"], weight),
                "discriminator_count": ops.sum(weight),
                "discriminator_correct": count(
                    ops.equal(predicted, labels), weight
                ),
                "positive_count": count(labels, weight),
                "predicted_count": count(predicted, weight),
                "predicted_correct": count(predicted * labels, weight),
            }
            histogram = logit_histogram(logits, labels, weight)
        if "real_count" in self.names:
            real = ops.cast(batch["padding_mask"], "float32")
            sums["real_count"] = ops.sum(real)
            sums["replaced_count"] = count(outputs["is_replaced"], real)
        return [ops.stack([sums[name] for name in self.names]), histogram]

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
        """dict of float32 scalars of the losses and scores; of a part
        that predicts tokens `PART_loss` and `PART_accuracy`."""
        sums = ops.convert_to_tensor(self.sums)
        s = {name: sums[i] for i, name in enumerate(self.names)}
        results, losses = {}, {}
        for part in self.objective.predicting_parts:
            losses[part] = mean(s[f"{part}_nll"], s[f"{part}_count"])
            results[f"{part}_loss"] = losses[part]
            results[f"{part}_accuracy"] = mean(
                s[f"{part}_correct"], s[f"{part}_count"]
            )
            if part == "generator":
                results["sampled_accuracy"] = mean(
                    s["drawn_correct"], s["generator_count"]
                )
        if self.objective.has_detector:
            losses["discriminator"] = mean(
                s["discriminator_bce"], s["discriminator_count"]
            )
            results |= self._detection(s, losses["discriminator"])
        if "real_count" in s:
            results["replaced_rate"] = mean(
                s["replaced_count"], s["real_count"]
            )
        return {"loss": self.objective.combine(losses), **results}

    def _detection(self, s, loss):
        auc, average_precision = ranking_metrics(self.histogram)
        return {
            "discriminator_loss": loss,
            "discriminator_accuracy": mean(
                s["discriminator_correct"], s["discriminator_count"]
            ),
            "discriminator_auc": auc,
            "discriminator_average_precision": average_precision,
            "discriminator_precision": mean(
                s["predicted_correct"], s["predicted_count"]
            ),
            "discriminator_recall": mean(
                s["predicted_correct"], s["positive_count"]
            ),
            "replaced_rate": mean(
                s["positive_count"], s["discriminator_count"]
            ),
        }


def count(values, weights):
    """Sum of values times weights."""
    return ops.sum(ops.cast(values, "float32") * weights)


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
