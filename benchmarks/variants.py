"""What an option of the training step costs or saves, in one run.

    python benchmarks/variants.py --backends torch --model tiny \\
        --variants frozen_generator replacements muon

The plain step and the variants of `steps/keras_rtd_step.py` take turns, as in
bench.py, which is for the peers; printed are the medians, and how many times
the plain step's speed each has.
"""

import argparse
import statistics

from bench import ROUNDS
from bench import Worker
from case import Case


def measure(cases):
    """Seconds of a step of each case, medians, measured in turns."""
    workers = []
    try:
        for case in cases:
            workers.append(Worker(case))
        for _ in range(ROUNDS):
            for worker in workers:
                worker.measure()
    finally:
        for worker in workers:
            worker.close()
    return [statistics.median(w.times) for w in workers], workers


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--backends", nargs="+", default=["torch"])
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--sequence_length", type=int, default=128)
    parser.add_argument("--variants", nargs="+", required=True)
    options = parser.parse_args()
    for backend in options.backends:
        cases = [
            Case(
                "keras_rtd",
                backend,
                options.model,
                options.dtype,
                options.batch_size,
                options.sequence_length,
                variant,
            )
            for variant in ("", *options.variants)
        ]
        seconds, workers = measure(cases)
        for case, value, worker in zip(cases, seconds, workers):
            print(
                f"{backend:>10} {case.variant or 'plain':<20}"
                f"{case.tokens / value:>10,.0f} tokens/s"
                f"{seconds[0] / value:>7.2f} x"
                f"{worker.peak_memory / 2**30:>7.2f} GiB",
                flush=True,
            )


if __name__ == "__main__":
    main()
