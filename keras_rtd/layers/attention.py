"""Which tokens attend to which: the bias of attention scores."""

from keras import ops

# The reference's: exp of it is 0, and it is a number in float16 too, so that a
# row of nothing but padding gives no NaN.
MASKED = -1e4

# From which positions a token gathers: all, those up to its own, those from
# its own on.
DIRECTIONS = ("bidirectional", "left_to_right", "right_to_left")


def attention_bias(
    padding_mask, direction="bidirectional", document_ids=None, reach=None
):
    """Additive attention bias of a padding mask.

    Args:
        padding_mask: bool or int (batch, length), true for real tokens.
        direction: one of `DIRECTIONS`. Defaults to `"bidirectional"`.
        document_ids: int (batch, length) or `None`. Tokens see those of the
            same number. Defaults to `None`.
        reach: int or `None`. Tokens see no further than this on either side.
            Defaults to `None`.

    Returns:
        float32 (batch, 1, 1, length), or (batch, 1, length, length) where
        tokens see different things: 0 for what is seen and a large negative
        number for what is not.
    """
    mask = ops.cast(padding_mask, "float32")[:, None, None, :]
    if direction != "bidirectional" or reach is not None:
        place = ops.arange(ops.shape(padding_mask)[1], dtype="int32")
        distance = place[None, :] - place[:, None]
        mask = mask * in_sight(distance, direction, reach)
    if document_ids is not None:
        mask = mask * ops.cast(same_document(document_ids), "float32")
    return (1.0 - mask) * MASKED


def in_sight(distance, direction, reach=None):
    """Which keys a query sees by where they stand.

    Args:
        distance: int32, the key's place less the query's.
        direction, reach: see `attention_bias`.

    Returns:
        float32 of the same shape, 1 or 0.
    """
    seen = {
        "bidirectional": ops.ones_like(distance, dtype="bool"),
        "left_to_right": distance <= 0,
        "right_to_left": distance >= 0,
    }[direction]
    if reach is not None:
        seen = ops.logical_and(seen, ops.abs(distance) <= reach)
    return ops.cast(seen, "float32")


def same_document(document_ids):
    """Which tokens are of one document: bool (batch, 1, length, length)."""
    ids = ops.cast(document_ids, "int32")[:, None]
    return ids[..., :, None] == ids[..., None, :]
