"""Runs whose last steps have longer windows, through a recipe."""

import json
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from recipe import run_here

from keras_rtd.models import ElectraPretrainer
from keras_rtd.pretraining import resolve
from keras_rtd.utils.setting import ConfigError

RECIPE = pathlib.Path(__file__).parents[2] / "recipes" / "pretrain_base.py"


def command(world, run_dir, *extra):
    return [
        sys.executable,
        str(RECIPE),
        f"--preset={world / 'preset'}",
        f"--data={world / 'prepared'}",
        f"--run_dir={run_dir}",
        "--train_steps=60",
        "--batch_size=8",
        "--sequence_length=16",
        "--warmup_steps=2",
        "--learning_rate=0.005",
        "--optimizer=lamb",
        "--accumulate_steps=2",
        "--ema_momentum=0.9",
        "--phase2_steps=50",
        "--phase2_sequence_length=32",
        "--phase2_learning_rate=0.002",
        "--checkpoint_every=1000",
        "--eval_every=10",
        "--eval_batches=2",
        "--dtype=float32",
        *extra,
    ]


def run(world, run_dir, *extra):
    return subprocess.run(
        command(world, run_dir, *extra), capture_output=True, text=True
    )


def rows(run_dir):
    text = (run_dir / "metrics.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.slow
def test_a_run_killed_in_phase_2_equals_one_that_was_not(world, tmp_path):
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    result = run(world, straight)
    assert result.returncode == 0, result.stderr
    assert (
        "batch 8 x 16 tokens in 2 micro-batches, phase 1 of 2" in result.stdout
    )
    assert (
        "batch 4 x 32 tokens in 2 micro-batches, phase 2 of 2" in result.stdout
    )

    process = subprocess.Popen(
        command(world, killed),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 240
    # The second evaluation is the first of phase 2.
    metrics = killed / "metrics.jsonl"
    while time.monotonic() < deadline and process.poll() is None:
        if metrics.exists() and len(metrics.read_text().splitlines()) > 1:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    log = process.communicate(timeout=240)[0]
    assert process.returncode == 0, log
    assert "the same command continues" in log
    checkpoints = sorted(p.name for p in (killed / "checkpoints").iterdir())
    # One at the border, one where it was stopped.
    assert checkpoints[0].startswith("step-0000000010.")
    assert 20 <= int(checkpoints[-1][5:15]) < 60

    result = run(world, killed)
    assert result.returncode == 0, result.stderr
    assert "phase 1 of 2" not in result.stdout
    drop = ("seconds", "tokens_per_second")
    for a, b in zip(rows(straight), rows(killed), strict=True):
        assert {k: v for k, v in a.items() if k not in drop} == {
            k: v for k, v in b.items() if k not in drop
        }
    assert [row["tokens"] for row in rows(killed)] == [
        128 * step for step in range(10, 61, 10)
    ]
    models = [
        ElectraPretrainer.from_preset(str(folder / "preset"))
        for folder in (straight, killed)
    ]
    for a, b in zip(*(model.get_weights() for model in models)):
        np.testing.assert_array_equal(a, b)


@pytest.mark.run_once
@pytest.mark.parametrize(
    "extra, message",
    [
        (["--phase2_sequence_length=64"], "--phase2_sequence_length 64 is"),
        (["--phase2_batch_size=5"], "must divide the 5 rows"),
    ],
)
def test_a_phase_that_does_not_fit_ends_with_one_line(
    world, tmp_path, extra, message
):
    result = run_here(command(world, tmp_path / "run", *extra))
    assert result.returncode == 2
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("error:") and message in last


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"phase2_steps": 10}, "--phase2_steps must be below the 10"),
        ({"phase2_learning_rate": 0.1}, "must be given with --phase2_steps"),
        ({"phase2_batch_size": 0, "phase2_steps": 1}, "at least 1"),
        ({"optimizer": "lamb"}, "--learning_rate must be given with"),
        ({"ema_momentum": 1.0}, "--ema_momentum must be below 1"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        resolve(given={"data": "x.txt", "train_steps": 10, **settings})
