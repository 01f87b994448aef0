"""Replay what google-research/electra computed, and compare.

    python tests/replay_reference.py TRACE.npz [--backend tensorflow]

ELECTRA's or Electric's. Builds the model of the trace's options, gives it the
trace's weights, and feeds each recorded step's masks and samples to
`train_on_batch`, at the recorded learning rate. Prints the largest relative
differences; exits with 0 only if losses are within 1e-5, gradients and final
weights within 1e-4.

Without --backend it takes KERAS_BACKEND, and where that is not set either,
all three backends, one after the other.
"""

import argparse
import json
import os
import re
import subprocess
import sys

import numpy as np

BACKENDS = ("tensorflow", "jax", "torch")

# What decides the exit status. An entry of a tensor counts relative to the
# tensor's largest, or to a floor where all of it is next to nothing.
LIMITS = {
    "generator loss": 1e-5,
    "discriminator loss": 1e-5,
    "total loss": 1e-5,
    "step-0 gradients": 1e-4,
    "final weights": 1e-4,
}
FLOOR = 1e-6

# Left out of the gradients of ELECTRA's traces, and of these alone: softmax
# does not see what a key's bias adds to all scores of a row, so its gradient
# is zero by symmetry, and what is recorded is rounding noise. Attention with
# position scores of its own has no such symmetry.
KEY_BIAS = re.compile(r".*/attention/self/key/bias")


class Trace:
    """A recorded training of the reference.

    Args:
        path: an `.npz` file with `config_json`, the reference's options;
            `before/NAME` and `after/NAME`, its variables; `grad0/NAME`, the
            gradients of step 0; and `stepN/…`, batches, outputs and losses.

    Raises:
        ValueError: not such a file.
    """

    def __init__(self, path):
        with np.load(path) as archive:
            self.arrays = {name: archive[name] for name in archive.files}
        if "config_json" not in self.arrays:
            raise ValueError(f"{path} is no trace: it has no config_json.")
        self.config = json.loads(str(self.arrays["config_json"]))
        steps = {
            int(name.split("/")[0][len("step") :])
            for name in self.arrays
            if name.startswith("step")
        }
        if sorted(steps) != list(range(len(steps))) or not steps:
            raise ValueError(f"{path} is no trace: its steps are {steps}.")
        self.num_steps = len(steps)

    def group(self, prefix):
        """Arrays whose name starts with `prefix/`, without it."""
        prefix += "/"
        return {
            name[len(prefix) :]: array
            for name, array in self.arrays.items()
            if name.startswith(prefix)
        }

    def batch(self, step):
        """What a pretrainer is fed at a step."""
        from keras_rtd.training.batch import REQUIRED

        recorded = self.group(f"step{step}")
        names = (*REQUIRED, "sampled_ids", "corrupted_token_ids")
        return {name: recorded[name] for name in names}

    def special_ids(self):
        """[CLS], [SEP] and [MASK], by where they stand."""
        found = set()
        for step in range(self.num_steps):
            batch = self.group(f"step{step}")
            ids, lengths = batch["token_ids"], batch["padding_mask"].sum(1)
            found.update(ids[:, 0].tolist())
            last = ids[np.arange(len(ids)), lengths.astype(int) - 1]
            found.update(last.tolist())
            masked = batch["masked_token_ids"]
            found.update(masked[masked != ids].tolist())
        return sorted(found)


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


def build(trace):
    """The pretrainer of a trace with the weights of before step 0."""
    from keras_rtd.interop import google

    # Dropout cannot be replayed, so none was recorded.
    overrides = dict(trace.config.get("model_hparam_overrides") or {})
    overrides["hidden_dropout_prob"] = 0.0
    overrides["attention_probs_dropout_prob"] = 0.0
    config = {**trace.config, "model_hparam_overrides": overrides}
    pretrainer = google.from_variables(config, trace.group("before"))
    if pretrainer.objective.name == "electric":
        pretrainer.objective.special_ids = trace.special_ids()
    return pretrainer


