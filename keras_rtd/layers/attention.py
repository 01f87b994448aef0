"""Scaled dot-product attention, fused where the backend has it."""

import functools

import keras
from keras import ops

from keras_rtd.utils.hardware import has_gpu

# The reference's: exp of it is 0, and it is a number in float16 too, so that a
# row of nothing but padding gives no NaN.
MASKED = -1e4

# From which positions a token gathers: all, those up to its own, those from
# its own on.
DIRECTIONS = ("bidirectional", "left_to_right", "right_to_left")


def attention_bias(padding_mask, direction="bidirectional"):
    """Additive attention bias of a padding mask.

    Args:
        padding_mask: bool or int (batch, length), true for real tokens.
        direction: one of `DIRECTIONS`. Defaults to `"bidirectional"`.

    Returns:
        float32 (batch, 1, 1, length), or (batch, 1, length, length) in one
        direction: 0 for what is seen and a large negative number for what is
        not.
    """
    mask = ops.cast(padding_mask, "float32")[:, None, None, :]
    if direction != "bidirectional":
        length = ops.shape(padding_mask)[1]
        place = ops.arange(length, dtype="int32")
        before = place[None, :] <= place[:, None]
        if direction == "right_to_left":
            before = place[None, :] >= place[:, None]
        mask = mask * ops.cast(before, "float32")[None, None]
    return (1.0 - mask) * MASKED


def attend(query, key, value, bias, dropout=None, training=None):
    """Attention over (batch, heads, length, head_dim) tensors.

    The softmax is float32 whatever the compute dtype. PyTorch's kernels
    are used unless attention dropout is on; TensorFlow and JAX compile the
    plain formula.

    Args:
        query, key, value: (batch, heads, length, head_dim).
        bias: float32, see `attention_bias`.
        dropout: a `keras.layers.Dropout` or `None`.
        training: bool or `None`.

    Returns:
        (batch, heads, length, head_dim) in the dtype of `value`.
    """
    drop = dropout is not None and dropout.rate > 0 and training
    if keras.config.backend() == "torch" and not drop:
        return _attend_torch(query, key, value, bias.to(query.dtype))
    _warn_if_slow(bool(drop))
    scale = query.shape[-1] ** -0.5
    scores = ops.matmul(query * scale, ops.transpose(key, (0, 1, 3, 2)))
    # Keras has cast the bias to the compute dtype on the way.
    scores = ops.cast(scores, "float32") + ops.cast(bias, "float32")
    weights = ops.cast(ops.softmax(scores, axis=-1), value.dtype)
    if drop:
        weights = dropout(weights, training=training)
    return ops.matmul(weights, value)


@functools.cache
def _warn_if_slow(drop):
    """Says once, on a GPU, that no fused kernel is used, and why."""
    if not has_gpu():
        return
    backend = keras.config.backend()
    reason = f"{backend} compiles the plain products"
    if backend == "torch" and drop:
        reason = "PyTorch's fused kernel is not used with dropout: --dropout=0"
    print(
        f"warning: attention takes the slow path on this GPU ({reason}); its "
        "memory grows with the square of the sequence length",
        flush=True,
    )


def _attend_torch(query, key, value, bias):
    import torch

    if query.device.type == "cpu" and query.dtype == torch.bfloat16:
        # The backward of the fused CPU kernel does not use the matrix unit,
        # which these products do.
        scale = query.shape[-1] ** -0.5
        scores = torch.matmul(query * scale, key.transpose(-1, -2))
        weights = torch.softmax(scores + bias, dim=-1)
        return torch.matmul(weights, value)
    return torch.nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=bias
    )
