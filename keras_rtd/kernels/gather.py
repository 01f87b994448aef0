"""Rows of each entry of a batch."""

import keras
from keras import ops


def gather_positions(x, positions):
    """Rows of `x` at `positions`.

    Args:
        x: (batch, length, ...).
        positions: int32 (batch, count).

    Returns:
        (batch, count, ...).
    """
    if keras.config.backend() == "jax":
        # One program for all devices: in a flattened batch, they would
        # exchange rows.
        places = positions[(..., *[None] * (len(x.shape) - 2))]
        return ops.take_along_axis(x, places, axis=1)
    shape = ops.shape(x)
    flat = ops.reshape(x, (-1, *x.shape[2:]))
    starts = ops.arange(shape[0], dtype="int32")[:, None] * shape[1]
    return ops.take(flat, ops.cast(positions, "int32") + starts, axis=0)
