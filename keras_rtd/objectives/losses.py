"""The losses, as sums and counts so that devices can add them up."""

from keras import ops

# The reference's guard against an empty batch (run_pretraining.py).
EPSILON = 1e-6


def detection_bce(logits, is_replaced):
    """Binary cross-entropy of each token, from logits.

    Args:
        logits: float32 (batch, length); positive means replaced.
        is_replaced: bool or int (batch, length).

    Returns:
        float32 (batch, length).
    """
    labels = ops.cast(is_replaced, "float32")
    return (
        ops.maximum(logits, 0.0)
        - logits * labels
        + ops.log1p(ops.exp(-ops.abs(logits)))
    )


def mean(total, count):
    """total / (count + 1e-6), the reference's weighted mean."""
    return total / (count + EPSILON)
