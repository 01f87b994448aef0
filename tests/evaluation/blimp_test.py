import gzip
import json
import pathlib
import runpy
import sys

import keras
import numpy as np
import pytest
import tiny

from keras_rtd.evaluation import blimp
from keras_rtd.evaluation import sentence_scores
from keras_rtd.interop import huggingface
from keras_rtd.models import ElectraMaskedLM
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import ElectraReplacedTokenDetector

# 5 to 12 tokens with [CLS] and [SEP]: two padded lengths.
SENTENCES = [
    "the people said what they made.",
    "It was not the first time, and he",
    "who were.",
    "his words did him in each time you see.",
    "an zebra has been there",
    "the the the",
]


@pytest.fixture(scope="module")
def model():
    """Weights so large that scores differ clearly."""
    keras.utils.set_random_seed(0)
    model = tiny.pretrainer(with_tokenizer=True)
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        if variable.name != "gamma":
            noise = rng.normal(size=variable.shape) * 0.05
            variable.assign(variable.numpy() * 6.0 + noise)
    return model


@pytest.fixture(scope="module")
def scores(model):
    """Of `SENTENCES`, by scorer."""
    return {
        scorer: sentence_scores(model, SENTENCES, scorer)
        for scorer in ("discriminator", "generator")
    }


def task_of(model, scorer):
    if scorer == "generator":
        return model.masked_lm()
    return model.replaced_token_detector()


def ids_of(model, sentence):
    tokenizer = model.tokenizer
    ids = tokenizer.encode_batch([sentence])[0]
    return [tokenizer.cls_token_id, *ids, tokenizer.sep_token_id]


