"""Floating-point operations, and the rate a machine reaches."""

import time

import numpy as np

from keras_rtd.utils.hardware import has_accelerator


def training_flops(
    pretrainer, sequence_length, num_predictions, given_draws=False
):
    """FLOPs of one token of a training step, backward = 2 x forward.

    Only what the objective computes: no generator, no head that it has not,
    and of a frozen generator its forward pass.

    Args:
        pretrainer: `ElectraPretrainer`, or what has its `backbone`,
            `generator` and `objective`.
        sequence_length: int.
        num_predictions: int. Masked positions a window.
        given_draws: bool. Whether batches have `sampled_ids`, for which a
            frozen generator does not run. Defaults to `False`.

    Returns:
        float.
    """
    encoder, generator = pretrainer.backbone, pretrainer.generator
    objective = pretrainer.objective
    masked = num_predictions / sequence_length
    forward, drawing = encoder.flops_per_token(sequence_length), 0.0
    if objective.generator == "masked_lm":
        corruption = generator.flops_per_token(sequence_length)
        corruption += masked * _head_flops(generator, generator.hidden_dim)
        if not objective.frozen_generator:
            forward += corruption
        elif not given_draws:
            drawing += corruption
    elif objective.generator == "two_tower":
        forward += 2 * generator.flops_per_token(sequence_length)
        forward += _head_flops(encoder, 2 * generator.hidden_dim)
    if objective.has_detector:
        forward += 2 * encoder.hidden_dim * (encoder.hidden_dim + 1)
    if objective.encoder_predicts:
        positions = masked if objective.encoder_predicts == "masked" else 1.0
        forward += positions * _head_flops(encoder, encoder.hidden_dim)
    return 3.0 * forward + drawing


def _head_flops(encoder, width):
    """Of one token's prediction from vectors of this width."""
    return 2 * encoder.embedding_dim * (width + encoder.vocabulary_size)


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
