"""The machine's matrix product rate, by PyTorch, in a process of its own."""

import json
import time

import torch

SECONDS = 1.0
# A small model's feed-forward layer, and what a GPU is rated by.
SHAPES = {"cpu": (4096, 256, 1024), "cuda": (8192, 8192, 8192)}


def rate(dtype):
    """FLOP/s, the best repeat of one second."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    m, k, n = SHAPES[device]
    left = torch.randn(m, k, dtype=dtype, device=device)
    right = torch.randn(k, n, dtype=dtype, device=device)
    best, end = 0.0, time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(4):
            torch.matmul(left, right)
        if device == "cuda":
            torch.cuda.synchronize()
        best = max(best, 8.0 * m * k * n / (time.perf_counter() - start))
    return best


if __name__ == "__main__":
    print(
        json.dumps(
            {
                "float32": rate(torch.float32),
                "bfloat16": rate(torch.bfloat16),
            }
        )
    )
