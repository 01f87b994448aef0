"""N devices equal one: virtual devices, and real processes over 127.0.0.1."""

import json
import pathlib
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
import tiny
from processes import environments

TESTS = pathlib.Path(__file__).parent
BACKEND = keras.config.backend()
TIMEOUT = 240


def start(path, strategy="single", processes=1, **options):
    """Processes of distribution_case.py."""
    options = json.dumps({"strategy": strategy, **options})
    return [
        subprocess.Popen(
            [
                sys.executable,
                str(TESTS / "distribution_case.py"),
                options,
                str(path),
            ],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for environment in environments(strategy, processes)
    ]


def train(folder, name, timeout=TIMEOUT, **options):
    """What a run of distribution_case.py wrote."""
    path = folder / f"{name}.npz"
    running = start(path, **options)
    outputs = [p.communicate(timeout=timeout)[0] for p in running]
    assert [p.returncode for p in running] == [0] * len(running), outputs
    with np.load(path) as archive:
        return dict(archive)


def weights(run, when="after"):
    return [run[k] for k in sorted(run) if k.startswith(f"{when}/")]


def assert_same_training(one, other):
    """The rule of equality of N devices and one."""
    for name in one:
        if name.startswith(("log/", "held_out/")):
            # Areas under curves jump where two logits change places.
            ranks = "auc" in name or "average" in name
            np.testing.assert_allclose(
                other[name], one[name], rtol=1e-5, atol=1e-3 if ranks else 1e-6
            )
    for a, b in zip(weights(one, "before"), weights(other, "before")):
        np.testing.assert_array_equal(a, b)
    before = weights(one, "before")
    for when in ("after", "average"):
        differs = moved = 0.0
        for a, b, a0 in zip(weights(one, when), weights(other, when), before):
            differs += np.square(a - b, dtype=np.float64).sum()
            moved += np.square(a - a0, dtype=np.float64).sum()
        assert np.sqrt(differs) / np.sqrt(moved) < 1e-4, when


CASES = {
    "tensorflow": [
        {"strategy": "mirrored", "devices": 2},
        {"strategy": "mirrored", "devices": 4},
        {"strategy": "multi_worker", "processes": 2},
    ],
    "jax": [
        {"strategy": "data_parallel", "devices": 2},
        {"strategy": "data_parallel", "devices": 4},
        {"strategy": "auto", "processes": 2, "dtype": "auto"},
        {"strategy": "tpu", "devices": 4},
        {"strategy": "model_parallel", "devices": 4, "model_devices": 2},
    ],
    "torch": [
        {"strategy": "auto", "processes": 2},
        {"strategy": "ddp", "processes": 4},
    ],
}[BACKEND]
NAMES = [
    f"{c['strategy']}-{c.get('devices') or str(c['processes']) + 'p'}"
    for c in CASES
]


@pytest.fixture(scope="session")
def one_device(tmp_path_factory):
    return train(tmp_path_factory.mktemp("one"), "one")


# Without a detector's histogram, and with weights of fewer tokens.
@pytest.mark.slow
@pytest.mark.parametrize("objective", ["mlm", "electra_15"])
def test_other_objectives_too(tmp_path, objective):
    case = {**CASES[0], "objective": objective, "steps": 5}
    one = train(tmp_path, "one", objective=objective, steps=5)
    assert_same_training(one, train(tmp_path, "other", **case))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_muon_too(case, tmp_path):
    one = train(tmp_path, "one", optimizer="muon", steps=5)
    other = train(tmp_path, "other", **case, optimizer="muon", steps=5)
    assert_same_training(one, other)


@pytest.mark.parametrize(
    "case",
    [
        # Minutes on TensorFlow.
        pytest.param(
            c, id=n, marks=[pytest.mark.slow] if i or n == "mirrored-2" else []
        )
        for i, (c, n) in enumerate(zip(CASES, NAMES))
    ],
)
def test_decoupled_training_too(case, tmp_path):
    options = {"decoupled": True, "steps": 5}
    one = train(tmp_path, "one", **options)
    other = train(tmp_path, "other", accumulate_steps=2, **options, **case)
    assert_same_training(one, other)


def slow_on_tensorflow(test):
    """Marks what takes half a minute of graph building there."""
    return pytest.mark.slow(test) if BACKEND == "tensorflow" else test


# The other of 2 and 4, which shows nothing new, is slow.
SLOW = {"mirrored-4", "data_parallel-2", "data_parallel-4", "ddp-4p", "tpu-4"}


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(c, id=n, marks=[pytest.mark.slow] if n in SLOW else [])
        for c, n in zip(CASES, NAMES)
    ],
)
def test_devices_equal_one(case, one_device, tmp_path):
    many = train(tmp_path, "many", **case)
    assert_same_training(one_device, many)
    # One process wrote what all had.
    model = tiny.pretrainer()
    model.load_weights(tmp_path / "many.npz.weights.h5")
    saved = [keras.ops.convert_to_numpy(v) for v in model.trainable_variables]
    for i, weight in enumerate(saved):
        np.testing.assert_array_equal(weight, many[f"average/{i}"])


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES[:1], ids=NAMES[:1])
def test_micro_batches_on_many_devices_equal_one(case, one_device, tmp_path):
    many = train(tmp_path, "many", accumulate_steps=2, **case)
    assert_same_training(one_device, many)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="JAX is always compiled")
