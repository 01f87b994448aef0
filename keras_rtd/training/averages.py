"""Exponential moving averages of the weights, beside the weights."""

import contextlib

import numpy as np
from keras import ops

from keras_rtd.keras_internals import averages_of
from keras_rtd.training.step_interface import sync_state


@contextlib.contextmanager
def averaged_weights(model):
    """A context in which a model has the averages of its weights.

    Nothing changes where its optimizer keeps none (`use_ema`), or has not
    made a step.

    Args:
        model: a compiled `keras.Model`. Not to be trained inside.
    """
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    updates = np.max(ops.convert_to_numpy(optimizer.iterations))
    if not optimizer.use_ema or not updates:
        yield
        return
    sync_state(model)
    pairs = averages_of(optimizer)
    _swap(pairs)
    try:
        yield
    finally:
        _swap(pairs)


def _swap(pairs):
    # By a copy: Keras's callback adds and subtracts on TensorFlow, which
    # leaves the weights rounded.
    for weight, average in pairs:
        trained = ops.copy(ops.stop_gradient(weight))
        weight.assign(average)
        average.assign(trained)
