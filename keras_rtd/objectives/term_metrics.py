"""What is measured of the loss terms, as sums that devices can add up."""

from keras import ops

from keras_rtd import kernels
from keras_rtd.objectives.losses import mean
from keras_rtd.utils.types import Batch
from keras_rtd.utils.types import Tensor

# Fine enough (0.002) for a discriminator whose logits hardly differ yet.
BINS = 1 << 14
# Logits beyond ±16 are all as good as certain (1e-7).
RANGE = 16.0


class MeanLoss:
    """`TERM_loss`: the mean loss over the positions that count.

    Args:
        term: string. Name of a loss term of the objective.
    """

    def __init__(self, term: str) -> None:
        self.term = term

    def sizes(self) -> dict[str, int]:
        """Names of the sums, and how many numbers each has."""
        return {f"{self.term}_nll": 1, f"{self.term}_count": 1}

    def measure(
        self,
        batch: Batch,
        outputs: dict[str, Tensor],
        terms: dict[str, dict[str, Tensor]],
        weights: dict[str, Tensor],
    ) -> dict[str, Tensor]:
        """What a batch, or a micro-batch, adds to the sums.

        Args:
            batch: the input dict.
            outputs: what the objective's `forward` returned.
            terms, weights: what its `terms` and `weights` returned.

        Returns:
            dict of the names of `sizes` to float32 tensors.
        """
        weight = weights[self.term]
        return {
            f"{self.term}_nll": count(terms[self.term]["loss"], weight),
            f"{self.term}_count": ops.sum(weight),
        }

    def result(self, sums: dict[str, Tensor]) -> dict[str, Tensor]:
        """dict of metric name to float32 scalar, from the sums by name."""
        return {f"{self.term}_loss": self.share(sums, "nll")}

    def share(
        self, sums: dict[str, Tensor], name: str, of: str = "count"
    ) -> Tensor:
        """One of the term's sums divided by another."""
        return mean(sums[f"{self.term}_{name}"], sums[f"{self.term}_{of}"])


class PredictionMetrics(MeanLoss):
    """`TERM_loss` and `TERM_accuracy` of a term that predicts tokens, and
    `sampled_accuracy` where tokens are sampled from it.

    The term has `predicted` and `targets`, and `sampled`, int32.
    A slot that was masked twice counts twice.

    Args:
        term: string.
        samples: bool. Defaults to `False`.
    """

    def __init__(self, term: str, samples: bool = False) -> None:
        super().__init__(term)
        self.correct = {"predicted": f"{term}_correct"}
        if samples:
            self.correct["sampled"] = f"{term}_sampled_correct"

    def sizes(self):
        return {**super().sizes(), **dict.fromkeys(self.correct.values(), 1)}

    def measure(self, batch, outputs, terms, weights):
        term, weight = terms[self.term], weights[self.term]
        return {
            **super().measure(batch, outputs, terms, weights),
            **{
                name: count(ops.equal(term[key], term["targets"]), weight)
                for key, name in self.correct.items()
            },
        }

    def result(self, sums):
        results = super().result(sums)
        results[f"{self.term}_accuracy"] = self.share(sums, "correct")
        if "sampled" in self.correct:
            results["sampled_accuracy"] = self.share(sums, "sampled_correct")
        return results


class DetectionMetrics(MeanLoss):
    """Loss, accuracy, precision, recall, AUC and average precision of a term
    that tells replaced tokens.

    The term has `logits` float32 and `labels`. Area under the ROC curve and
    average precision come from a histogram of the logits in 16,384 bins (ties
    within a bin count one half), so that a step costs one addition.
    """

    def sizes(self):
        names = ("correct", "positive", "predicted", "predicted_correct")
        return {
            **super().sizes(),
            **{f"{self.term}_{name}": 1 for name in names},
            f"{self.term}_histogram": 2 * BINS,
        }

    def measure(self, batch, outputs, terms, weights):
        term, weight = terms[self.term], weights[self.term]
        logits = term["logits"]
        labels = ops.cast(term["labels"], "float32")
        predicted = ops.cast(logits > 0, "float32")
        found = {
            "correct": count(ops.equal(predicted, labels), weight),
            "positive": count(labels, weight),
            "predicted": count(predicted, weight),
            "predicted_correct": count(predicted * labels, weight),
            "histogram": logit_histogram(logits, labels, weight),
        }
        return {
            **super().measure(batch, outputs, terms, weights),
            **{f"{self.term}_{name}": value for name, value in found.items()},
        }

    def result(self, sums):
        auc, average_precision = ranking_metrics(sums[f"{self.term}_histogram"])
        found = {
            "accuracy": self.share(sums, "correct"),
            "auc": auc,
            "average_precision": average_precision,
            "precision": self.share(sums, "predicted_correct", "predicted"),
            "recall": self.share(sums, "predicted_correct", "positive"),
        }
        return {
            **super().result(sums),
            **{f"{self.term}_{name}": value for name, value in found.items()},
        }


class ReplacedRate:
    """`replaced_rate`: share of the real tokens that are labelled replaced."""

    def sizes(self) -> dict[str, int]:
        """See `MeanLoss`."""
        return {"real_count": 1, "replaced_count": 1}

    def measure(
        self,
        batch: Batch,
        outputs: dict[str, Tensor],
        terms: dict[str, dict[str, Tensor]],
        weights: dict[str, Tensor],
    ) -> dict[str, Tensor]:
        """See `MeanLoss`."""
        real = ops.cast(batch["padding_mask"], "float32")
        return {
            "real_count": ops.sum(real),
            "replaced_count": count(outputs["is_replaced"], real),
        }

    def result(self, sums: dict[str, Tensor]) -> dict[str, Tensor]:
        """See `MeanLoss`."""
        rate = mean(sums["replaced_count"], sums["real_count"])
        return {"replaced_rate": rate}


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
    return kernels.segment_sum(
        ops.reshape(weights, (-1,)), ops.reshape(bin_ids, (-1,)), 2 * BINS
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
