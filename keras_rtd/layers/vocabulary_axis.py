"""Argmax and draws along the vocabulary, in two steps.

A step has thousands of rows of tens of thousands of logits. One pass over them
for the maxima or sums of blocks, and the rest is done on the few blocks chosen:
an argmax over whole rows, or noise for every logit, would take several times as
long as the generator itself.
"""

import keras
from keras import ops

from keras_rtd.layers.embedding import ROW_MULTIPLE as BLOCK

# Logit of what cannot be: exp of it is 0.
IMPOSSIBLE = -1e9
# The largest float32 below 1: a draw must stay below the total.
BELOW_ONE = 1.0 - 2.0**-24


def argmax(logits):
    """Index of the largest value of the last axis; of equals, the first.

    Args:
        logits: float32 (batch, count, vocabulary).

    Returns:
        int32 (batch, count).
    """
    blocks = _in_blocks(logits, padding=IMPOSSIBLE)
    chosen = ops.argmax(ops.max(blocks, axis=-1), axis=-1)
    inside = ops.argmax(_rows(blocks, chosen), axis=-1)
    return _as_index(logits, chosen, inside)


def draw(logits, seed):
    """One draw a row from softmax(logits).

    A block is drawn by its probability, then a token within it: each is the
    first at which the cumulative sum passes a uniform number. What has
    probability 0 is never drawn.

    Args:
        logits: float32 (batch, count, vocabulary).
        seed: `keras.random.SeedGenerator` or int.

    Returns:
        int32 (batch, count).
    """
    mass = _in_blocks(ops.softmax(logits, axis=-1), padding=0.0)
    # Two numbers a row: one has too few bits for block and token.
    uniform = keras.random.uniform(
        (*ops.shape(logits)[:2], 2), dtype="float32", seed=seed
    )
    chosen = _first_above(ops.sum(mass, axis=-1), uniform[..., 0])
    inside = _first_above(_rows(mass, chosen), uniform[..., 1])
    return _as_index(logits, chosen, inside)


def _first_above(mass, uniform):
    """First index at which the cumulative mass passes uniform * total."""
    total = ops.cumsum(mass, axis=-1)
    # Rounded up to the total itself, it would be passed nowhere.
    threshold = ops.minimum(
        total[..., -1:] * uniform[..., None], total[..., -1:] * BELOW_ONE
    )
    return ops.sum(ops.cast(total <= threshold, "int32"), axis=-1)


def _in_blocks(x, padding):
    """(batch, count, vocabulary) -> (batch, count, blocks, 64)."""
    extra = -x.shape[-1] % BLOCK
    if extra:
        width = ((0, 0), (0, 0), (0, extra))
        x = ops.pad(x, width, constant_values=padding)
    batch, count = ops.shape(x)[:2]
    return ops.reshape(x, (batch, count, -1, BLOCK))


def _rows(blocks, chosen):
    """The chosen block of every row: (batch, count, 64)."""
    batch, count, number, _ = ops.shape(blocks)
    starts = ops.reshape(
        ops.arange(batch * count, dtype="int32") * number, (batch, count)
    )
    return ops.take(
        ops.reshape(blocks, (-1, BLOCK)),
        starts + ops.cast(chosen, "int32"),
        axis=0,
    )


def _as_index(logits, chosen, inside):
    index = ops.cast(chosen, "int32") * BLOCK + ops.cast(inside, "int32")
    return ops.minimum(index, logits.shape[-1] - 1)
