"""Samples the generator's replacements."""

import math

import keras
from keras import ops

from keras_rtd.kernels import vocabulary_axis


def sample_replacements(logits, seed, disallowed_ids=None):
    """Sample one token a position from softmax(logits).

    In float32: half precision samples from another distribution. No gradient
    flows through the sample. The distribution is that of the reference's
    Gumbel noise (google-research/electra, pretrain/pretrain_helpers.py,
    `sample_from_softmax`), which would need a random number for every logit.

    Args:
        logits: float32 (batch, count, vocabulary).
        seed: `keras.random.SeedGenerator` or int.
        disallowed_ids: int32 (batch, count) or `None`. With ids, these are
            not sampled: 1000 is taken off their logits, as in the reference.

    Returns:
        int32 (batch, count).
    """
    logits = ops.stop_gradient(ops.cast(logits, "float32"))
    if disallowed_ids is not None:
        logits = logits - 1000.0 * ops.one_hot(
            disallowed_ids, logits.shape[-1], dtype="float32"
        )
    shape = ops.shape(logits)
    rows = ops.reshape(logits, (-1, shape[-1]))
    return ops.reshape(vocabulary_axis.sample(rows, seed), shape[:-1])


def sample_unigram(cumulative, shape, seed):
    """Sample tokens from fixed word frequencies.

    Args:
        cumulative: float32 (vocabulary,), cumulative probabilities; the last
            is above every uniform number.
        shape: shape of the samples.
        seed: `keras.random.SeedGenerator` or int.

    Returns:
        int32 tensor of `shape`.
    """
    count = math.prod(shape)
    uniform = keras.random.uniform((count,), dtype="float32", seed=seed)
    # The first whose cumulative probability is above the number: one of
    # probability 0 never is.
    ids = ops.searchsorted(cumulative, uniform, side="right")
    return ops.reshape(ops.cast(ids, "int32"), shape)


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
    slot = hit_slots(positions, weights, ops.shape(token_ids)[1])
    chosen = ops.take_along_axis(
        ops.cast(ids, "int32"), ops.maximum(slot - 1, 0), axis=1
    )
    return ops.where(slot > 0, chosen, ops.cast(token_ids, "int32"))


def hit_slots(positions, weights, length):
    """Which slot stands at each position.

    Args:
        positions: int32 (batch, count).
        weights: float32 (batch, count); a slot of weight 0 stands nowhere.
        length: int.

    Returns:
        int32 (batch, length): the last slot that names a position, counted
        from 1, or 0.
    """
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
    return ops.max(ops.where(hit, order, 0), axis=-1)