def test_discriminator_scores_equal_transformers(model, scores, tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    huggingface.save(model.replaced_token_detector(), tmp_path)
    other = transformers.ElectraForPreTraining.from_pretrained(tmp_path).eval()
    expected = []
    for sentence in SENTENCES:
        ids = torch.tensor([ids_of(model, sentence)])
        with torch.no_grad():
            replaced = torch.sigmoid(other(ids).logits[0].double())
        expected.append(torch.log(1 - replaced)[1:-1].sum().item())
    found = scores["discriminator"]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert found.dtype == np.float32 and np.ptp(found) > 1


def test_generator_scores_equal_transformers(model, scores, tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    huggingface.save(model.masked_lm(), tmp_path)
    other = transformers.ElectraForMaskedLM.from_pretrained(tmp_path).eval()
    expected = []
    for sentence in SENTENCES:
        ids = ids_of(model, sentence)
        total = 0.0
        for position in range(1, len(ids) - 1):
            masked = list(ids)
            masked[position] = model.tokenizer.mask_token_id
            with torch.no_grad():
                logits = other(torch.tensor([masked])).logits[0, position]
            logits = logits[: len(tiny.VOCABULARY)].double()
            total += torch.log_softmax(logits, -1)[ids[position]].item()
        expected.append(total)
    found = scores["generator"]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("scorer", ["discriminator", "generator"])
def test_order_and_repetition_change_nothing(model, scores, scorer):
    found = scores[scorer]
    order = [3, 1, 0, 5, 4, 2, 0, 3]
    again = sentence_scores(
        task_of(model, scorer), [SENTENCES[i] for i in order], scorer
    )
    np.testing.assert_array_equal(again, found[order])
    # Other batches and other company: the same up to rounding.
    alone = sentence_scores(model, SENTENCES[3:4], scorer)
    np.testing.assert_allclose(alone, found[3], rtol=1e-5)
    small = sentence_scores(model, SENTENCES, scorer, batch_tokens=48)
    np.testing.assert_allclose(small, found, rtol=1e-5)
    # What the tokenizer does not tell apart ties exactly.
    same = sentence_scores(model, ["The zebra  made", "the ZEBRU made"], scorer)
    assert same[0] == same[1]


def test_a_preset_scores_as_its_model(model, scores, tmp_path):
    model.save_to_preset(str(tmp_path / "mine"))
    for kind, scorer in (
        (ElectraReplacedTokenDetector, "discriminator"),
        (ElectraMaskedLM, "generator"),
        (ElectraPretrainer, "generator"),
    ):
        loaded = kind.from_preset(str(tmp_path / "mine"))
        np.testing.assert_allclose(
            sentence_scores(loaded, SENTENCES, scorer),
            scores[scorer],
            rtol=1e-6,
        )


@pytest.mark.parametrize(
    "kind, sentences, scorer, message",
    [
        ("detector", ["one"], "generator", "needs an ElectraMaskedLM"),
        ("generator", ["one"], "discriminator", "needs an ElectraReplaced"),
        ("pretrainer", ["one"], "encoder", "`scorer` must be one of"),
        ("pretrainer", ["one", " "], "generator", "has 0: ' '"),
        ("pretrainer", ["one " * 31], "generator", "has 31: 'one one"),
        ("pretrainer without tokenizer", ["one"], "generator", "no tokenizer"),
    ],
)
def test_what_cannot_be_scored(model, kind, sentences, scorer, message):
    models = {
        "detector": task_of(model, "discriminator"),
        "generator": task_of(model, "generator"),
        "pretrainer": model,
    }
    given = models.get(kind) or tiny.pretrainer()
    with pytest.raises(ValueError, match=message):
        sentence_scores(given, sentences, scorer)


def write(folder, name, pairs, term="binding", field="syntax"):
    folder.mkdir(exist_ok=True)
    with gzip.open(folder / f"{name}.jsonl.gz", "wt") as file:
        for good, bad in pairs:
            row = {"sentence_good": good, "sentence_bad": bad}
            row |= {"linguistics_term": term, "field": field, "UID": name}
            file.write(json.dumps(row) + "\n")


@pytest.fixture
def data(tmp_path):
    """Three files, two of them of one phenomenon, one tie."""
    folder = tmp_path / "blimp"
    pairs = [(a, b) for a in SENTENCES[:3] for b in SENTENCES[3:]]
    write(folder, "one", pairs, field="syntax/semantics")
    write(folder, "two", [(b, a) for a, b in pairs[:4]], "control", "syntax")
    write(
        folder,
        "three",
        [("who were.", "Who were."), pairs[0]],
        "control",
        "syntax",
    )
    return folder


@pytest.mark.parametrize("scorer", ["discriminator", "generator"])
def test_counts_by_hand(model, scores, data, scorer):
    scores = dict(zip(SENTENCES, scores[scorer]))
    pairs = [(a, b) for a in SENTENCES[:3] for b in SENTENCES[3:]]
    wins = [float(scores[a] > scores[b]) for a, b in pairs]
    one = 100 * sum(wins) / 9
    two = 100 * (4 - sum(wins[:4])) / 4
    three = 100 * (0.5 + wins[0]) / 2
    result = blimp.evaluate_blimp(model, data, scorer=scorer)
    assert result["paradigms"]["one"] == {
        "accuracy": pytest.approx(one),
        "phenomenon": "binding",
        "field": "syntax_semantics",
        "pairs": 9,
        "ties": 0,
    }
    assert result["paradigms"]["three"]["ties"] == 1
    assert result["phenomena"] == {
        "binding": pytest.approx(one),
        "control": pytest.approx((two + three) / 2),
    }
    assert set(result["fields"]) == {"syntax_semantics", "syntax"}
    # A mean over files, however long they are.
    assert result["overall"] == pytest.approx((one + two + three) / 3)
    assert "control" in blimp.table(result)


def test_some_files_and_some_pairs(model, data):
    result = blimp.evaluate_blimp(model, data, files=["one", "two"], limit=3)
    assert [
        (name, row["pairs"]) for name, row in result["paradigms"].items()
    ] == [("one", 3), ("two", 3)]
    single = blimp.evaluate_blimp(model, data / "two.jsonl.gz")
    assert list(single["paradigms"]) == ["two"]


def test_bad_files(model, data, tmp_path):
    with pytest.raises(ValueError, match="No four.jsonl or .jsonl.gz in"):
        blimp.evaluate_blimp(model, data, files=["one", "four"])
    with pytest.raises(ValueError, match="No .jsonl or .jsonl.gz files in"):
        blimp.evaluate_blimp(model, tmp_path / "nowhere")
    with pytest.raises(ValueError, match="`limit` must be at least 1"):
        blimp.evaluate_blimp(model, data, limit=0)
    write(data, "bad", [("one", "two"), ("one", " ")])
    with pytest.raises(ValueError, match="bad.jsonl.gz, line 2: .*empty"):
        blimp.evaluate_blimp(model, data)
    (data / "worse.jsonl").write_text('{"sentence_good": "one"}\n')
    with pytest.raises(ValueError, match="line 1: .*'sentence_bad'"):
        blimp.read(data / "worse.jsonl")
    (data / "none.jsonl").write_text("")
    with pytest.raises(ValueError, match="holds no pairs"):
        blimp.read(data / "none.jsonl")


RECIPE = pathlib.Path(__file__).parents[2] / "recipes" / "evaluate_blimp.py"


@pytest.fixture
def recipe(monkeypatch):
    """The recipe as a function of its arguments; returns the exit status."""

    def run(arguments):
        monkeypatch.setattr(sys, "argv", [str(RECIPE), *arguments])
        with pytest.raises(SystemExit) as error:
            runpy.run_path(str(RECIPE), run_name="__main__")
        return error.value.code

    return run


def test_recipe(recipe, model, data, tmp_path, capsys):
    model.save_to_preset(str(tmp_path / "mine"))
    output = tmp_path / "new" / "blimp.json"
    arguments = ["--model", str(tmp_path / "mine"), "--data", str(data)]
    assert recipe([*arguments, "--output", str(output)]) == 0
    printed = capsys.readouterr().out
    written = json.loads(output.read_text())
    expected = blimp.evaluate_blimp(model, data)
    assert written["paradigms"] == expected["paradigms"]
    assert f"{expected['overall']:.1f}" in printed and str(output) in printed


@pytest.mark.parametrize(
    "change, message",
    [
        (["--limit", "0"], "error: --limit must be at least 1"),
        (["--model", "gguf:x"], "error: 'gguf:x' is not FORMAT:PATH"),
        (["--model", "nowhere"], "error: No preset 'nowhere'"),
        (["--files", "four"], "error: No four.jsonl"),
        (["--scorer", "both"], "error: --scorer must be one of"),
    ],
)
def test_recipe_refuses_with_one_line(recipe, change, message, data, capsys):
    arguments = ["--model", "nowhere", "--data", str(data), *change]
    status = recipe(arguments)
    said = capsys.readouterr().err
    assert status == 2 and said.startswith(message), said
    assert said.count("\n") == 1


def test_identical_pairs_of_the_real_files_tie(model, shared_data):
    files = {"passive_1": 2, "principle_A_case_2": 5}
    for name in files:
        paradigm = blimp.read(shared_data / "blimp" / f"{name}.jsonl.gz")
        same = [i for i in range(1000) if paradigm.good[i] == paradigm.bad[i]]
        assert len(same) == files[name]
        texts = [paradigm.good[same[0]], paradigm.bad[same[0]]]
        scores = sentence_scores(model, texts)
        assert blimp.pair_accuracy(scores[:1] - scores[1:]) == 50.0
    assert len(blimp.find_paradigms(shared_data / "blimp")) == 67
