"""The text with its replacements in place."""

from keras import ops

from keras_rtd.layers.sampler import replace_tokens


def given_samples(batch):
    """The replacements that a batch brings: int32 (batch, count)."""
    if "sampled_ids" in batch:
        return batch["sampled_ids"]
    return ops.take_along_axis(
        ops.cast(batch["corrupted_token_ids"], "int32"),
        ops.cast(batch["mask_positions"], "int32"),
        axis=1,
    )


def corrupted_text(batch, sampled):
    """dict of `sampled_ids`, and of `corrupted_token_ids` and `is_replaced`,
    the text with these samples."""
    sampled = ops.cast(sampled, "int32")
    corrupted = replaced_text(batch, sampled)
    return {
        "sampled_ids": sampled,
        "corrupted_token_ids": corrupted,
        "is_replaced": ops.logical_and(
            ops.not_equal(corrupted, ops.cast(batch["token_ids"], "int32")),
            ops.cast(batch["padding_mask"], "bool"),
        ),
    }


def replaced_text(batch, sampled):
    """The batch's tokens with the samples at the masked positions.

    Args:
        batch: dict of tensors; `corrupted_token_ids` in it are the answer.
        sampled: int32 (batch, count).

    Returns:
        int32 (batch, length).
    """
    if "corrupted_token_ids" in batch:
        return ops.cast(batch["corrupted_token_ids"], "int32")
    return replace_tokens(
        ops.cast(batch["token_ids"], "int32"),
        batch["mask_positions"],
        sampled,
        batch["mask_weights"],
    )
