import json
import os
import pathlib
import signal
import subprocess
import sys

import numpy as np
import pytest
import tiny

from keras_rtd.finetuning import finetune
from keras_rtd.finetuning.problems import Glue
from keras_rtd.finetuning.problems import Squad
from keras_rtd.finetuning.problems import Tagging
from keras_rtd.finetuning.settings import resolve
from keras_rtd.models import ElectraTextClassifier

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A preset, and tasks whose answers stand in the text."""
    path = tmp_path_factory.mktemp("world")
    tiny.pretrainer(with_tokenizer=True).save_to_preset(str(path / "preset"))
    rng = np.random.default_rng(0)

    def sentence():
        return list(rng.choice(tiny.WORDS[:30], rng.integers(3, 9)))

    folder = path / "SST-2"
    folder.mkdir()
    for name, count in (("train", 96), ("dev", 32)):
        lines = ["sentence\tlabel"]
        for i in range(count):
            words = [["people", "down"][i % 2], *sentence()]
            lines.append(f"{' '.join(words)}\t{i % 2}")
        (folder / f"{name}.tsv").write_text("\n".join(lines) + "\n")
    for name, count in (("train.txt", 48), ("test.txt", 12)):
        text = ""
        for _ in range(count):
            words = [*sentence(), "people", "now"]
            tags = ["O"] * (len(words) - 2) + ["B-X", "I-X"]
            text += "".join(f"{w} {t}\n" for w, t in zip(words, tags)) + "\n"
        (path / name).write_text(text)
    paragraphs = []
    for i in range(24):
        words = sentence()
        words[1] = "people"
        context = " ".join(words)
        answer = {"text": "people", "answer_start": context.index("people")}
        question = {"id": str(i), "question": "who", "answers": [answer]}
        paragraphs.append({"context": context, "qas": [question]})
    squad = {"data": [{"title": "", "paragraphs": paragraphs}]}
    (path / "squad.json").write_text(json.dumps(squad))
    return path


def settings(world, run_dir, **kwargs):
    return resolve(
        {
            "dtype": "float32",
            "init_from": str(world / "preset"),
            "data": str(world),
            "run_dir": str(run_dir),
            "epochs": 3,
            "batch_size": 8,
            "learning_rate": 3e-3,
            "layer_decay": 1.0,
            "dropout": 0.0,
            **kwargs,
        }
    )


def test_runs_of_several_seeds_are_scored_and_the_best_is_kept(
    world, tmp_path, capsys
):
    config = settings(world, tmp_path / "run", seeds=2, epochs=12)
    results = finetune(config, Glue("sst2", str(world)))
    runs = results["runs"]
    assert [run["seed"] for run in runs] == [0, 1]
    values = [run["accuracy"] for run in runs]
    assert max(values) > 90
    assert results["median"]["accuracy"] == sum(values) / 2
    assert results["spread"]["accuracy"] == max(values) - min(values)
    assert "| sst2 | accuracy |" in capsys.readouterr().out
    stored = json.loads((tmp_path / "run" / "results.json").read_text())
    assert stored == results
    log = (tmp_path / "run" / "seed-0" / "metrics.jsonl").read_text()
    assert [json.loads(x)["epoch"] for x in log.splitlines()] == list(
        range(1, 13)
    )
    epochs = [
        (json.loads(line)["accuracy"], -seed, -json.loads(line)["epoch"])
        for seed in (0, 1)
        for line in (tmp_path / "run" / f"seed-{seed}" / "metrics.jsonl")
        .read_text()
        .splitlines()
    ]
    best = json.loads((tmp_path / "run" / "best.json").read_text())
    found = (best["accuracy"], -best["seed"], -best["epoch"])
    # The first of those that are equal.
    assert found == max(epochs)
    card = (tmp_path / "run" / "best" / "README.md").read_text("utf-8")
    assert f"| accuracy | {best['accuracy']:.4g} |" in card
    assert f"| epoch | {best['epoch']} |" in card and "- `sst2`" in card
    model = ElectraTextClassifier.from_preset(str(tmp_path / "run" / "best"))
    assert Glue("sst2", str(world)).score(model) == {
        "accuracy": best["accuracy"]
    }
    guess = model.predict(["people the a", "down the a"], verbose=0).argmax(-1)
    assert guess.tolist() == [0, 1] and model.class_names == ["0", "1"]
    # Nothing is run again.
    before = (tmp_path / "run" / "best.json").stat().st_mtime_ns
    again = finetune(config, Glue("sst2", str(world)))
    assert again == results
    assert (tmp_path / "run" / "best.json").stat().st_mtime_ns == before


def test_tagging_and_answering(world, tmp_path):
    problem = Tagging("x", world / "train.txt", world / "test.txt")
    config = settings(world, tmp_path / "tags", epochs=12)
    results = finetune(config, problem)
    assert results["median"]["f1"] > 90
    problem = Squad(world / "squad.json", world / "squad.json")
    assert problem.name == "squad1"
    config = settings(world, tmp_path / "answers", epochs=40)
    results = finetune(config, problem)
    assert results["median"]["exact_match"] > 80


def command(world, run_dir, *extra):
    return [
        sys.executable,
        str(ROOT / "recipes" / "finetune_glue.py"),
        "--task=sst2",
        f"--data={world}",
        f"--init_from={world / 'preset'}",
        f"--run_dir={run_dir}",
        "--batch_size=4",
        "--checkpoint_every=5",
        *extra,
    ]


@pytest.mark.slow
def test_a_stopped_run_goes_on_to_the_same_scores(world, tmp_path):
    whole = subprocess.run(
        command(world, tmp_path / "whole"), capture_output=True, text=True
    )
    assert whole.returncode == 0, whole.stderr
    stopped = tmp_path / "stopped"
    process = subprocess.Popen(
        command(world, stopped),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    checkpoints = stopped / "seed-0" / "checkpoints"
    while not list(checkpoints.glob("step-*.npz")):
        assert process.poll() is None, process.communicate()[1]
        os.sched_yield()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate()
    assert process.returncode == 0, err
    if "goes on from there" not in out:
        pytest.skip("the run was over before the signal came")
    again = subprocess.run(
        command(world, stopped), capture_output=True, text=True
    )
    assert again.returncode == 0, again.stderr
    name = "seed-0/metrics.jsonl"
    assert (stopped / name).read_text() == (
        tmp_path / "whole" / name
    ).read_text()
    a, b = (
        ElectraTextClassifier.from_preset(str(p / "best")).get_weights()
        for p in (tmp_path / "whole", stopped)
    )
    for x, y in zip(a, b):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize(
    "extra, message",
    [
        (["--epochs=0"], "--epochs must be at least 1"),
        (["--layer_decay=2"], "--layer_decay must be at most 1"),
        (["--task=nothing"], "--task must be one of sst2"),
        (["--task=cola"], "CoLA"),
        (["--init_from=nowhere"], "No preset 'nowhere'"),
        (
            ["--init_from=electra_small_uncased_en"],
            "'electra_small_uncased_en' has no weights",
        ),
        (["--sequence_length=64"], "The encoder has 32 positions"),
    ],
)
@pytest.mark.slow
def test_bad_settings_are_one_line(world, tmp_path, extra, message):
    result = subprocess.run(
        command(world, tmp_path / "run", *extra), capture_output=True, text=True
    )
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert message in result.stderr.splitlines()[-1]


def test_other_settings_in_one_directory_are_refused(world, tmp_path):
    problem = Glue("sst2", str(world), limit=8)
    finetune(settings(world, tmp_path / "run", epochs=1), problem)
    with pytest.raises(ValueError, match="epochs: 1 there, 2 now"):
        finetune(settings(world, tmp_path / "run", epochs=2), problem)
    with pytest.raises(ValueError, match="data_identity: '.*' there, '.*' now"):
        finetune(
            settings(world, tmp_path / "run", epochs=1),
            Glue("sst2", str(world), limit=7),
        )


def test_a_profile_says_where_a_step_goes_and_runs_nothing(
    world, tmp_path, capsys
):
    config = settings(world, tmp_path / "run", profile=True)
    assert finetune(config, Glue("sst2", str(world))) is None
    lines = capsys.readouterr().out.splitlines()
    start = lines.index("a step's time")
    parts = ("encoder", "head and loss", "backward", "optimizer", "input wait")
    for line, name in zip(lines[start + 1 :], (*parts, "step"), strict=False):
        assert line.strip().startswith(name) and " ms" in line
    traces = [p for p in (tmp_path / "run/profile").rglob("*") if p.is_file()]
    assert traces and all(path.stat().st_size for path in traces)
    assert not (tmp_path / "run" / "results.json").exists()
    # The run itself is still to come.
    config = settings(world, tmp_path / "run")
    assert finetune(config, Glue("sst2", str(world)))["runs"]
