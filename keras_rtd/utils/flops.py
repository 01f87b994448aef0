"""The rate of floating-point operations that a machine reaches."""

import time

import numpy as np

from keras_rtd.utils.hardware import has_accelerator


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
