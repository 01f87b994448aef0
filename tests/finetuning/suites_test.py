import json

import pytest
import tiny

from keras_rtd.evaluation import evaluate
from keras_rtd.utils.setting import ConfigError

SETTINGS = {"epochs": 1, "batch_size": 8, "sequence_length": 16}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The smallest files that each suite takes."""
    path = tmp_path_factory.mktemp("data")
    for name in ("SST-2", "CoLA", "conll2000"):
        (path / name).mkdir()
    rows = [
        f"{'people' if i % 2 else 'down'} was the\t{i % 2}\n" for i in range(16)
    ]
    for split in ("train", "dev"):
        (path / "SST-2" / f"{split}.tsv").write_text(
            "".join(["sentence\tlabel\n", *rows])
        )
        # CoLA has no header, and four columns.
        lines = [row.rstrip().split("\t") for row in rows]
        (path / "CoLA" / f"{split}.tsv").write_text(
            "".join(f"x\t{label}\t\t{text}\n" for text, label in lines)
        )
    text = "people B-X\nnow I-X\nwas O\n\n" * 8
    for split in ("train", "test"):
        (path / "conll2000" / f"{split}.txt").write_text(text)
    paragraphs = [
        {
            "context": "the people was out",
            "qas": [
                {
                    "id": str(i),
                    "question": "who",
                    "answers": [{"text": "people", "answer_start": 4}],
                }
            ],
        }
        for i in range(8)
    ]
    for split in ("train", "dev"):
        (path / f"{split}-v1.1.json").write_text(
            json.dumps({"data": [{"paragraphs": paragraphs}]})
        )
    return path


@pytest.fixture(scope="module")
def model():
    return tiny.pretrainer(with_tokenizer=True)


def test_glue_runs_the_tasks_that_are_there(model, data, tmp_path):
    run = {"run_dir": tmp_path / "run", **SETTINGS}
    result = evaluate(model, "glue", data, seeds=2, **run)
    assert list(result["tasks"]) == ["sst2", "cola"]
    for task in result["tasks"].values():
        assert len(task["runs"]) == 2
    medians = [
        result["tasks"]["sst2"]["median"]["accuracy"],
        result["tasks"]["cola"]["median"]["matthews"],
    ]
    assert result["average"] == pytest.approx(sum(medians) / 2)
    written = json.loads((tmp_path / "run" / "suite.json").read_text())
    assert written == result
    assert "sst2" in (tmp_path / "run" / "suite.md").read_text()
    # Called again it reads what is there; another model is refused.
    assert evaluate(model, "glue", data, seeds=2, **run) == result
    other = tiny.pretrainer(with_tokenizer=True)
    with pytest.raises(ConfigError, match="holds runs with other settings"):
        evaluate(other, "glue", data, seeds=2, **run)
    with pytest.raises(ConfigError, match="pooling: 'cls' there, 'mean' now"):
        evaluate(model, "glue", data, seeds=2, pooling="mean", **run)


@pytest.mark.parametrize(
    "suite, task, metric",
    [("tagging", "conll2000", "f1"), ("squad", "squad1", "exact_match")],
)
def test_other_suites(suite, task, metric, model, data, tmp_path):
    model.save_to_preset(str(tmp_path / "preset"))
    result = evaluate(
        tmp_path / "preset", suite, data, run_dir=tmp_path / "run", **SETTINGS
    )
    assert list(result["tasks"]) == [task]
    assert 0 <= result["tasks"][task]["median"][metric] <= 100
    config = json.loads((tmp_path / "run" / task / "config.json").read_text())
    assert config["model"]["init_from"] == str(tmp_path / "preset")


@pytest.mark.parametrize(
    "suite, change, message",
    [
        ("glue", {"tasks": ["wnli"]}, "`tasks` are of sst2.*'wnli'"),
        ("glue", {"tasks": ["rte"]}, "No train.tsv or train.tsv.gz in .*RTE"),
        ("glue", {"run_dir": None}, "give `run_dir`"),
        ("glue", {"rate": 1}, "does not take 'rate'. It takes .*batch_size"),
        ("glue", {"init_from": "x"}, "does not take 'init_from'"),
        ("tagging", {"batch_size": 0}, "batch_size must be at least 1"),
        (
            "squad",
            {"tasks": ["squad2"]},
            r"One file train-v2.0\*.json\* .*Found: none",
        ),
    ],
)
def test_refused_before_any_work(suite, change, message, data, tmp_path):
    arguments = {"run_dir": tmp_path / "run", **change}
    with pytest.raises(ValueError, match=message):
        evaluate("nowhere", suite, data, **arguments)
    assert not (tmp_path / "run").exists()


def test_no_files_at_all(model, tmp_path):
    with pytest.raises(ValueError, match="No task's files are there.*SST-2"):
        evaluate(model, "glue", tmp_path, run_dir=tmp_path / "run")
