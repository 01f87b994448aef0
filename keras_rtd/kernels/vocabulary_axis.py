"""The generator's logits, in one pass and two steps, in plain `keras.ops`.

A step has thousands of rows of tens of thousands of logits. One pass over them
for the maxima and sums of blocks, and the rest is done on the few blocks
chosen: an argmax over whole rows, or noise for every logit, would take several
times as long as the generator itself.
"""

import keras
from keras import ops

from keras_rtd.kernels.gather import gather_positions

# Tokens of a block; token tables have a multiple of it as rows.
BLOCK = 64
# Logit of what cannot be: exp of it is 0.
IMPOSSIBLE = -1e9
# The largest float32 below 1: a sample must stay below the total.
BELOW_ONE = 1.0 - 2.0**-24


def score_logits(logits, ids, uniform):
    """As `base.score_vocabulary`, from float32 (rows, vocabulary) logits.

    Returns:
        (nll, sampled, best, total): with the logarithm of the sum of exp.
    """
    blocks, top, peak, mass = _statistics(logits)
    total = peak + ops.log(ops.sum(mass, axis=-1))
    chosen = ops.take_along_axis(logits, ids[:, None], axis=-1)[:, 0]
    best = ops.argmax(top, axis=-1)
    inside = ops.argmax(_rows(blocks, best), axis=-1)
    sampled = _sample(blocks, peak, mass, uniform)
    return total - chosen, sampled, _as_index(best, inside), total


def sample(logits, seed):
    """One sample a row from softmax(logits), see `sample_at`.

    Args:
        logits: float32 (rows, vocabulary).
        seed: `keras.random.SeedGenerator` or int.
    """
    return sample_at(logits, uniform_pairs(ops.shape(logits)[0], seed))


def sample_at(logits, uniform):
    """One sample a row from softmax(logits), from given random numbers.

    A block is sampled by its probability, then a token within it: each is the
    first at which the cumulative sum passes a uniform number. What has
    probability 0 is never sampled.

    Args:
        logits: float32 (rows, vocabulary).
        uniform: float32 (rows, 2), numbers from 0 up to 1.

    Returns:
        int32 (rows,).
    """
    blocks, _, peak, mass = _statistics(logits)
    return _sample(blocks, peak, mass, uniform)


def uniform_pairs(rows, seed):
    """Two numbers a sample: one has too few bits for block and token."""
    return keras.random.uniform((rows, 2), dtype="float32", seed=seed)


def _statistics(logits):
    """(blocks, their maxima, the row's maximum, sums of exp(x - maximum))."""
    blocks = _in_blocks(logits)
    top = ops.max(blocks, axis=-1)
    peak = ops.stop_gradient(ops.max(top, axis=-1))
    mass = ops.sum(ops.exp(blocks - peak[:, None, None]), axis=-1)
    return blocks, top, peak, mass


def _sample(blocks, peak, mass, uniform):
    chosen = first_above(mass, uniform[:, 0])
    inside = ops.exp(_rows(blocks, chosen) - peak[:, None])
    return _as_index(chosen, first_above(inside, uniform[:, 1]))


def first_above(mass, uniform):
    """First index at which the cumulative mass passes uniform * total."""
    total = ops.cumsum(ops.stop_gradient(mass), axis=-1)
    # Rounded up to the total itself, it would be passed nowhere.
    threshold = ops.minimum(
        total[..., -1:] * uniform[..., None], total[..., -1:] * BELOW_ONE
    )
    return ops.sum(ops.cast(total <= threshold, "int32"), axis=-1)


def _in_blocks(logits):
    """(rows, vocabulary) -> (rows, blocks, 64)."""
    extra = -logits.shape[-1] % BLOCK
    if extra:
        width = ((0, 0), (0, extra))
        logits = ops.pad(logits, width, constant_values=IMPOSSIBLE)
    return ops.reshape(logits, (ops.shape(logits)[0], -1, BLOCK))


def _rows(blocks, chosen):
    """The chosen block of every row: (rows, 64)."""
    blocks = ops.stop_gradient(blocks)
    return gather_positions(blocks, chosen[:, None])[:, 0]


def _as_index(block, inside):
    return ops.cast(block, "int32") * BLOCK + ops.cast(inside, "int32")
