"""Scaled dot-product attention, fused where the backend has it."""

import keras
from keras import ops

# exp of it is 0, and it is a number in float16 too (largest: 65504), so that a
# row of nothing but padding gives no NaN.
MASKED = -3e4


def attention_bias(padding_mask):
    """Additive attention bias of a padding mask.

    Args:
        padding_mask: bool or int (batch, length), true for real tokens.

    Returns:
        float32 (batch, 1, 1, length), 0 for real tokens and a large negative
        number for padding.
    """
    mask = ops.cast(padding_mask, "float32")
    return ((1.0 - mask) * MASKED)[:, None, None, :]


def attend(query, key, value, bias, dropout=None, training=None):
    """Attention over (batch, heads, length, head_dim) tensors.

    The softmax is float32 whatever the compute dtype. PyTorch's kernels
    are used unless attention dropout is on; TensorFlow and JAX compile the
    plain formula.

    Args:
        query, key, value: (batch, heads, length, head_dim).
        bias: float32 (batch, 1, 1, length), see `attention_bias`.
        dropout: a `keras.layers.Dropout` or `None`.
        training: bool or `None`.

    Returns:
        (batch, heads, length, head_dim) in the dtype of `value`.
    """
    drop = dropout is not None and dropout.rate > 0 and training
    if keras.config.backend() == "torch" and not drop:
        return _attend_torch(query, key, value, bias.to(query.dtype))
    scale = query.shape[-1] ** -0.5
    scores = ops.matmul(query * scale, ops.transpose(key, (0, 1, 3, 2)))
    # Keras has cast the bias to the compute dtype on the way.
    scores = ops.cast(scores, "float32") + ops.cast(bias, "float32")
    weights = ops.cast(ops.softmax(scores, axis=-1), value.dtype)
    if drop:
        weights = dropout(weights, training=training)
    return ops.matmul(weights, value)


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
