"""Recipes over several devices, started as a person would."""

import json
import pathlib
import signal
import subprocess
import sys
import time

import keras
import pytest
from processes import environments
from recipe import run_here

RECIPE = pathlib.Path(__file__).parents[2] / "recipes" / "pretrain_tiny.py"
BACKEND = keras.config.backend()
STRATEGY, PROCESSES = {
    "tensorflow": ("multi_worker", 2),
    "jax": ("data_parallel", 2),
    "torch": ("ddp", 2),
}[BACKEND]
TIMEOUT = 240


def command(world, run_dir, *extra, strategy=STRATEGY):
    return [
        str(RECIPE),
        f"--strategy={strategy}",
        f"--preset={world / 'preset'}",
        f"--data={world / 'prepared'}",
        f"--run_dir={run_dir}",
        "--train_steps=150",
        "--batch_size=8",
        "--sequence_length=16",
        "--checkpoint_every=25",
        "--eval_every=50",
        "--eval_batches=3",
        *extra,
    ]


def start(world, run_dir, *extra, strategy=STRATEGY, processes=PROCESSES):
    return [
        subprocess.Popen(
            [
                sys.executable,
                *command(world, run_dir, *extra, strategy=strategy),
            ],
            env={
                **environment,
                # One device a process, and two of a process alone.
                "XLA_FLAGS": f"{environment.get('XLA_FLAGS', '')} "
                f"--xla_force_host_platform_device_count={3 - processes}",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for environment in environments(strategy, processes)
    ]


def finish(running):
    """(outputs, errors) of processes that end well."""
    pairs = [p.communicate(timeout=TIMEOUT) for p in running]
    assert [p.returncode for p in running] == [0] * len(running), pairs
    return zip(*pairs)


@pytest.mark.slow
def test_a_preempted_run_saves_everywhere_and_continues(world, tmp_path):
    run_dir = tmp_path / "run"
    running = start(world, run_dir)
    metrics = run_dir / "metrics.jsonl"
    deadline = time.monotonic() + TIMEOUT
    while not metrics.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    # One process is told; all stop after the same step.
    running[-1].send_signal(signal.SIGTERM)
    outputs, _ = finish(running)
    first = outputs[0]
    assert "the state is saved, the same command continues" in first
    assert "2 " in first and "4 of 8 windows each" in first
    # Only the chief speaks and writes, but for JAX's library.
    for output in outputs[1:]:
        assert all(x.startswith("[Gloo]") for x in output.splitlines())
    assert len(list((run_dir / "checkpoints").iterdir())) >= 1
    outputs, _ = finish(start(world, run_dir))
    assert "continuing at step" in outputs[0]
    rows = [json.loads(line) for line in metrics.read_text().splitlines()]
    assert [row["step"] for row in rows] == [50, 100, 150]
    for name in ("preset", "saved_model", "report.html"):
        assert (run_dir / name).exists()


def test_another_backends_strategy_is_refused_in_one_line(world, tmp_path):
    other = "ddp" if BACKEND != "torch" else "mirrored"
    arguments = command(world, tmp_path / "run", strategy=other)
    result = run_here([sys.executable, *arguments])
    assert result.returncode == 2
    line = result.stderr.splitlines()[-1]
    assert line.startswith("error: ") and f"'{other}'" in line
    assert "KERAS_BACKEND=" in line


@pytest.mark.slow
@pytest.mark.parametrize(
    "option, message",
    [
        ("--batch_size=7", "multiple of the 2 devices. Received: 7"),
        ("--profile", "--profile measures the step of one device"),
    ],
)
def test_what_several_devices_cannot_do_is_refused(
    world, tmp_path, option, message
):
    running = start(world, tmp_path / "run", option)
    for process in running:
        _, errors = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 2
        assert message in errors


@pytest.mark.skipif(BACKEND != "jax", reason="JAX's")
@pytest.mark.parametrize(
    "strategy, environment, message",
    [
        ("model_parallel", {}, "weights among the devices of one process"),
        (
            "data_parallel",
            {"JAX_COORDINATOR_ADDRESS": "auto"},
            "JAX sees no launcher that it knows",
        ),
    ],
)
def test_what_processes_of_jax_cannot_do_is_refused(
    world, tmp_path, monkeypatch, strategy, environment, message
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    processes = 1 if environment else 2
    running = start(
        world, tmp_path / "run", strategy=strategy, processes=processes
    )
    for process in running:
        _, errors = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 2
        assert message in errors


@pytest.mark.only_on("torch")
@pytest.mark.slow
def test_auto_starts_the_recipe_once_for_each_device(world, tmp_path):
    run_dir = tmp_path / "run"
    (environment,) = environments("single", 1)
    steps = ("--train_steps=20", "--eval_every=10")
    result = subprocess.run(
        [sys.executable, *command(world, run_dir, *steps, strategy="auto")],
        env={**environment, "KERAS_RTD_PROCESSES": "2"},
        capture_output=True,
        text=True,
        timeout=2 * TIMEOUT,
    )
    assert result.returncode == 0, result.stderr
    assert "starting 2 processes on this host" in result.stdout
    assert "2 CPU processes, 4 of 8 windows each" in result.stdout
    metrics = (run_dir / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in metrics] == [10, 20]


# The recipe with two virtual devices, which a person has no option for.
TWO_CPUS = """
import runpy, sys
import tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow's")
@pytest.mark.slow
def test_the_recipe_on_two_mirrored_devices(world, tmp_path):
    run_dir = tmp_path / "run"
    (environment,) = environments("mirrored", 1)
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            TWO_CPUS,
            *command(world, run_dir, strategy="mirrored"),
            "--train_steps=20",
            "--eval_every=10",
            "--accumulate_steps=2",
            "--ema_momentum=0.9",
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=2 * TIMEOUT,
    )
    assert result.returncode == 0, result.stderr
    assert "2 CPU devices, 4 of 8 windows each" in result.stdout
    metrics = (run_dir / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in metrics] == [10, 20]
    for name in ("preset", "saved_model", "report.html"):
        assert (run_dir / name).exists()
