"""Random numbers and shuffles that are functions of a key and a counter.

Nothing is kept between calls: number i of a stream, and place i of a shuffled
list, are computed on their own. That is what lets a run start at any step at
once, and lets workers agree without talking to each other.

Source: Steele et al. 2014, "Fast splittable pseudorandom number generators"
(SplitMix64); Luby and Rackoff 1988 for the permutation.
"""

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_ROUNDS = 6


def stream_key(*parts):
    """Returns the key of a stream.

    Args:
        *parts: non-negative ints or int arrays of one shape, e.g. a seed,
            the number of a purpose, an epoch.

    Returns:
        uint64 array of the parts' common shape, at least 1-D.
    """
    key = np.zeros(1, np.uint64)
    for part in parts:
        key = _mix(key + _as_uint64(part) * _GOLDEN + _GOLDEN)
    return key


def uniform(key, rows, columns):
    """Returns uniform numbers, the same for a row in whatever company.

    Args:
        key: uint64 array of shape (1,), from `stream_key`.
        rows: (R,) ints, numbers of the rows.
        columns: int, numbers per row.

    Returns:
        (R, columns) float32 in [0, 1).
    """
    pairs = (columns + 1) // 2
    row_keys = _mix(key + _as_uint64(rows) * _GOLDEN)[:, None]
    counters = np.arange(1, pairs + 1, dtype=np.uint64) * _GOLDEN
    bits = _mix(row_keys + counters)
    halves = np.concatenate(
        [bits >> np.uint64(40), bits & np.uint64(0xFFFFFF)], axis=1
    )
    return halves[:, :columns].astype(np.float32) * np.float32(2.0**-24)


def permute(index, size, key):
    """Returns where places of a list of `size` go when it is shuffled.

    A Feistel network over the next power of four; results outside the list
    are sent through it again until they fall inside.

    Args:
        index: (R,) ints in [0, size).
        size: int, length of the list.
        key: uint64 array of shape (1,) or (R,), one key per shuffle.

    Returns:
        (R,) int64 in [0, size); for one key a bijection.
    """
    half = np.uint64(max(1, (int(size - 1).bit_length() + 1) // 2))
    mask = (np.uint64(1) << half) - np.uint64(1)
    value = _as_uint64(index).copy()
    key = np.broadcast_to(key, value.shape)
    todo = np.arange(len(value))
    while len(todo):
        left, right = value[todo] >> half, value[todo] & mask
        round_key = key[todo]
        for _ in range(_ROUNDS):
            round_key = round_key + _GOLDEN
            left, right = (
                right,
                left ^ (_mix(round_key ^ (right * _GOLDEN)) & mask),
            )
        value[todo] = (left << half) | right
        todo = todo[value[todo] >= np.uint64(size)]
    return value.astype(np.int64)


def _mix(x):
    """SplitMix64's finaliser."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _as_uint64(value):
    return np.atleast_1d(np.asarray(value)).astype(np.uint64)
