"""The losses, as sums and counts so that devices can add them up."""

import keras
from keras import ops

# The reference's guard against an empty batch (run_pretraining.py).
EPSILON = 1e-6


def masked_token_nll(logits, ids):
    """Negative log-likelihood of `ids`, a value a slot.

    Args:
        logits: float32 (batch, count, vocabulary).
        ids: int32 (batch, count).

    Returns:
        float32 (batch, count).
    """
    ids = ops.cast(ids, "int32")
    backend = keras.config.backend()
    # The fused kernels: one pass over the largest tensor of the step.
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.nn.sparse_softmax_cross_entropy_with_logits(ids, logits)
    if backend == "torch":
        from torch.nn.functional import cross_entropy

        flat = logits.reshape(-1, logits.shape[-1])
        nll = cross_entropy(flat, ids.reshape(-1).long(), reduction="none")
        return nll.reshape(ids.shape)
    total = ops.logsumexp(logits, axis=-1)
    chosen = ops.take_along_axis(logits, ids[..., None], axis=-1)
    return total - ops.squeeze(chosen, axis=-1)


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
