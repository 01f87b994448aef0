"""The few shapes that batches are padded to, so that little is compiled."""

SHORTEST = 32


def lengths(longest):
    """Lengths of rows: 32, 64, 128 … and the longest.

    Args:
        longest: int.

    Returns:
        list of int, ascending.
    """
    return [*_powers(SHORTEST, 2, longest), longest]


def batch_sizes(largest):
    """Numbers of rows: 1, 4, 16 … and the largest.

    Args:
        largest: int.

    Returns:
        list of int, ascending.
    """
    return [*_powers(1, 4, largest), largest]


def bucket(value, sizes):
    """The smallest of ascending `sizes` that is at least `value`."""
    return next(size for size in sizes if size >= value)


def _powers(first, factor, limit):
    while first < limit:
        yield first
        first *= factor
