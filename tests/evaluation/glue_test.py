import gzip

import numpy as np
import pytest

from keras_rtd.evaluation import glue

# The header and one labelled row of each official file.
ROWS = {
    "sst2": ("sentence\tlabel", "a fine film \t1", (("a fine film ",), 1)),
    "cola": (None, 'gj04\t0\t*\tHe "go.', (('He "go.',), 0)),
    "mrpc": (
        "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String",
        '1\t12\t13\tHe said " so .\tSo he said .',
        (('He said " so .', "So he said ."), 1),
    ),
    "rte": (
        "index\tsentence1\tsentence2\tlabel",
        "0\tIt rained.\tIt was wet.\tnot_entailment",
        (("It rained.", "It was wet."), 1),
    ),
    "stsb": (
        "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\t"
        "sentence1\tsentence2\tscore",
        "0\ta\tb\tc\td\te\tf\tA cat.\tA dog.\t2.250",
        (("A cat.", "A dog."), 2.25),
    ),
    "qnli": (
        "index\tquestion\tsentence\tlabel",
        "0\tWho?\tNobody.\tentailment",
        (("Who?", "Nobody."), 0),
    ),
    "mnli": (
        "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\t"
        "sentence2_binary_parse\tsentence1_parse\tsentence2_parse\t"
        "sentence1\tsentence2\tlabel1\tgold_label",
        "0\t1\t1n\tx\t(\t(\t(\t(\tOne.\tTwo.\tneutral\tneutral",
        (("One.", "Two."), 2),
    ),
    "qqp": (
        "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate",
        "0\t1\t2\tWhy?\tHow?\t0",
        (("Why?", "How?"), 0),
    ),
}


