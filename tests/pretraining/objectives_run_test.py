"""Runs of objectives other than ELECTRA, through a recipe."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from keras_rtd.models import ElectraPretrainer

RECIPE = pathlib.Path(__file__).parents[2] / "recipes" / "pretrain_tiny.py"


def run(world, run_dir, *extra):
    return subprocess.run(
        [
            sys.executable,
            str(RECIPE),
            f"--preset={world / 'preset'}",
            f"--data={world / 'prepared'}",
            f"--run_dir={run_dir}",
            "--batch_size=4",
            "--sequence_length=16",
            "--checkpoint_every=3",
            "--eval_every=3",
            "--eval_batches=2",
            "--train_steps=6",
            "--dtype=float32",
            *extra,
        ],
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("mlm", marks=pytest.mark.run_once),
        pytest.param("all_tokens_mlm", marks=pytest.mark.slow),
        pytest.param("electric", marks=pytest.mark.slow),
    ],
)
def test_a_run_reports_what_its_objective_has(world, name):
    run_dir = world / name
    result = run(world, run_dir, f"--objective={name}")
    assert result.returncode == 0, result.stderr
    detects, predicts = name != "mlm", name != "electric"
    text = (run_dir / "metrics.jsonl").read_text("utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    assert [row["step"] for row in rows] == [3, 6]
    for row in rows:
        assert ("probe_auc" in row) == detects
        assert ("val_discriminator_auc" in row) == detects
        assert ("val_generator_loss" in row) == detects
        assert ("val_masked_lm_loss" in row) == predicts
        assert all(np.isfinite(v) for v in row.values())
    page = (run_dir / "report.html").read_text("utf-8")
    assert ("Masked LM loss" in page) == predicts
    assert ("Examples at step" in page) == detects
    copy = ElectraPretrainer.from_preset(str(run_dir / "preset"))
    assert copy.objective.name == name
    if name == "electric":
        assert copy.objective.mask_rate == 0.15
        assert copy.objective.special_ids == [2, 3, 4]
    import tensorflow as tf

    names = tf.saved_model.load(str(run_dir / "saved_model")).signatures
    assert "encode" in names
    assert ("serve" in names) == detects


@pytest.mark.slow
def test_options_of_another_objective_are_named(world, tmp_path):
    for flag, value in (
        ("temperature", "2.0"),
        ("unigram_warmup_steps", "5"),
        ("all_tokens_weight", "1.0"),
    ):
        result = run(
            world, tmp_path / "run", "--objective=mlm", f"--{flag}={value}"
        )
        assert result.returncode == 2
        assert f"--{flag} must be left out" in result.stderr
    result = run(
        world, tmp_path / "run", "--objective=mlm", "--generator_dropout=0"
    )
    assert result.returncode == 2
    assert (
        "--generator_dropout must be left out: --objective=mlm has no gen"
        in result.stderr
    )