def first_gradients(pretrainer, batch):
    """Gradients of the total loss, before clipping, by reference name.

    The product's own training step runs, with an optimiser that only keeps
    what it is given.
    """
    import keras

    from keras_rtd.interop import weights

    class Recorder(keras.optimizers.Optimizer):
        def build(self, variables):
            super().build(variables)
            (self.kept,) = self.add_optimizer_variables(variables, ["kept"])

        def update_step(self, gradient, variable, learning_rate):
            slot = self.kept[self._get_variable_index(variable)]
            self.assign(slot, gradient)

    recorder = Recorder(learning_rate=0.0)
    pretrainer.compile(optimizer=recorder)
    pretrainer.train_on_batch(batch)
    kept = {
        id(v): recorder.kept[i]
        for i, v in enumerate(pretrainer.trainable_variables)
    }
    rows = pretrainer.backbone.vocabulary_size
    return {
        name: weights.crop(name, np.array(kept[id(v)].numpy()), rows)
        for name, v in weights.named_variables(pretrainer).items()
    }


def replay(path):
    """Replay a trace on the current backend.

    Returns:
        dict of what was compared to (largest relative difference, where).

    Raises:
        ValueError: not a trace, or one of another model.
    """
    import keras

    from keras_rtd.interop import google
    from keras_rtd.training import AdamW

    trace = Trace(path)
    pretrainer = build(trace)
    schedule = pretrainer.optimizer
    rows = {}

    def note(row, difference, where):
        rows[row] = max(rows.get(row, (-1.0, "")), (difference, where))

    gradients = first_gradients(pretrainer, trace.batch(0))
    optimizer = AdamW(
        learning_rate=1.0,
        weight_decay=pretrainer.optimizer_config["weight_decay"],
    )
    pretrainer.compile(optimizer=optimizer)
    for step in range(trace.num_steps):
        batch, recorded = trace.batch(step), trace.group(f"step{step}")
        outputs = pretrainer.predict_on_batch(batch)
        where = f"step {step}"
        if "generator_logits" in recorded:
            note(
                "generator logits",
                relative(
                    outputs["generator_logits"], recorded["generator_logits"]
                ),
                where,
            )
        logits = np.asarray(outputs["discriminator_logits"], np.float64)
        note(
            "discriminator probs",
            relative(
                1.0 / (1.0 + np.exp(-logits)), recorded["discriminator_probs"]
            ),
            where,
        )
        note(
            "labels",
            float(
                np.sum(outputs["is_replaced"] != (recorded["is_replaced"] > 0))
            ),
            where,
        )
        rate = float(recorded["learning_rate"])
        schedule.iterations.assign(step)
        scheduled = float(keras.ops.convert_to_numpy(schedule.learning_rate))
        note("learning rate", relative(scheduled, rate), where)
        optimizer.learning_rate = rate
        logs = pretrainer.train_on_batch(batch, return_dict=True)
        for row, ours, theirs in (
            ("generator loss", "generator_loss", "generator_loss"),
            ("discriminator loss", "discriminator_loss", "discriminator_loss"),
            ("total loss", "loss", "total_loss"),
        ):
            note(row, relative(logs[ours], recorded[theirs]), where)
    rows["step-0 gradients"] = largest(
        gradients,
        {
            name: gradient
            for name, gradient in trace.group("grad0").items()
            if not KEY_BIAS.fullmatch(name)
        },
    )
    rows["final weights"] = largest(
        google.to_variables(pretrainer), trace.group("after")
    )
    return rows


def failures(rows):
    """Names of the rows that are not within their limit (NaN is not)."""
    return [
        name for name, limit in LIMITS.items() if not rows[name][0] <= limit
    ]


def report(rows, backend):
    """Print the table of one backend."""
    print(f"{backend:<22} largest relative difference")
    for name, (difference, where) in rows.items():
        limit = f"(limit {LIMITS[name]:.0e})" if name in LIMITS else ""
        print(f"  {name:<20} {difference:.2e} {limit:<14} {where}")
    failed = failures(rows)
    print(f"  {'FAILED: ' + ', '.join(failed) if failed else 'passed'}")


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("trace", help="an .npz file")
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
        rows = replay(arguments.trace)
    except (ValueError, OSError) as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    report(rows, backend)
    return 1 if failures(rows) else 0


if __name__ == "__main__":
    sys.exit(main())
