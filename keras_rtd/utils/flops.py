"""Floating-point operations, and the rate a machine reaches."""

import time

import numpy as np

from keras_rtd.layers import blocks
from keras_rtd.layers import local_attention
from keras_rtd.utils.hardware import has_accelerator


def encoder_flops(backbone, sequence_length):
    """Multiply-adds, counted as two, of one token's forward pass.

    Matrix products only: lookups, norms and softmax are free.

    Args:
        backbone: `ElectraBackbone`.
        sequence_length: int.

    Returns:
        float.
    """
    width, inner = backbone.hidden_dim, backbone.intermediate_dim
    kernels = 3 if backbone.block == "modern" else 2
    layer = 8 * width * width + 2 * kernels * width * inner
    seen = 0
    for index in range(backbone.num_layers):
        seen += _keys_of_a_query(backbone, index, sequence_length)
    projection = 0
    if backbone.embedding_dim != width:
        projection = 2 * backbone.embedding_dim * width
    return float(backbone.num_layers * layer + 4 * width * seen + projection)


def _keys_of_a_query(backbone, index, sequence_length):
    """Positions whose scores are computed: of a local layer, three chunks."""
    window = backbone.local_attention_window
    if window is None or blocks.is_global(index):
        return sequence_length
    if not local_attention.is_chunked(sequence_length, window):
        return sequence_length
    return 3 * (window // 2)


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
        ValueError: modern layers, which the paper does not count.
    """
    discriminator, generator = pretrainer.backbone, pretrainer.generator
    if discriminator.block != "classic":
        raise ValueError(
            "The paper counts classic layers only: use the objective's "
            f"`flops_per_token`. Received: block={discriminator.block!r}"
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


def matmul_rate(dtype="float32", seconds=0.3):
    """FLOP/s of this machine's matrix product, on the backend in use.

    Measures (4096, 256) x (256, 1024), the shape of a small model's layers, on
    a CPU, and squares of 8,192 on what is too fast for that.

    Args:
        dtype: string. Defaults to `"float32"`.
        seconds: float. How long to measure. Defaults to 0.3.

    Returns:
        float, the best of the repeats.
    """
    from keras import ops

    rng = np.random.default_rng(0)
    m, k, n = (8192, 8192, 8192) if has_accelerator() else (4096, 256, 1024)

    def matrix(*shape):
        values = rng.random(shape, dtype=np.float32)
        return ops.cast(ops.convert_to_tensor(values), dtype)

    left, right = matrix(m, k), matrix(k, n)
    flops = 2.0 * m * k * n
    best, end = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < end or best == 0.0:
        start = time.perf_counter()
        for _ in range(4):
            product = ops.matmul(left, right)
        # Reading one number waits for all of them.
        float(ops.cast(product[0, 0], "float32"))
        best = max(best, 4 * flops / (time.perf_counter() - start))
    return best
