"""Rotary position embedding."""

from keras import ops

from keras_rtd import kernels


def rotate(x, base=10_000.0):
    """Turns each pair of a vector's numbers by an angle of its position.

    Products of two vectors so turned depend on the distance of their
    positions alone. Number i and number i + head_dim / 2 are a pair, as in
    Llama and ModernBERT. Source: RoFormer, https://arxiv.org/abs/2104.09864,
    §3.2.

    Args:
        x: (batch, heads, length, head_dim), head_dim even.
        base: float. Wavelengths go up to `2 * pi * base`. Defaults to 10000,
            RoFormer's.

    Returns:
        As `x`, computed in float32, in the dtype of `x`.
    """
    cosine, sine = _angles(ops.shape(x)[2], x.shape[-1] // 2, base)
    return kernels.turn(x, cosine, sine)


def _angles(length, pairs, base):
    """Cosine and sine, float32 (length, pairs)."""
    power = ops.arange(pairs, dtype="float32") / pairs
    position = ops.cast(ops.arange(length, dtype="int32"), "float32")
    angle = position[:, None] * base**-power
    return ops.cos(angle), ops.sin(angle)