def write(path, header, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join([*([header] if header else []), *rows]) + "\n"
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", encoding="utf-8", newline="\n") as file:
        file.write(text)


@pytest.mark.parametrize("name", glue.TASKS)
def test_official_files(name, tmp_path):
    task = glue.TASKS[name]
    header, row, (texts, label) = ROWS[name]
    write(tmp_path / task.folder / "train.tsv.gz", header, [row, row])
    write(tmp_path / "b" / task.files["dev"], header, [row])
    for directory, split, count in (
        (tmp_path, "train", 2),
        (tmp_path / task.folder, "train", 2),
        (str(tmp_path / "b"), "dev", 1),
    ):
        examples = glue.read(name, directory, split)
        assert len(examples) == count
        assert examples.first == [texts[0]] * count
        assert examples.second == (
            [texts[1]] * count if len(texts) == 2 else None
        )
        assert examples.labels.tolist() == [label] * count
        assert examples.labels.dtype == (
            np.float32 if task.is_regression else np.int32
        )


def test_what_the_tasks_are():
    both = [name for name, task in glue.TASKS.items() if task.both_orders]
    assert both == ["mrpc", "stsb"]
    assert {name: task.num_labels for name, task in glue.TASKS.items()} == {
        "sst2": 2,
        "cola": 2,
        "mrpc": 2,
        "rte": 2,
        "stsb": 1,
        "qnli": 2,
        "mnli": 3,
        "qqp": 2,
    }
    for task in glue.TASKS.values():
        assert task.main_metric in task.metrics


def test_mnli_has_two_dev_sets(tmp_path):
    header, row, _ = ROWS["mnli"]
    write(tmp_path / "dev_matched.tsv", header, [row])
    write(tmp_path / "dev_mismatched.tsv", header, [row, row, row])
    assert len(glue.read("mnli", tmp_path, "dev")) == 1
    assert len(glue.read("mnli", tmp_path, "dev_mismatched")) == 3


def test_test_files_have_no_labels(tmp_path):
    # CoLA's has a header, unlike its others.
    write(tmp_path / "test.tsv", "index\tsentence", ["0\tHe goes."])
    examples = glue.read("cola", tmp_path, "test")
    assert examples.first == ["He goes."] and examples.labels is None


def test_only_line_feeds_end_a_line(tmp_path):
    rows = ["one\x85two\u2028three\t1", "four\t0"]
    write(tmp_path / "train.tsv", "sentence\tlabel\r", [r + "\r" for r in rows])
    text = (tmp_path / "train.tsv").read_text("utf-8")
    (tmp_path / "train.tsv").write_bytes(
        b"\xef\xbb\xbf" + text.replace("\r\n", "\n").encode()
    )
    examples = glue.read("sst2", tmp_path, "train")
    assert examples.first == ["one\x85two\u2028three", "four"]


def test_qqp_leaves_out_incomplete_rows(tmp_path):
    header, row, _ = ROWS["qqp"]
    write(tmp_path / "train.tsv", header, [row, "7\t8\t9\tHalf a", row])
    examples = glue.read("qqp", tmp_path, "train")
    assert len(examples) == 2 and examples.skipped == 1


@pytest.mark.parametrize(
    "name, split, rows, message",
    [
        ("sst2", "train", ["fine\t1", "bad\t2"], "line 3.*'2'.*0, 1"),
        ("sst2", "train", ["fine\t1", "bad"], "line 3: 1 columns where 2"),
        ("stsb", "train", [ROWS["stsb"][1][:-5] + "5.5"], "line 2.*'5.5'"),
        ("stsb", "train", [ROWS["stsb"][1][:-5] + "nan"], "line 2.*'nan'"),
        ("sst2", "train", [], "no rows"),
        ("sst2", "dev", ["fine\t1"], "No dev.tsv or dev.tsv.gz in .*SST-2"),
        ("sst2", "dev_mismatched", ["fine\t1"], "`split` of sst2"),
        ("wnli", "train", ["fine\t1"], "`task` must be one of sst2"),
    ],
)
def test_bad_files(name, split, rows, message, tmp_path):
    header = ROWS.get(name, ROWS["sst2"])[0]
    write(tmp_path / "train.tsv", header, rows)
    with pytest.raises(ValueError, match=message):
        glue.read(name, tmp_path, split)


def test_another_header_and_another_encoding(tmp_path):
    write(tmp_path / "train.tsv", "text\tlabel", ["fine\t1"])
    with pytest.raises(ValueError, match="line 1: no column 'sentence'"):
        glue.read("sst2", tmp_path, "train")
    (tmp_path / "train.tsv").write_bytes(b"sentence\tlabel\nfin\xe9 x\t1\n")
    with pytest.raises(ValueError, match="train.tsv, line 2: not UTF-8"):
        glue.read("sst2", tmp_path, "train")


def test_scores_by_hand():
    labels = np.array([1, 1, 1, 0, 0, 0, 0, 0])
    predictions = np.array([1, 1, 0, 1, 0, 0, 0, 0])
    # 2 true positives, 1 false positive, 1 false negative, 4 true negatives.
    assert glue.score("mrpc", labels, predictions) == {
        "f1": pytest.approx(100 * 2 / 3),
        "accuracy": 75.0,
    }
    matthews = (2 * 4 - 1 * 1) / (3 * 3 * 5 * 5) ** 0.5
    assert glue.score("cola", labels, predictions) == {
        "matthews": pytest.approx(100 * matthews),
        "accuracy": 75.0,
    }
    labels = np.array([0.0, 1.0, 2.0, 5.0], np.float32)
    predictions = np.array([0.1, 0.3, 0.2, 0.9], np.float32)
    pearson = np.corrcoef(labels, predictions)[0, 1]
    assert glue.score("stsb", labels, predictions) == {
        "pearson": pytest.approx(100 * pearson, abs=1e-4),
        # Ranks 1 2 3 4 and 1 3 2 4: 1 - 6 * 2 / (4 * 15).
        "spearman": pytest.approx(80.0),
    }
    # The scale of a regression's predictions does not matter.
    assert glue.score("stsb", labels, predictions / 5)["pearson"] == (
        pytest.approx(100 * pearson, abs=1e-4)
    )


@pytest.mark.parametrize("task", glue.TASKS)
def test_constant_predictions_are_numbers(task):
    labels = np.array([0, 1, 1, 0])
    result = glue.score(task, labels, np.zeros(4, labels.dtype))
    for name in ("f1", "matthews", "pearson", "spearman"):
        assert result.get(name, 0.0) == 0.0


@pytest.mark.parametrize(
    "task, predictions, message",
    [
        ("sst2", [0, 1, 1], "same shape"),
        ("sst2", [0, 2], "from 0 to 1. Received: 2"),
        ("sst2", [0.4, 0.6], "class numbers"),
        ("stsb", [0.4, np.nan], "not finite"),
    ],
)
def test_bad_predictions(task, predictions, message):
    with pytest.raises(ValueError, match=message):
        glue.score(task, np.array([0, 1]), np.array(predictions))


def test_real_files(shared_data):
    sizes = {
        "sst2": (67349, 872),
        "cola": (8551, 1043),
        "mrpc": (3668, 408),
        "rte": (2490, 277),
        "stsb": (5749, 1500),
    }
    for name, (train, dev) in sizes.items():
        for split, size in (("train", train), ("dev", dev)):
            examples = glue.read(name, shared_data / "glue", split)
            assert len(examples) == size == len(examples.labels)
            assert all(examples.first) and all(examples.second or [True])
        glue.read(name, shared_data / "glue", "test")
