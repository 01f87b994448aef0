"""Modern layers and documents that share rows, through a recipe."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tiny

from keras_rtd.models import ElectraPretrainer
from keras_rtd.pretraining import pretrain
from keras_rtd.pretraining import resolve
from keras_rtd.training.adamw import AdamW
from keras_rtd.training.muon import Muon

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


@pytest.mark.run_once
def test_a_run_of_modern_layers_on_shared_rows(world):
    run_dir = world / "modern"
    result = run(
        world,
        run_dir,
        "--block=modern",
        "--local_attention_window=4",
        "--segments=documents",
        # Over the preset's 32 positions, which modern layers do not mind.
        "--sequence_length=48",
    )
    assert result.returncode == 0, result.stderr
    text = (run_dir / "metrics.jsonl").read_text("utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    assert [row["step"] for row in rows] == [3, 6]
    assert all(np.isfinite(v) for row in rows for v in row.values())
    model = ElectraPretrainer.from_preset(str(run_dir / "preset"))
    assert model.backbone.family == model.generator.family == "modernbert"
    assert model.backbone.local_attention_window == 4
    assert model.backbone.max_sequence_length == 48
    assert (run_dir / "saved_model").is_dir()


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"block": "post"}, "--block must be one of electra, modern"),
        ({"local_attention_window": 4}, "argument.*'local_attention_w"),
        ({"block": "modern", "init_from": True}, "Pass load_weights=False"),
    ],
)
def test_what_does_not_fit_is_named(world, tmp_path, settings, message):
    settings = {
        "preset": str(world / "preset"),
        "data": "x",
        "dtype": "float32",
        "run_dir": str(tmp_path / "run"),
        **settings,
    }
    if "init_from" in settings:
        settings["init_from"] = settings["preset"]
    with pytest.raises(ValueError, match=message):
        pretrain(resolve(given=settings))


def test_the_optimizer_is_the_presets_unless_another_is_named():
    name = "rtd_modern_tiny_uncased_en"
    given = {"preset": name, "data": "x", "dtype": "float32"}
    assert kind_and_rate(given) == (Muon, 4e-3)
    given["optimizer"] = "adamw"
    with pytest.raises(ValueError, match="--learning_rate must be given with"):
        resolve(given=given)
    given["learning_rate"] = 1e-3
    assert kind_and_rate(given) == (AdamW, 1e-3)


def kind_and_rate(given):
    optimizer = tiny.built(resolve(given=given)).optimizer
    schedule = optimizer.get_config()["learning_rate"]["config"]
    return type(optimizer), schedule["learning_rate"]


@pytest.mark.parametrize(
    "dtype, products", [("float32", "float32"), ("mixed_bfloat16", "bfloat16")]
)
def test_muons_products_have_the_runs_type(dtype, products):
    config = resolve(
        given={
            "preset": "rtd_modern_tiny_uncased_en",
            "data": "x",
            "dtype": dtype,
        }
    )
    assert tiny.built(config).optimizer.product_dtype == products
