"""Kernels on TensorFlow.

Elementwise work is compiled by XLA (`xla`) within `training_scope()`, which
the training step enters: a SavedModel must not need XLA where it is served.
"""

import contextlib
import contextvars

import tensorflow as tf
from keras import ops

from keras_rtd.kernels import base
from keras_rtd.kernels.tensorflow import xla
from keras_rtd.kernels.tensorflow.adamw import adamw as adamw

_in_training = contextvars.ContextVar("kernels_in_training", default=False)


@contextlib.contextmanager
def training_scope():
    token = _in_training.set(True)
    try:
        yield
    finally:
        _in_training.reset(token)


def tensor(value):
    # Keras hands out variables, which `tf.custom_gradient` refuses; a mirrored
    # one would stay one.
    return tf.convert_to_tensor(ops.convert_to_tensor(value))


def project(x, kernel, bias=None):
    if not _in_training.get():
        return base.project(x, kernel, bias)
    bias = None if bias is None else tensor(bias)
    return xla.project(tensor(x), tensor(kernel), bias)


def gelu(x, approximate=False):
    if not _in_training.get():
        return base.gelu(x, approximate)
    return xla.gelu(tensor(x), approximate)


def gelu_dense(x, dense, approximate=False):
    return dense(gelu(x, approximate))


def layer_norm(x, gamma, beta, epsilon):
    if not _in_training.get():
        return base.layer_norm(x, gamma, beta, epsilon)
    if gamma is None:
        gamma = ops.ones((x.shape[-1],), "float32")
    beta = None if beta is None else tensor(beta)
    return xla.layer_norm(tensor(x), tensor(gamma), beta, epsilon)


def turn(x, cosine, sine):
    if not _in_training.get():
        return base.turn(x, cosine, sine)
    return xla.turn(tensor(x), cosine, sine)


def score_vocabulary(x, table, bias, ids, uniform):
    if not _in_training.get():
        return base.score_vocabulary(x, table, bias, ids, uniform)
    return xla.score_vocabulary(*map(tensor, (x, table, bias, ids, uniform)))


def lookup(table, ids):
    # TensorFlow's own gradient is IndexedSlices, which hold an id that occurs
    # twice as two rows: the global norm and Adam's second moment are then
    # wrong.
    @tf.custom_gradient
    def gather(table, ids):
        rows = tf.shape(table)[0]

        def gradient(upstream):
            flat = tf.reshape(upstream, (-1, table.shape[-1]))
            dense = tf.math.unsorted_segment_sum(
                flat, tf.reshape(ids, (-1,)), rows
            )
            return dense, None

        return tf.gather(table, ids), gradient

    return gather(tensor(table), tensor(ids))


def clip_by_global_norm(gradients, limit):
    # By a kernel that squares and adds in one pass.
    return tf.clip_by_global_norm(gradients, limit)[0]


def traced(function):
    return tf.function(function, autograph=False)


def shares_traces():
    # In the training step only, so that a SavedModel is made of plain
    # operations.
    return _in_training.get() and not tf.executing_eagerly()


def recomputed(function):
    def call(values, *tensors):
        count = len(tensors)

        @tf.custom_gradient
        def run(*inputs):
            y, states = function(list(inputs[count:]), *inputs[:count])

            def gradient(upstream, *_):
                after = [_after(upstream, t) for t in inputs]
                floats = [t for t in after if t.dtype.is_floating]
                with tf.GradientTape() as tape:
                    tape.watch(floats)
                    again, _ = function(after[count:], *after[:count])
                found = iter(tape.gradient(again, floats, upstream))
                return [
                    next(found) if t.dtype.is_floating else None for t in after
                ]

            return (y, *states), gradient

        y, *states = run(*tensors, *values)
        return y, states

    return call


def _after(upstream, tensor):
    """`tensor`, by a zero that is known only when `upstream` is.

    Without, the second computation would be merged with the first, or moved
    before the gradient; XLA does not look at control dependencies
    (`tf.recompute_grad` does the same).
    """
    first = tf.reshape(upstream, (-1,))[:1]
    zero = tf.where(
        tf.equal(first, first), 0.0, 0.0 * tf.cast(first, tf.float32)
    )
    return tensor + tf.cast(zero[0], tensor.dtype)
