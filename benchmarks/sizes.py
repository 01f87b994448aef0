"""The models of the bench, and the batches that all implementations share."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Encoder:
    """What `keras_rtd.utils.flops` and the peers read of an encoder."""

    vocabulary_size: int
    num_layers: int
    embedding_dim: int
    hidden_dim: int
    intermediate_dim: int
    num_heads: int
    max_sequence_length: int = 512
    num_segments: int = 2

    def flops_per_token(self, sequence_length):
        """FLOPs of a token's forward pass."""
        # Here, because a peer's worker must not pay for our imports.
        from keras_rtd.models.electra.backbone import ElectraFacts

        facts = ElectraFacts.of(dataclasses.asdict(self))
        return facts.flops_per_token(sequence_length)


@dataclasses.dataclass(frozen=True)
class Size:
    """An ELECTRA as the presets have it."""

    backbone: Encoder
    generator: Encoder

    @property
    def objective(self):
        from keras_rtd import objectives

        return objectives.get("electra")


def _size(vocabulary_size, num_layers, embedding_dim, backbone, generator):
    common = (vocabulary_size, num_layers, embedding_dim)
    return Size(Encoder(*common, *backbone), Encoder(*common, *generator))


SIZES = {
    "tiny": _size(8192, 4, 128, (128, 512, 2), (64, 256, 1)),
    "small": _size(30522, 12, 128, (256, 1024, 4), (64, 256, 1)),
    "base": _size(30522, 12, 768, (768, 3072, 12), (256, 1024, 4)),
    "large": _size(30522, 24, 1024, (1024, 4096, 16), (256, 1024, 4)),
}
MASK_RATE = 0.15
MASK_ID = 4


def batches(size, batch_size, sequence_length, count=8):
    """Random full rows with exactly 15% of the positions masked.

    Returns:
        list of dicts of NumPy arrays, as `ElectraPretrainer` takes them.
    """
    rng = np.random.default_rng(0)
    vocabulary = size.backbone.vocabulary_size
    shape = (batch_size, sequence_length)
    slots = int(MASK_RATE * sequence_length)
    result = []
    for _ in range(count):
        ids = rng.integers(5, vocabulary, shape).astype("int32")
        order = np.argsort(rng.random(shape), axis=1)
        positions = np.sort(order[:, :slots], axis=1).astype("int32")
        masked = ids.copy()
        np.put_along_axis(masked, positions, MASK_ID, axis=1)
        result.append(
            {
                "token_ids": ids,
                "segment_ids": np.zeros_like(ids),
                "padding_mask": np.ones_like(ids),
                "mask_positions": positions,
                "mask_ids": np.take_along_axis(ids, positions, axis=1),
                "mask_weights": np.ones(positions.shape, "float32"),
                "masked_token_ids": masked,
            }
        )
    return result
