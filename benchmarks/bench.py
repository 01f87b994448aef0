"""Speed of the whole training step, beside the peers, in one run.

    python benchmarks/bench.py            small at 128, under 15 minutes
    python benchmarks/bench.py --full     tiny and small, 128 and 512
    python benchmarks/bench.py --gpu      JAX and PyTorch on a GPU

Implementations that are compared run in turns: each waits in a process of its
own while another measures a block of steps, so that a slow minute of the
machine hits all of them. Writes benchmarks/results/<date>-<machine>.json.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

import pipeline
import table
from case import Case
from sizes import MASK_RATE

from keras_rtd.utils.targets import Kind
from keras_rtd.utils.targets import check_target
from keras_rtd.utils.targets import has_keys
from keras_rtd.utils.writing import write_json

HERE = pathlib.Path(__file__).parent
ROUNDS = 4
RESULTS = Kind(
    "results of a bench", lambda path: has_keys(path, "matmul", "rows")
)


class Worker:
    """A `worker.py` process."""

    def __init__(self, case):
        self.case = case
        self.times = []
        self.peak_memory = 0
        self.errors = tempfile.TemporaryFile("w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [
                sys.executable,
                str(HERE / "worker.py"),
                json.dumps(case.row()),
                str(time.time()),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # A pipe that nobody reads would fill and stop the worker.
            stderr=self.errors,
            text=True,
            env=case.environment(),
        )
        started = self._answer()
        self.first_step_seconds = started["first_step_seconds"]
        self.imports_memory = started["imports_memory_bytes"]

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            raise WorkerError(self.errors.read()[-2000:])
        return json.loads(line)

    def measure(self):
        """One block of steps."""
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        answer = self._answer()
        self.times += answer["times"]
        self.peak_memory = answer["peak_memory_bytes"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def row(self, matmul):
        case = self.case
        speed = case.tokens / statistics.median(self.times)
        slots = int(MASK_RATE * case.sequence_length)
        flops = case.size.objective.flops_per_token(
            case.size, case.sequence_length, slots
        )
        return {
            **case.row(),
            "tokens_per_second": speed,
            "first_step_seconds": self.first_step_seconds,
            "peak_memory_bytes": self.peak_memory,
            "imports_memory_bytes": self.imports_memory,
            "matmul_fraction": speed * flops / matmul[case.dtype],
        }


class WorkerError(RuntimeError):
    """A worker ended; the message is what it printed last."""


def matmul_rates():
    """{dtype: FLOP/s of this machine's matrix product}, by PyTorch."""
    program = (
        "import json; from keras_rtd.utils.flops import matmul_rate; "
        "print(json.dumps({d: matmul_rate(d, seconds=1.0) "
        "for d in ('float32', 'bfloat16')}))"
    )
    output = subprocess.check_output(
        [sys.executable, "-c", program],
        env={**os.environ, "KERAS_BACKEND": "torch"},
    )
    return json.loads(output.splitlines()[-1])


def measure_groups(lists, matmul):
    """Rows of lists of cases; those of one list are measured in turns.

    A case of the next list too keeps its process, so that it starts once.
    """
    running, rows = {}, []
    try:
        for i, cases in enumerate(lists):
            for case in cases:
                if case not in running:
                    running[case] = _start(case)
            workers = [running[c] for c in cases if running[c]]
            rows += _measure_in_turns(workers, matmul)
            following = lists[i + 1] if i + 1 < len(lists) else []
            for case in cases:
                if case not in following and running[case]:
                    running.pop(case).close()
    finally:
        for worker in filter(None, running.values()):
            worker.close()
    return rows


def _start(case):
    """A worker, or `None` where it fails."""
    print(f"  starting {case}", flush=True)
    try:
        return Worker(case)
    except WorkerError as e:
        print(f"  {case} failed:\n{e}", flush=True)
        return None


def _measure_in_turns(workers, matmul):
    for worker in workers:
        worker.times = []
    for _ in range(ROUNDS):
        for worker in workers:
            worker.measure()
    rows = [worker.row(matmul) for worker in workers]
    for row in rows:
        print(f"  {table.line(row)}", flush=True)
    return rows


def groups(model, length, batch_size, backends, full):
    """Lists of cases that belong in one comparison."""

    def case(implementation, backend, dtype, variant=""):
        return Case(
            implementation, backend, model, dtype, batch_size, length, variant
        )

    result = []
    for dtype in ("float32", "bfloat16"):
        eager = case("huggingface", "torch", dtype, "masked_head+eager")
        for backend in backends:
            ours = case("keras_rtd", backend, dtype)
            result.append([ours, case("keras_hub", backend, dtype), eager])
        # Once, in float32, is enough to place the other peers.
        if full or dtype == "float32":
            others = ("full_head+eager", "masked_head+compile")
            result.append(
                [eager]
                + [case("huggingface", "torch", dtype, v) for v in others]
            )
    return result


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--output", help="results file")
    parser.add_argument(
        "--models", nargs="+", help="models (default small, or tiny and small)"
    )
    parser.add_argument("--lengths", nargs="+", type=int)
    parser.add_argument("--backends", nargs="+")
    parser.add_argument("--batch_tokens", type=int, help="tokens a step")
    args = parser.parse_args(argv)
    backends = args.backends or (
        ["jax", "torch"] if args.gpu else ["tensorflow", "jax", "torch"]
    )
    models = args.models or (["tiny", "small"] if args.full else ["small"])
    if args.gpu and not args.models:
        models = ["small", "base"]
    lengths = args.lengths or ([128, 512] if args.full else [128])
    tokens = args.batch_tokens or (128 * 256 if args.gpu else 128 * 32)

    matmul = matmul_rates()
    print(
        "matrix product: "
        + ", ".join(f"{k} {v / 1e9:,.0f} GFLOP/s" for k, v in matmul.items())
    )
    result = {
        "machine": machine(),
        "date": datetime.date.today().isoformat(),
        "matmul": matmul,
        "rows": [],
        "pipeline": [],
    }
    output = pathlib.Path(
        args.output
        or HERE / "results" / f"{result['date']}-{result['machine']}.json"
    )
    previous = table.newest(HERE / "results", result["machine"])
    check_target(output, RESULTS)
    for model in models:
        for length in lengths:
            print(f"{model}, {tokens // length} x {length}")
            result["rows"] += measure_groups(
                groups(model, length, tokens // length, backends, args.full),
                matmul,
            )
            # So far: a stopped bench keeps what it measured.
            write_json(output, result, RESULTS, indent=1)
    if not args.gpu:
        print("input pipeline")
        result["pipeline"] = pipeline.measure()
    print("\n" + table.render(result))
    for warning in table.slower_than(previous, result):
        print(f"warning: {warning}")
    write_json(output, result, RESULTS, indent=1)
    print(f"written: {output}")


def machine():
    """A short name: processor and cores, or the GPU."""
    try:
        gpu = subprocess.check_output(
            ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"],
            text=True,
            stderr=subprocess.DEVNULL,
        )
        return gpu.splitlines()[0].strip().lower().replace(" ", "-")
    except (OSError, subprocess.CalledProcessError, IndexError):
        pass
    features = ""
    try:
        flags = pathlib.Path("/proc/cpuinfo").read_text("utf-8")
        for name in ("amx_bf16", "avx512_bf16", "avx512f", "avx2"):
            if f" {name}" in flags:
                features = "-" + name.replace("_", "")
                break
    except OSError:
        pass
    return f"{platform.machine()}{features}-{os.cpu_count()}cores"


if __name__ == "__main__":
    main()
