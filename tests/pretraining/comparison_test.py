"""Objectives compared: the figures, the picture, and the recipe."""

import json
import pathlib
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from keras_rtd.pretraining import comparison

RECIPE = pathlib.Path(__file__).parents[2] / "recipes" / "compare_objectives.py"


def run(objective, seed, values, metric="probe_auc", flops=2e12):
    rows = [
        {"step": i + 1, "flops": flops * (i + 1), metric: value}
        for i, value in enumerate(values)
    ]
    return {
        "objective": objective,
        "seed": seed,
        "steps": len(rows),
        "flops": rows[-1]["flops"],
        "flops_per_token": 3e6,
        "rows": rows,
        "suites": {},
    }


RUNS = [
    run("electra", 0, [0.5, 0.7]),
    run("electra", 1, [0.6, 0.9]),
    run("mlm", 0, [6.0, 5.0, 4.0], "val_masked_lm_loss", 1e12),
]


def test_the_table_has_the_median_and_the_range():
    runs = [*RUNS, run("electra", 2, [0.5, 0.75])]
    entry = comparison.summarise(runs)["electra"]
    assert entry["probe_auc"] == {"median": 0.75, "low": 0.7, "high": 0.9}
    assert entry["seeds"] == [0, 1, 2] and entry["flops"] == 4e12
    lines = comparison.table(runs).splitlines()
    assert lines[2] == (
        "| electra | 4e+12 | 3.0 M | 2 | 3 | 0.750 (0.700 to 0.900) |  |"
    )
    assert lines[3] == "| mlm | 3e+12 | 3.0 M | 3 | 1 |  | 4.000 |"


def test_suites_are_columns_of_their_own():
    runs = [{**r, "suites": {"BLiMP": 50.0 + i}} for i, r in enumerate(RUNS)]
    lines = comparison.table(runs).splitlines()
    assert lines[0].endswith("| Masked LM loss | BLiMP |")
    assert lines[2].endswith("|  | 50.5 (50.0 to 51.0) |")
    assert lines[3].endswith("| 4.000 | 52.0 |")


def test_the_picture_draws_means_over_seeds():
    svg = ElementTree.fromstring(comparison.picture(RUNS))
    lines = [e for e in svg.iter() if e.tag.endswith("polyline")]
    assert [e.get("class") for e in lines] == ["line s0", "line s1"]
    titles = [e.text for e in svg.iter() if e.tag.endswith("}title")]
    assert "electra, 2.0: 0.550" in titles and "electra, 4.0: 0.800" in titles
    texts = [e.text for e in svg.iter() if e.tag.endswith("}text")]
    assert "TFLOP" in texts and "electra" in texts


def compare(world, folder, *extra):
    return subprocess.run(
        [
            sys.executable,
            str(RECIPE),
            f"--preset={world / 'preset'}",
            f"--data={world / 'prepared'}",
            f"--run_dir={folder}",
            "--batch_size=4",
            "--sequence_length=16",
            "--eval_every=4",
            "--eval_batches=2",
            *extra,
        ],
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_the_recipe_spends_the_same_on_each_and_resumes(world, tmp_path):
    extra = ("--objectives", "electra", "mlm", "--flops=2e7")
    result = compare(world, tmp_path, *extra)
    assert result.returncode == 0, result.stderr
    found = json.loads((tmp_path / "comparison.json").read_text("utf-8"))
    for one in found["runs"]:
        step = one["flops_per_token"] * 4 * 16
        assert 2e7 - step < one["flops"] <= 2e7
        assert one["rows"][-1]["step"] == one["steps"]
    electra, mlm = found["runs"]
    assert mlm["steps"] > electra["steps"]
    assert "probe_auc" in found["summary"]["electra"]
    assert "val_masked_lm_loss" in found["summary"]["mlm"]
    assert "| mlm |" in (tmp_path / "comparison.md").read_text("utf-8")
    again = compare(world, tmp_path, *extra)
    assert again.stdout.count("nothing to do") == 2


@pytest.mark.slow
def test_bad_settings_are_named(world, tmp_path):
    for flags, message in (
        (["--objectives", "bert"], "--objectives must be some of electra, mlm"),
        (["--train_steps=5"], "--train_steps must be left out"),
        (["--flops=0"], "--flops must be above 0"),
        (["--flops=10"], "--flops 10 is less than one step of electra"),
        (
            ["--objectives", "mlm", "--temperature=2"],
            "--temperature must be left out: none of the objectives",
        ),
    ):
        result = compare(world, tmp_path, *flags)
        assert result.returncode == 2 and message in result.stderr
