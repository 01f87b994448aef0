"""Replay what google-research/electra or microsoft/DeBERTa computed.

    python tests/replay_reference.py TRACE.npz [--backend tensorflow]

ELECTRA's, Electric's or DeBERTaV3's. Builds the model of the trace's options,
gives it the trace's weights, and feeds each recorded step's masks and samples
to `train_on_batch`, at the recorded learning rate. Prints the largest
differences, relative to each tensor's largest entry; exits with 0 only if
losses are within 1e-5, gradients within 1e-4, and final weights within 1e-4
(DeBERTaV3's: 2e-5 absolute).

A file that is not here is looked for in ../shared/reference. Without --backend
it takes KERAS_BACKEND, and where that is not set either, all three backends,
one after the other.
"""

import argparse
import os
import pathlib
import subprocess
import sys

import numpy as np
import replay_traces

BACKENDS = ("tensorflow", "jax", "torch")
REFERENCE = pathlib.Path(__file__).parents[2] / "shared" / "reference"

# Of all gradients' norm: where a tensor's largest entry is below, it counts
# relative to this.
FLOOR = 1e-6


def relative(found, expected, floor=0.0):
    """Largest difference relative to the largest entry expected."""
    expected = np.asarray(expected, np.float64)
    scale = max(float(np.max(np.abs(expected))), floor)
    difference = float(np.max(np.abs(np.asarray(found) - expected)))
    return difference / scale if difference else 0.0


def largest(found, expected):
    """(difference, name) of the worst variable of two dicts."""
    norm = np.sqrt(
        sum(np.sum(np.square(a, dtype=np.float64)) for a in expected.values())
    )
    return max(
        (relative(found[name], expected[name], FLOOR * norm), name)
        for name in expected
    )


def largest_absolute(found, expected):
    """As `largest`, of the differences as they are."""
    return max(
        (float(np.max(np.abs(found[name] - expected[name]))), name)
        for name in expected
    )


def make_recorder(**arguments):
    """An `AdamW` that keeps the gradients of its first update, and a function
    that returns them as arrays by the id of their variable."""
    import keras
    from keras import ops

    from keras_rtd.training import AdamW

    class Recorded(keras.optimizers.schedules.LearningRateSchedule):
        def __init__(self, rates):
            self.rates = np.array(rates, "float32")

        def __call__(self, step):
            last = len(self.rates) - 1
            step = ops.minimum(ops.cast(step, "int32"), last)
            return ops.take(ops.convert_to_tensor(self.rates), step)

    class Recorder(AdamW):
        def build(self, variables):
            super().build(variables)
            self.kept = self.add_optimizer_variables(variables, "kept")
            self.whose = [id(v) for v in variables]

        def clip_all(self, gradients, variables):
            first = ops.equal(self.iterations, 0)
            for gradient, variable in zip(gradients, variables):
                slot = self.kept[self.index_of(variable)]
                old = ops.convert_to_tensor(slot)
                self.assign(slot, ops.where(first, gradient, old))
            return super().clip_all(gradients, variables)

    arguments = {
        name: Recorded(value) if isinstance(value, list) else value
        for name, value in arguments.items()
    }
    recorder = Recorder(**arguments)

    def kept():
        arrays = [np.array(ops.convert_to_numpy(v)) for v in recorder.kept]
        return dict(zip(recorder.whose, arrays))

    return recorder, kept


def replay(path):
    """Replay a trace on the current backend.

    Returns:
        dict of what was compared to (largest difference, where, limit or
        `None`).

    Raises:
        ValueError: not a trace, or one of another model.
    """
    trace = replay_traces.read(path)
    pretrainer = trace.build()
    rows = {}

    def note(row, difference, where):
        limit = trace.LIMITS.get(row)
        rows[row] = max(rows.get(row, (-1.0, "")), (difference, where, limit))

    def compare(row, found, expected, where):
        note(row, relative(found, expected), where)

    recorder, kept = make_recorder(**trace.optimizer_arguments(pretrainer))
    pretrainer.compile(optimizer=recorder)
    for step in range(trace.num_steps):
        recorded = trace.group(f"step{step}")
        trace.compare_outputs(pretrainer, step, compare)
        pretrainer.reset_metrics()
        logs = pretrainer.train_on_batch(trace.batch(step), return_dict=True)
        for row, (ours, theirs) in trace.LOSSES.items():
            compare(row, logs[ours], recorded[theirs], f"step {step}")
    gradients, tensors = kept(), trace.tensors(pretrainer)
    expected = {
        name: gradient
        for name, gradient in trace.group("grad0").items()
        if not (trace.NO_GRADIENT and trace.NO_GRADIENT.fullmatch(name))
    }
    found = {
        name: tensor.join([gradients[id(v)] for v in tensor.variables])
        for name, tensor in tensors.items()
    }
    note("step-0 gradients", *largest(found, expected))
    found = {name: tensor.array() for name, tensor in tensors.items()}
    expected = trace.group("after")
    if trace.ABSOLUTE:
        note("final weights", *largest_absolute(found, expected))
    else:
        note("final weights", *largest(found, expected))
    return rows


def failures(rows):
    """Names of the rows that are not within their limit (NaN is not)."""
    return [
        name
        for name, (difference, _, limit) in rows.items()
        if limit is not None and not difference <= limit
    ]


def report(rows, backend):
    """Print the table of one backend."""
    print(f"{backend:<22} largest difference")
    for name, (difference, where, limit) in rows.items():
        words = "" if limit is None else f"(limit {limit:.0e})"
        print(f"  {name:<20} {difference:.2e} {words:<14} {where}")
    failed = failures(rows)
    print(f"  {'FAILED: ' + ', '.join(failed) if failed else 'passed'}")


def find(path):
    """The path of a trace, maybe of one in ../shared/reference."""
    path = pathlib.Path(path)
    return path if path.exists() else REFERENCE / path.name


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "trace", help="an .npz file, here or in ../shared/reference"
    )
    parser.add_argument("--backend", choices=BACKENDS)
    arguments = parser.parse_args(argv)
    backend = arguments.backend or os.environ.get("KERAS_BACKEND")
    if backend is None:
        command = [sys.executable, __file__, arguments.trace, "--backend"]
        # Largest, so that one backend's failure is everybody's.
        return max(
            subprocess.run([*command, name]).returncode for name in BACKENDS
        )
    # Before keras is imported, which reads it once.
    os.environ["KERAS_BACKEND"] = backend
    try:
        rows = replay(find(arguments.trace))
    except (ValueError, OSError) as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    report(rows, backend)
    return 1 if failures(rows) else 0


if __name__ == "__main__":
    sys.exit(main())