@pytest.mark.slow
@pytest.mark.parametrize("decoupled", [False, True])
def test_mirrored_replicas_compiled_by_xla_equal_plain_ones(
    decoupled, tmp_path
):
    # XLA has random numbers of its own, so these are given.
    options = {"strategy": "mirrored", "devices": 2, "steps": 5}
    options["decoupled"] = decoupled
    plain = train(tmp_path, "plain", **options)
    # Compiling takes a minute of both cores.
    options |= {"jit_compile": True, "timeout": 4 * TIMEOUT}
    compiled = train(tmp_path, "compiled", **options)
    assert_same_training(plain, compiled)


@slow_on_tensorflow
@pytest.mark.parametrize("case", CASES[:1], ids=NAMES[:1])
def test_a_run_repeats_and_replicas_sample_their_own(case, tmp_path):
    options = {"dropout": 0.1, "given_samples": False, "steps": 5, **case}
    first = train(tmp_path, "first", **options)
    second = train(tmp_path, "second", **options)
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
    if BACKEND != "jax":
        # One batch, the same weights: dropout and samples make the difference.
        mine, other = first["samples"]
        assert np.abs(mine - other).max() > 1e-3


@slow_on_tensorflow
@pytest.mark.parametrize(
    "decoupled", [False, pytest.param(True, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("case", CASES[:1], ids=NAMES[:1])
def test_an_overflow_on_one_replica_skips_the_step_on_all(
    case, decoupled, tmp_path
):
    case = {"dtype": "mixed_float16", "decoupled": decoupled, **case}
    run = train(tmp_path, "f16", steps=8, overflow=5, **case)
    assert run["updates"] == 7
    assert run["scale"] == 0.5
    assert all(np.isfinite(w).all() for w in weights(run))
    assert np.isfinite(run["log/loss"][np.arange(8) != 5]).all()


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES[:1], ids=NAMES[:1])
def test_bfloat16_stays_near_one_device(case, tmp_path):
    options = {"dtype": "mixed_bfloat16"}
    one = train(tmp_path, "one", **options)
    many = train(tmp_path, "many", **options, **case)
    # Gradients are rounded to 8 bits before or after they are added up.
    np.testing.assert_allclose(many["log/loss"], one["log/loss"], rtol=1e-2)


@pytest.mark.slow
def test_a_killed_worker_stops_the_others_and_all_continue(tmp_path):
    case = {
        "strategy": {
            "tensorflow": "multi_worker",
            "jax": "data_parallel",
            "torch": "ddp",
        }[BACKEND],
        "processes": 2,
        "dropout": 0.1,
        "given_samples": False,
    }
    whole = train(tmp_path, "whole", **case)
    case["checkpoint"] = str(tmp_path / "checkpoints")
    left, killed = start(tmp_path / "killed.npz", kill_at=8, **case)
    killed.communicate(timeout=TIMEOUT)
    assert killed.returncode == -signal.SIGKILL
    output, _ = left.communicate(timeout=60)
    assert left.returncode == 4, output
    assert "Process 0 of 2 lost another one" in output.splitlines()[-1]
    again = train(tmp_path, "again", **case)
    for a, b in zip(weights(whole), weights(again)):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_a_checkpoint_of_many_devices_continues_on_another_number(tmp_path):
    one = train(tmp_path, "one")
    options = {"checkpoint": str(tmp_path / "checkpoints")}
    train(tmp_path, "many", steps=10, **options, **CASES[0])
    alone = train(tmp_path, "alone", **options)
    assert len(alone["log/loss"]) == 10
    for k in ("log/loss", "log/generator_loss"):
        np.testing.assert_allclose(alone[k], one[k][10:], rtol=1e-5)
