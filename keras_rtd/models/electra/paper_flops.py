"""FLOPs as ELECTRA's paper counts them."""

# FLOPs of one number of elementwise work, in the paper's count.
DROPOUT, LAYER_NORM, ACTIVATION, SOFTMAX = 4, 5, 8, 5


def paper_training_flops(pretrainer, sequence_length, output_fraction=0.15625):
    """FLOPs of one token of an ELECTRA step, as the paper counts.

    Backward = 1 x forward, lookups of embeddings are counted as products with
    the whole table, and elementwise work is in it. Only for comparisons with
    the paper's figures (Table 1: Small 1.4e18 in 1M steps of 128 x 128).
    Source: google-research/electra, flops_computation.py.

    Args:
        pretrainer: `ElectraPretrainer`.
        sequence_length: int.
        output_fraction: float. Share of the tokens that the generator
            predicts. Defaults to 0.15625 (20 of 128, 80 of 512).

    Returns:
        float.

    Raises:
        ValueError: layers that the paper does not count.
    """
    discriminator, generator = pretrainer.backbone, pretrainer.generator
    if not discriminator.in_papers_count:
        raise ValueError(
            "The paper counts BERT's layers only: use `training_flops`."
        )
    width, embedding = discriminator.hidden_dim, discriminator.embedding_dim
    vocabulary = discriminator.vocabulary_size
    detection = 2 * width * width + width + ACTIVATION * width + 2 * width
    head = (
        2 * embedding * vocabulary
        + 2 * generator.hidden_dim * embedding
        + (1 + ACTIVATION + LAYER_NORM) * embedding
        + (SOFTMAX + 2) * vocabulary
    )
    return 2.0 * (
        _paper_encoder_flops(discriminator, sequence_length)
        + _paper_encoder_flops(generator, sequence_length)
        + detection
        + output_fraction * head
    )


def _paper_encoder_flops(backbone, length):
    width, inner = backbone.hidden_dim, backbone.intermediate_dim
    embedding, heads = backbone.embedding_dim, backbone.num_heads
    layer = (
        8 * width * width
        + 4 * length * width
        + (SOFTMAX + DROPOUT + 1) * length * heads
        # Biases, dropouts, residuals; one norm is counted as 5 in all.
        + 3 * width
        + (2 + DROPOUT) * width
        + LAYER_NORM
        + 4 * width * inner
        + (ACTIVATION + 1) * inner
        + (2 + DROPOUT + LAYER_NORM) * width
    )
    lookup = 2 * embedding * backbone.vocabulary_size
    lookup += 2 * embedding * (length + 2) + 2 * embedding
    lookup += (LAYER_NORM + DROPOUT) * embedding
    if embedding != width:
        lookup += 2 * width * embedding + width
    return backbone.num_layers * layer + lookup
