"""Functions that XLA compiles, inside TensorFlow's graph.

TensorFlow's CPU and GPU run every elementwise operation as a pass over memory
of its own, ten and more for a GELU and its gradient. XLA fuses them, but its
matrix products on a CPU are slower than oneDNN's. So the graph keeps the
products, and GELU, LayerNorm, RoPE and the vocabulary's softmax are compiled.
"""

import tensorflow as tf

from keras_rtd.kernels import base
from keras_rtd.kernels.vocabulary_axis import score_logits

SQRT_HALF = 0.7071067811865476
SQRT_TWO_OVER_PI = 0.7978845608028654
INVERSE_SQRT_TWO_PI = 0.3989422804014327
CUBIC = 0.044715

_compiled = tf.function(jit_compile=True)


def gelu(x, approximate=False):
    """GELU, computed in float32, in the dtype of `x`."""
    return _tanh_gelu(x) if approximate else _erf_gelu(x)


def project(x, kernel, bias=None):
    """x @ kernel + bias over the last axis, in the dtype of `x`."""
    # Flat, so that TensorFlow fuses product and bias.
    flat = tf.reshape(x, (-1, x.shape[-1]))
    kernel = tf.cast(kernel, x.dtype)
    if bias is None:
        y = tf.matmul(flat, kernel)
    else:
        y = _affine(flat, kernel, tf.cast(bias, x.dtype))
    return tf.reshape(y, tf.concat([tf.shape(x)[:-1], [y.shape[-1]]], 0))


@tf.custom_gradient
def _affine(x, kernel, bias):
    """The bias's gradient is a product with ones, which is faster than its sum
    over rows."""

    def gradient(upstream):
        ones = tf.ones((1, tf.shape(upstream)[0]), upstream.dtype)
        return (
            tf.matmul(upstream, kernel, transpose_b=True),
            tf.matmul(x, upstream, transpose_a=True),
            tf.matmul(ones, upstream)[0],
        )

    return tf.matmul(x, kernel) + bias, gradient


def layer_norm(x, gamma, beta, epsilon):
    """LayerNorm over the last axis, computed in float32.

    Args:
        x: (..., width).
        gamma: float32 (width,).
        beta: float32 (width,) or `None`.
        epsilon: float.

    Returns:
        (..., width) in the dtype of `x`.
    """

    @tf.custom_gradient
    def normalize(x, gamma, beta):
        def gradient(upstream):
            return _layer_norm_gradient(x, gamma, upstream, epsilon)

        return _layer_norm(x, gamma, beta, epsilon), gradient

    return normalize(x, gamma, tf.zeros_like(gamma) if beta is None else beta)


@tf.custom_gradient
def _erf_gelu(x):
    def gradient(upstream):
        return _erf_gelu_gradient(x, upstream)

    return _erf_gelu_value(x), gradient


@tf.custom_gradient
def _tanh_gelu(x):
    def gradient(upstream):
        return _tanh_gelu_gradient(x, upstream)

    return _tanh_gelu_value(x), gradient


@_compiled
def _erf_gelu_value(x):
    z = tf.cast(x, tf.float32)
    return tf.cast(0.5 * z * (1.0 + tf.math.erf(z * SQRT_HALF)), x.dtype)


@_compiled
def _erf_gelu_gradient(x, upstream):
    z = tf.cast(x, tf.float32)
    below = 0.5 * (1.0 + tf.math.erf(z * SQRT_HALF))
    density = INVERSE_SQRT_TWO_PI * tf.exp(-0.5 * z * z)
    slope = below + z * density
    return tf.cast(tf.cast(upstream, tf.float32) * slope, x.dtype)


def _tanh_inner(z):
    return tf.tanh(SQRT_TWO_OVER_PI * (z + CUBIC * z * z * z))


@_compiled
def _tanh_gelu_value(x):
    z = tf.cast(x, tf.float32)
    return tf.cast(0.5 * z * (1.0 + _tanh_inner(z)), x.dtype)


@_compiled
def _tanh_gelu_gradient(x, upstream):
    z = tf.cast(x, tf.float32)
    t = _tanh_inner(z)
    inner = SQRT_TWO_OVER_PI * (1.0 + 3.0 * CUBIC * z * z)
    slope = 0.5 * (1.0 + t) + 0.5 * z * (1.0 - t * t) * inner
    return tf.cast(tf.cast(upstream, tf.float32) * slope, x.dtype)


def _centred(x, epsilon):
    z = tf.cast(x, tf.float32)
    z = z - tf.reduce_mean(z, axis=-1, keepdims=True)
    variance = tf.reduce_mean(z * z, axis=-1, keepdims=True)
    return z, tf.math.rsqrt(variance + epsilon)


@_compiled
def _layer_norm(x, gamma, beta, epsilon):
    z, inverse = _centred(x, epsilon)
    return tf.cast(z * inverse * gamma + beta, x.dtype)


@_compiled
def _layer_norm_gradient(x, gamma, upstream, epsilon):
    z, inverse = _centred(x, epsilon)
    z = z * inverse
    upstream = tf.cast(upstream, tf.float32)
    scaled = upstream * gamma
    dx = inverse * (
        scaled
        - tf.reduce_mean(scaled, axis=-1, keepdims=True)
        - z * tf.reduce_mean(scaled * z, axis=-1, keepdims=True)
    )
    rows = list(range(len(x.shape) - 1))
    return (
        tf.cast(dx, x.dtype),
        tf.reduce_sum(upstream * z, axis=rows),
        tf.reduce_sum(upstream, axis=rows),
    )


@tf.custom_gradient
def turn(x, cosine, sine):
    """As `base.turn`; the gradient is turned back."""

    def gradient(upstream):
        return _turn(upstream, cosine, -sine), None, None

    return _turn(x, cosine, sine), gradient


_turn = _compiled(base.turn)


@tf.custom_gradient
def score_vocabulary(x, table, bias, ids, uniform):
    """As `base.score_vocabulary`; keeps the logits in the dtype of `x`."""
    logits = tf.matmul(x, table, transpose_b=True)
    nll, sampled, best, total = _score(logits, bias, ids, uniform)

    def gradient(upstream, *_):
        slope, bias_gradient = _score_gradient(
            logits, bias, ids, total, upstream
        )
        return (
            tf.matmul(slope, table),
            tf.matmul(slope, x, transpose_a=True),
            bias_gradient,
            None,
            None,
        )

    return (nll, sampled, best), gradient


@_compiled
def _score(logits, bias, ids, uniform):
    return score_logits(tf.cast(logits, tf.float32) + bias, ids, uniform)


@_compiled
def _score_gradient(logits, bias, ids, total, upstream):
    slope = tf.exp(tf.cast(logits, tf.float32) + bias - total[:, None])
    is_target = tf.range(tf.shape(logits)[1])[None] == ids[:, None]
    slope = (slope - tf.cast(is_target, tf.float32)) * upstream[:, None]
    return tf.cast(slope, logits.dtype), tf.reduce_sum(slope, axis=0)
