import json

import pytest
import tiny

from keras_rtd.evaluation import evaluate
from keras_rtd.evaluation import evaluate_blimp


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "blimp"
    folder.mkdir()
    row = {"linguistics_term": "binding", "field": "syntax", "UID": "one"}
    pairs = [("they made them", "them made they"), ("he was", "he were")]
    (folder / "one.jsonl").write_text(
        "".join(
            json.dumps({"sentence_good": a, "sentence_bad": b} | row) + "\n"
            for a, b in pairs
        )
    )
    return folder


def test_blimp_of_a_model_and_of_its_preset(data, tmp_path):
    model = tiny.pretrainer(with_tokenizer=True)
    expected = evaluate_blimp(model, data, scorer="generator")
    assert evaluate(model, "blimp", data, scorer="generator") == expected
    model.save_to_preset(str(tmp_path / "mine"))
    for place in (tmp_path / "mine", f"preset:{tmp_path / 'mine'}"):
        assert evaluate(place, "blimp", data, scorer="generator") == expected


def test_bad_arguments(data, tmp_path):
    model = tiny.pretrainer(with_tokenizer=True)
    with pytest.raises(ValueError, match="`suite` must be one of blimp"):
        evaluate(model, "superglue", data)
    with pytest.raises(ValueError, match="`run_dir` must be None"):
        evaluate(model, "blimp", data, run_dir=tmp_path)
    # The files are looked for before the model is loaded.
    with pytest.raises(ValueError, match="No .jsonl"):
        evaluate("nowhere", "blimp", tmp_path)
    with pytest.raises(ValueError, match="No preset 'nowhere'"):
        evaluate("nowhere", "blimp", data)
