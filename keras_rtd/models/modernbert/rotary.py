"""Rotary position embedding."""

import functools

import keras
from keras import ops

from keras_rtd.layers.kernels import islands
from keras_rtd.layers.kernels import tf_tensor


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
    if keras.config.backend() == "torch":
        return _torch_function().apply(x, cosine, sine)
    if islands():
        return _tensorflow_function()(tf_tensor(x), cosine, sine)
    return turn(x, cosine, sine)


def turn(x, cosine, sine):
    """`rotate` by given angles, each (length, head_dim / 2)."""
    first, second = ops.split(ops.cast(x, "float32"), 2, axis=-1)
    turned = ops.concatenate(
        [first * cosine - second * sine, second * cosine + first * sine],
        axis=-1,
    )
    return ops.cast(turned, x.dtype)


def _angles(length, pairs, base):
    """Cosine and sine, float32 (length, pairs)."""
    power = ops.arange(pairs, dtype="float32") / pairs
    position = ops.cast(ops.arange(length, dtype="int32"), "float32")
    angle = position[:, None] * base**-power
    return ops.cos(angle), ops.sin(angle)


@functools.cache
def _torch_function():
    """Keeps nothing for the gradient, which is turned back, and makes few
    intermediate tensors: half the time of `turn` and its gradient."""
    import torch

    def turned(x, cosine, sine):
        cosine = torch.cat([cosine, cosine], -1)
        sine = torch.cat([-sine, sine], -1)
        # Products of two dtypes are slow.
        y = x.float()
        swapped = torch.roll(y, y.shape[-1] // 2, -1)
        return (y * cosine).addcmul_(swapped, sine).to(x.dtype)

    class Turn(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, cosine, sine):
            ctx.angles = cosine, sine
            return turned(x, cosine, sine)

        @staticmethod
        def backward(ctx, upstream):
            cosine, sine = ctx.angles
            return turned(upstream, cosine, -sine), None, None

    return Turn


@functools.cache
def _tensorflow_function():
    """`turn` as one small XLA program, its gradient turned back."""
    import tensorflow as tf

    compiled = tf.function(turn, jit_compile=True)

    @tf.custom_gradient
    def function(x, cosine, sine):
        def gradient(upstream):
            return compiled(upstream, cosine, -sine), None, None

        return compiled(x, cosine, sine), gradient

    return function
