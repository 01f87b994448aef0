"""What a batch of pre-training data must hold."""

import keras

REQUIRED = (
    "token_ids",
    "segment_ids",
    "padding_mask",
    "mask_positions",
    "mask_ids",
    "mask_weights",
    "masked_token_ids",
)
OPTIONAL = ("sampled_ids", "corrupted_token_ids", "document_ids")


def unpack(data):
    """The batch dict out of what `fit` hands to a step.

    Raises:
        ValueError: labels beside it, not a dict, or keys missing or unknown.
    """
    batch, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
    if labels is not None or weights is not None:
        raise ValueError(
            "Pre-training takes batches without labels and sample weights: "
            "a dict as `keras_rtd.data.pretraining_dataset` makes it."
        )
    return {
        name: keras.ops.convert_to_tensor(value)
        for name, value in check_batch(batch).items()
    }


def check_batch(batch):
    """`batch` itself, if it is a dict with the keys of a batch."""
    if not isinstance(batch, dict):
        raise ValueError(
            "A pre-training batch is a dict with the keys "
            f"{', '.join(REQUIRED)}. Received: {type(batch).__name__}"
        )
    missing = [name for name in REQUIRED if name not in batch]
    unknown = [k for k in batch if k not in REQUIRED + OPTIONAL]
    if missing or unknown:
        raise ValueError(
            "A pre-training batch as `keras_rtd.data.pretraining_dataset` "
            f"makes it has the keys {', '.join(REQUIRED)}. "
            f"Missing: {missing}. Unknown: {unknown}."
        )
    return batch
