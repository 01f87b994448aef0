"""The losses, as sums and counts so that devices can add them up."""

from keras import ops

from keras_rtd.kernels.vocabulary_axis import IMPOSSIBLE
from keras_rtd.layers.sampler import hit_slots

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


def masked_tokens(batch):
    """float32 (batch, length): 1 where a masked slot that counts stands."""
    length = ops.shape(batch["token_ids"])[1]
    slots = hit_slots(batch["mask_positions"], batch["mask_weights"], length)
    return ops.cast(slots > 0, "float32")


def copy_or_correct_nll(nll, logits, is_original):
    """Negative log-likelihood under a copy mechanism.

    The original token is copied from the input with the probability that the
    detector gives it of being original, and else predicted:
    -log(D * [input = original] + (1 - D) * exp(-nll)).

    Args:
        nll: float32, that of the original token by the prediction alone.
        logits: float32 of its shape, the detector's; D = sigmoid(-logits).
        is_original: bool of its shape, whether the input is the original.

    Returns:
        float32 of its shape.
    """
    copied = ops.where(is_original, -ops.softplus(logits), IMPOSSIBLE)
    predicted = -ops.softplus(-logits) - nll
    return -ops.logaddexp(copied, predicted)
