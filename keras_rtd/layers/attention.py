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


def attention_bias(
    padding_mask, direction="bidirectional", document_ids=None, reach=None
):
    """Additive attention bias of a padding mask.

    Args:
        padding_mask: bool or int (batch, length), true for real tokens.
        direction: one of `DIRECTIONS`. Defaults to `"bidirectional"`.
        document_ids: int (batch, length) or `None`. Tokens see those of the
            same number. Defaults to `None`.
        reach: int or `None`. Tokens see no further than this on either side.
            Defaults to `None`.

    Returns:
        float32 (batch, 1, 1, length), or (batch, 1, length, length) where
        tokens see different things: 0 for what is seen and a large negative
        number for what is not.
    """
    mask = ops.cast(padding_mask, "float32")[:, None, None, :]
    if direction != "bidirectional" or reach is not None:
        place = ops.arange(ops.shape(padding_mask)[1], dtype="int32")
        distance = place[None, :] - place[:, None]
        mask = mask * in_sight(distance, direction, reach)
    if document_ids is not None:
        mask = mask * ops.cast(same_document(document_ids), "float32")
    return (1.0 - mask) * MASKED


def in_sight(distance, direction, reach=None):
    """Which keys a query sees by where they stand.

    Args:
        distance: int32, the key's place less the query's.
        direction, reach: see `attention_bias`.

    Returns:
        float32 of the same shape, 1 or 0.
    """
    seen = {
        "bidirectional": ops.ones_like(distance, dtype="bool"),
        "left_to_right": distance <= 0,
        "right_to_left": distance >= 0,
    }[direction]
    if reach is not None:
        seen = ops.logical_and(seen, ops.abs(distance) <= reach)
    return ops.cast(seen, "float32")


def same_document(document_ids):
    """Which tokens are of one document: bool (batch, 1, length, length)."""
    ids = ops.cast(document_ids, "int32")[:, None]
    return ids[..., :, None] == ids[..., None, :]


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
