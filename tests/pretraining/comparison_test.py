"""Objectives compared: the figures, the picture, and the recipe."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from keras_rtd.commands import compare_objectives
from keras_rtd.pretraining import comparison
from keras_rtd.pretraining import comparison_picture
from keras_rtd.pretraining.comparison_plan import Comparison
from keras_rtd.utils.setting import ConfigError

RECIPE = pathlib.Path(__file__).parents[2] / "recipes" / "compare_objectives.py"


def run(objective, seed, values, metric="probe_auc", flops=2e12):
    rows = [
        {"step": i + 1, "flops": flops * (i + 1), metric: value}
        for i, value in enumerate(values)
    ]
    return {
        "name": objective,
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
    entry = comparison.summarise(runs)[0]
    figures = entry["probe_auc"]
    assert figures.pop("mean") == pytest.approx((0.7 + 0.9 + 0.75) / 3)
    assert figures == {"median": 0.75, "low": 0.7, "high": 0.9}
    assert entry["name"] == "electra"
    assert entry["seeds"] == [0, 1, 2] and entry["flops"] == 4e12
    lines = comparison.table(runs).splitlines()
    assert lines[2] == (
        "| electra | 4e+12 | 3.0 M | 2 | 3 | 0.750 (0.700 to 0.900) |  |"
    )
    assert lines[3] == "| mlm | 3e+12 | 3.0 M | 3 | 1 |  | 4.000 |"


def test_tasks_are_fine_tuned_as_asked():
    assert plan(glue_epochs=2).settings.trained_suites() == {}
    config = plan(
        glue="g",
        glue_epochs=2,
        tagging="t",
        tagging_tasks=["wnut17"],
    )
    assert config.settings.trained_suites() == {
        "glue": ("g", {"tasks": None, "epochs": 2}),
        "tagging": ("t", {"tasks": ["wnut17"]}),
    }
    with pytest.raises(ConfigError, match="--glue_epochs must be at least 1"):
        plan(glue_epochs=0)
    with pytest.raises(ConfigError, match="--tagging_tasks must be of conll2"):
        plan(tagging_tasks=["sst2"])


def test_suites_are_columns_of_their_own():
    runs = [{**r, "suites": {"BLiMP": 50.0 + i}} for i, r in enumerate(RUNS)]
    lines = comparison.table(runs).splitlines()
    assert lines[0].endswith("| Masked LM loss | BLiMP |")
    assert lines[2].endswith("|  | 50.5 (50.0 to 51.0) |")
    assert lines[3].endswith("| 4.000 | 52.0 |")


def test_the_picture_draws_means_over_seeds():
    svg = ElementTree.fromstring(comparison_picture.picture(RUNS))
    lines = [e for e in svg.iter() if e.tag.endswith("polyline")]
    assert [e.get("class") for e in lines] == ["line s0", "line s1"]
    titles = [e.text for e in svg.iter() if e.tag.endswith("}title")]
    assert "electra, 2.0: 0.550" in titles and "electra, 4.0: 0.800" in titles
    texts = [e.text for e in svg.iter() if e.tag.endswith("}text")]
    assert "TFLOP" in texts and "electra" in texts


def scored(name, seed, flops, score):
    one = run(name, seed, [0.6, 0.6 + flops / 1e15], flops=flops / 2)
    return {**one, "suites": {"stsb": score}}


BUDGETS = [
    scored("electra", 0, 3e13, 30.0),
    scored("electra", 1, 3e13, 50.0),
    scored("electra", 0, 1e14, 60.0),
    scored("mlm", 0, 3e13, 10.0),
    scored("mlm", 0, 1e14, 38.0),
]


def test_less_compute_for_the_same_score_is_said():
    # Of the mean of both seeds, 40, at .3 of the compute.
    report = comparison.report(BUDGETS)
    assert report.endswith(
        "\n- stsb: electra has 40.0 with 0.30 of the FLOPs of mlm, which ends "
        "at 38.0\n"
    )
    assert [row.count("|") for row in report.splitlines()[:6]] == [8] * 6
    assert comparison.reached(BUDGETS[2:]) == []


def test_the_picture_of_several_budgets_has_the_ends():
    svg = ElementTree.fromstring(comparison_picture.picture(BUDGETS))
    titles = [e.text for e in svg.iter() if e.tag.endswith("}title")]
    assert [t for t in titles if t.startswith("electra")] == [
        "electra, 30.0: 0.630",
        "electra, 100.0: 0.700",
        "electra, 30.0: 40.0",
        "electra, 100.0: 60.0",
    ]


def test_the_picture_against_a_setting_has_the_ends_and_the_seeds():
    # The line is of seed 0, which all have; seed 1 is a ring.
    runs = [
        {**scored("cool", 0, 1e14, 60.0), "at": 1.0, "budget": 1e14},
        {**scored("hot", 0, 1e14, 70.0), "at": 2.0, "budget": 1e14},
        {**scored("hot", 1, 1e14, 80.0), "at": 2.0, "budget": 1e14},
        {**scored("warm", 0, 1e14, 77.0), "at": 1.5, "budget": 1e14},
    ]
    picture = comparison_picture.picture(runs, against="temperature")
    svg = ElementTree.fromstring(picture)
    titles = [e.text for e in svg.iter() if e.tag.endswith("}title")]
    assert titles[-3:] == [
        "1e+14 FLOPs, 1.0: 60.0",
        "1e+14 FLOPs, 1.5: 77.0",
        "1e+14 FLOPs, 2.0: 70.0",
    ]
    # One chart of the probe, one of the task, each with hot's two seeds.
    rings = [e for e in svg.iter() if e.get("class") == "ring s0"]
    low, high = (float(ring.get("cy")) for ring in rings[2:])
    assert len(rings) == 4 and low > high
    texts = [e.text for e in svg.iter() if e.tag.endswith("}text")]
    assert {"temperature", "0.5", "1.5"} <= set(texts)
    # Both seeds at both ends: their means.
    runs[0:1] = [runs[0], {**runs[0], "seed": 1, "suites": {"stsb": 64.0}}]
    picture = comparison_picture.picture(runs[:-1], against="temperature")
    assert "1e+14 FLOPs, 1.0: 62.0" in picture
    assert "1e+14 FLOPs, 2.0: 75.0" in picture


def test_every_variant_gives_the_setting_of_the_axis():
    config = plan(against="temperature", variants=("b: --temperature=2", "a:"))
    found = [config.run(key)[0].objective for key in config.runs()]
    assert [objective.temperature for objective in found] == [2, 1]
    config = plan(
        against="generator_hidden_dim",
        variants=("b: --generator_hidden_dim=64", "a:", "c: --objective=mlm"),
        generator_hidden_dim=32,
    )
    assert config.run("a-0")[0].generator.generator_hidden_dim == 32
    # Masked LM has no generator, so it has no value either.
    with pytest.raises(
        ConfigError, match="against=generator_.*: c has no numb"
    ):
        config.run("c-0")


def command(world, folder, *extra):
    return [
        sys.executable,
        str(RECIPE),
        f"--preset={world / 'preset'}",
        f"--data={world / 'prepared'}",
        f"--run_dir={folder}",
        "--batch_size=4",
        "--sequence_length=16",
        "--eval_every=4",
        "--eval_batches=2",
        "--dtype=float32",
        *extra,
    ]


def compare(world, folder, *extra):
    return subprocess.run(
        command(world, folder, *extra), capture_output=True, text=True
    )


def test_a_report_trains_nothing(world, tmp_path, capsys):
    config = plan(
        preset=str(world / "preset"),
        data=str(world / "prepared"),
        run_dir=str(tmp_path),
        sequence_length=16,
        variants=("plain:",),
        report_only=True,
    )
    compare_objectives.compare(config, [])
    assert "1 of 1 runs are not finished" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_recipe_spends_the_same_on_each_and_resumes(world, tmp_path):
    extra = ("--flops=2e7", "--objectives", "electra", "mlm")
    result = compare(world, tmp_path, *extra)
    assert result.returncode == 0, result.stderr
    found = json.loads((tmp_path / "comparison.json").read_text("utf-8"))
    for one in found["runs"]:
        step = one["flops_per_token"] * 4 * 16
        assert 2e7 - step < one["flops"] <= 2e7
        assert one["rows"][-1]["step"] == one["steps"]
    electra, mlm = found["runs"]
    assert mlm["steps"] > electra["steps"]
    assert "probe_auc" in found["summary"][0]
    assert "val_masked_lm_loss" in found["summary"][1]
    assert "| mlm |" in (tmp_path / "comparison.md").read_text("utf-8")
    again = compare(world, tmp_path, *extra)
    assert again.stdout.count("nothing to do") == 2
    report = compare(world, tmp_path, *extra, "electra_15", "--report_only")
    assert "1 of 3 runs are not finished" in report.stdout
    later = json.loads((tmp_path / "comparison.json").read_text("utf-8"))
    assert later == found and not (tmp_path / "electra_15-0").exists()


@pytest.mark.slow
def test_workers_share_the_runs_and_go_on_after_a_kill(world, tmp_path):
    extra = (
        "--variants",
        "plain:",
        "muon: --optimizer=muon --learning_rate=1e-3",
        "apart: --embedding_sharing=separate",
        "--flops=4e7",
        "--workers=2",
        "--checkpoint_every=2",
    )
    running = subprocess.Popen(
        command(world, tmp_path, *extra), stdout=subprocess.PIPE, text=True
    )
    killed = None
    for line in running.stdout:
        if killed is None and line.startswith("[plain-0] held out"):
            lock = tmp_path / "plain-0" / "run.lock"
            killed = int(lock.read_text())
            os.kill(killed, signal.SIGKILL)
        if line.startswith("[plain-0] killed by signal 9"):
            killed = True
    assert running.wait() == 0 and killed is True
    found = json.loads((tmp_path / "comparison.json").read_text("utf-8"))
    names = [entry["name"] for entry in found["summary"]]
    assert names == ["plain", "muon", "apart"]
    for one in found["runs"]:
        assert one["rows"][-1]["step"] == one["steps"]
    again = compare(world, tmp_path, *extra)
    assert again.returncode == 0 and "[plain-0]" not in again.stdout


def plan(**values):
    return Comparison({"data": "x", **values})


def test_a_variant_is_a_name_and_flags():
    config = plan(
        variants=(
            "plain:",
            "muon: --optimizer=muon --learning_rate=1e-3",
            "mlm: --objective=mlm",
        ),
        objectives=("electra",),
        seeds=("0", "1"),
    )
    assert config.entries() == {
        "electra": {"objective": "electra"},
        "plain": {},
        "muon": {"optimizer": "muon", "learning_rate": 1e-3},
        "mlm": {"objective": "mlm"},
    }
    assert list(config.runs())[3:5] == ["mlm-0", "electra-1"]
    assert list(plan().entries()) == [
        "electra",
        "mlm",
        "all_tokens_mlm",
        "electra_15",
    ]


def test_budgets_have_folders_of_their_own():
    config = plan(
        objectives=("electra", "mlm"), seeds=(0, 1), flops=("1e14", "2.5e13")
    )
    keys = list(config.runs())
    assert keys[0] == "2.5e13/electra-0" and keys[-1] == "1e14/mlm-1"
    assert len(keys) == 8
    small, per_token = config.run(keys[0])
    large, _ = config.run("1e14/electra-0")
    assert small.run.run_dir.endswith("2.5e13/electra-0")
    assert large.run.train_steps == pytest.approx(
        4 * small.run.train_steps, abs=4
    )
    assert small.run.train_steps == int(2.5e13 // (per_token * 32 * 128))


def test_runs_spend_the_same_with_settings_of_their_own():
    config = plan(
        variants=(
            "large: --batch_size=64",
            "mlm: --objective=mlm",
            "frozen: --frozen_generator=electra_tiny_uncased_en",
        ),
        temperature=2.0,
        flops=(1e13,),
        seeds=(3,),
    )
    steps = {}
    for name in config.entries():
        run, per_token = config.run(f"{name}-3")
        assert (run.run.seed, run.data.data) == (3, ("x",))
        assert run.run.run_dir.endswith(f"{name}-3")
        step = per_token * run.run.batch_size * run.data.sequence_length
        assert 1e13 - step < step * run.run.train_steps <= 1e13
        steps[name] = run.run.train_steps
        temperature = None if name == "mlm" else 2.0
        assert getattr(run.objective, "temperature", None) == temperature
    # 8.2 and 6.5 MFLOP a token; of a frozen generator a third of 2.6.
    assert steps["mlm"] / steps["large"] == pytest.approx(
        2 * 8.2 / 6.5, rel=0.02
    )
    assert steps["frozen"] / steps["large"] == pytest.approx(
        2 * 8.2 / (5.6 + 2.6 / 3), rel=0.02
    )


@pytest.mark.parametrize(
    "values, message",
    [
        ({"objectives": ("bert",)}, "--objectives must be some of electra"),
        ({"train_steps": 5}, "--train_steps must be left out"),
        ({"flops": ("0",)}, "--flops must be above 0"),
        ({"flops": ("much",)}, "--flops must be a number"),
        ({"flops": ("3e13", "3e13")}, "--flops must be different"),
        ({"workers": 0}, "--workers must be at least 1"),
        (
            {"objectives": ("mlm",), "temperature": 2.0},
            "--temperature must be left out",
        ),
        ({"variants": ("muon",)}, "must be of the form NAME: --flag=value"),
        ({"variants": ("a:", "a:")}, "--variants must be of different names"),
        ({"variants": ("a: --seed=1",)}, "a: --seed must be left out"),
        ({"variants": ("a: --speed=1",)}, "a: --speed is no setting"),
        ({"against": "heat"}, "--against must be a setting's name"),
        (
            {"only": "mlm-0", "report_only": True},
            "--report_only must be left out beside --only",
        ),
        ({"only": "electra-7"}, "--only must be one of electra-0, mlm-0"),
    ],
)
def test_bad_settings_are_named(values, message):
    with pytest.raises(ConfigError, match=message):
        plan(**values)


def test_too_little_compute_is_named():
    with pytest.raises(ConfigError, match="less than one call of electra"):
        plan(flops=(10.0,)).run("electra-0")
    with pytest.raises(ConfigError, match="bad: --learning_rate must be above"):
        plan(variants=("bad: --learning_rate=0",)).run("bad-0")
