"""FLOPs of what objectives put together, multiply-adds counted as two."""


def masked_lm_head_flops(encoder, width):
    """One token's prediction from a vector of this width, by a
    `MaskedLMHead` on the encoder's embeddings."""
    return 2 * encoder.embedding_dim * (width + encoder.vocabulary_size)


def detection_head_flops(encoder):
    """One token's `DetectionHead`."""
    return 2 * encoder.hidden_dim * (encoder.hidden_dim + 1)
