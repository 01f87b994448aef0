"""Relative positions: which row of the table a distance has, and the shift
from scores by distance to scores by key."""

import functools

import numpy as np
from keras import ops

from keras_rtd import kernels


def table_rows(bucket_size, max_relative_positions):
    """Rows of the table of relative positions."""
    return 2 * (bucket_size or max_relative_positions)


@functools.cache
def row_of_distance(bucket_size, max_relative_positions):
    """The table's row of each distance `query - key`.

    With buckets, distances up to half their number have a row each, longer
    ones share rows, ever more of them; those of `max_relative_positions` and
    more are clipped to one less, as in microsoft/DeBERTa
    (DeBERTa/deberta/disentangled_attention.py, `make_log_bucket_position`).
    Computed here in whole steps: float32 rounds the longest distance up to a
    row that does not exist for some sizes, such as 4 buckets of 8.

    Args:
        bucket_size: int, or `None` for a row for each distance.
        max_relative_positions: int, M.

    Returns:
        int32 (2 * M + 1,), for the distances from -M to M; never falling.
    """
    most = max_relative_positions
    distance = np.arange(-most, most + 1)
    if bucket_size is None:
        return np.clip(distance + most, 0, 2 * most - 1).astype(np.int32)
    distance = np.clip(distance, 1 - most, most - 1)
    middle = bucket_size // 2
    size = np.abs(distance)
    # Fewer distances than buckets leave nothing to share.
    longest = np.log(max(most - 1, middle + 1) / middle)
    steps = np.log(np.maximum(size, middle) / middle) / longest * (middle - 1)
    # What is a whole number but for rounding is one.
    far = middle + np.ceil(steps - 1e-9).astype(np.int64)
    bucket = np.where(size <= middle, distance, np.sign(distance) * far)
    return (bucket + bucket_size).astype(np.int32)


def used_rows(length, bucket_size, max_relative_positions):
    """The rows that pairs of a row of text need.

    Args:
        length: int, or a tensor where a graph does not know it.
        bucket_size, max_relative_positions: see `row_of_distance`.

    Returns:
        (first, end, numbers): the slice of the table, and int32 (2 * length -
        1,), the number within the slice for each distance from `1 - length`
        to `length - 1`.
    """
    rows = row_of_distance(bucket_size, max_relative_positions)
    most = max_relative_positions
    if isinstance(length, int):
        distance = np.clip(np.arange(1 - length, length), -most, most)
        numbers = rows[distance + most]
        first = int(numbers[0])
        return first, int(numbers[-1]) + 1, numbers - first
    distance = ops.arange(1 - length, length, dtype="int32")
    place = ops.clip(distance, -most, most) + most
    numbers = ops.take(ops.convert_to_tensor(rows), place, axis=0)
    return 0, table_rows(bucket_size, most), numbers


def of_distances(vectors, numbers, falling=False):
    """Vectors of the rows as vectors of the distances.

    Args:
        vectors: (rows, width).
        numbers: int32 (2 * length - 1,), of `used_rows`.
        falling: bool. From the longest distance to the shortest, `1 -
            length`. Defaults to `False`.

    Returns:
        (2 * length - 1, width).
    """
    numbers = ops.convert_to_tensor(numbers, dtype="int32")
    if falling:
        numbers = ops.flip(numbers, axis=0)
    return kernels.lookup(vectors, numbers)


def shifted(scores):
    """Scores by distance as scores by place.

    A column a distance becomes a column a place by padding and reshaping,
    which move whole rows: no index, which TPUs would be slow at.

    Args:
        scores: (batch, heads, length, 2 * length - 1). Column c of row i is
            of the place `i + c - (length - 1)`.

    Returns:
        (batch, heads, length, length). Column j of row i is of place j.
    """
    heads, length = scores.shape[1], ops.shape(scores)[2]
    width = 2 * length - 1
    x = ops.pad(scores, ((0, 0), (0, 0), (0, 0), (0, 1)))
    x = ops.reshape(x, (-1, heads, 2 * length * length))
    x = x[:, :, length - 1 : 2 * length * length - 1]
    x = ops.reshape(x, (-1, heads, length, width))
    return x[:, :, :, :length]
