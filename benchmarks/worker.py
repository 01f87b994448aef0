"""One implementation in a process of its own.

Reads a line from standard input for each block of steps, so that several
workers can wait for each other and take turns on the same machine.
"""

import importlib
import json
import os
import pathlib
import resource
import sys
import time

from case import Case
from sizes import batches

# A block is at least so long, and at least so many steps.
BLOCK_SECONDS = 3.0
BLOCK_STEPS = 2


def main():
    started = float(sys.argv[2])
    case = Case(**json.loads(sys.argv[1]))
    # Libraries print to standard output; the answers have it for themselves.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(**values):
        print(json.dumps(values), file=answers, flush=True)

    data = batches(case.size, case.batch_size, case.sequence_length)
    module = importlib.import_module(f"steps.{case.implementation}_step")
    imports_memory = _peak_memory(case)
    step = module.make(case, data)
    step(0)
    answer(
        first_step_seconds=time.time() - started,
        imports_memory_bytes=imports_memory,
    )
    for i in range(1, 3):
        step(i)
    number = 3
    for _ in sys.stdin:
        times, end = [], time.perf_counter() + BLOCK_SECONDS
        while len(times) < BLOCK_STEPS or time.perf_counter() < end:
            start = time.perf_counter()
            step(number)
            times.append(time.perf_counter() - start)
            number += 1
        answer(times=times, peak_memory_bytes=_peak_memory(case))


def _peak_memory(case):
    """Of the GPU if there is one, of the process otherwise."""
    if case.backend == "torch":
        import torch

        if torch.cuda.is_available():
            return torch.cuda.max_memory_allocated()
    if case.backend == "jax":
        import jax

        statistics = jax.devices()[0].memory_stats()
        if statistics:
            return statistics["peak_bytes_in_use"]
    status = pathlib.Path("/proc/self/status")
    if not status.exists():
        # In bytes on macOS.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux's `ru_maxrss` starts with what the parent process had.
    (line,) = (line for line in status.open() if line.startswith("VmHWM:"))
    return 1024 * int(line.split()[1])


if __name__ == "__main__":
    main()
