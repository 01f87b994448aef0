"""Draws the generator's replacements."""

import keras
from keras import ops

# The reference's guard against log(0) (pretrain/pretrain_helpers.py).
TINY = 1e-9


def sample_replacements(logits, seed, disallowed_ids=None):
    """Draw one token a position from softmax(logits).

    Gumbel's trick, argmax(logits - log(-log u)), in float32: half precision
    draws from another distribution. No gradient flows through
    the draw. Source: google-research/electra, pretrain/pretrain_helpers.py,
    `sample_from_softmax`.

    Args:
        logits: float32 (batch, count, vocabulary).
        seed: `keras.random.SeedGenerator` or int.
        disallowed_ids: int32 (batch, count) or `None`. With ids, these are
            not drawn: 1000 is taken off their logits, as in the reference.

    Returns:
        int32 (batch, count).
    """
    logits = ops.stop_gradient(ops.cast(logits, "float32"))
    if disallowed_ids is not None:
        logits = logits - 1000.0 * ops.one_hot(
            disallowed_ids, logits.shape[-1], dtype="float32"
        )
    noise = keras.random.uniform(ops.shape(logits), dtype="float32", seed=seed)
    noise = -ops.log(-ops.log(noise + TINY) + TINY)
    return ops.cast(ops.argmax(logits + noise, axis=-1), "int32")


def replace_tokens(token_ids, positions, ids, weights):
    """Write `ids` into `token_ids` at `positions` where `weights` is not 0.

    Args:
        token_ids: int32 (batch, length).
        positions: int32 (batch, count).
        ids: int32 (batch, count).
        weights: float32 (batch, count); a slot of weight 0 is ignored. Where
            two slots name one position the last one is written.

    Returns:
        int32 (batch, length).
    """
    length = ops.shape(token_ids)[1]
    count = positions.shape[1]
    # A slot number a token: 0 for none, so that one comparison serves all.
    hit = (
        ops.equal(
            ops.arange(length, dtype="int32")[None, :, None],
            ops.cast(positions, "int32")[:, None, :],
        )
        & (weights > 0)[:, None, :]
    )
    order = ops.arange(1, count + 1, dtype="int32")
    slot = ops.max(ops.where(hit, order, 0), axis=-1)
    chosen = ops.take_along_axis(
        ops.cast(ids, "int32"), ops.maximum(slot - 1, 0), axis=1
    )
    return ops.where(slot > 0, chosen, ops.cast(token_ids, "int32"))
