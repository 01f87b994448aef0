"""Presets and checkpoints that are not what they say: one line each."""

import json

import numpy as np
import pytest
import tiny

from keras_rtd.data.preparation import prepare_corpus
from keras_rtd.data.vocabulary import train_tokenizer
from keras_rtd.evaluation import evaluate
from keras_rtd.interop import google
from keras_rtd.interop import huggingface
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import ElectraTextClassifier
from keras_rtd.models import RtdBackbone
from keras_rtd.models.settings import ModelSettings
from keras_rtd.utils.setting import SettingError


@pytest.fixture(scope="module")
def model():
    return tiny.pretrainer(with_tokenizer=True)


@pytest.fixture
def preset(model, tmp_path):
    model.save_to_preset(str(tmp_path / "mine"))
    return tmp_path / "mine"


@pytest.fixture
def directory(model, tmp_path):
    huggingface.save(model.replaced_token_detector(), tmp_path / "hf")
    return tmp_path / "hf"


def change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_vocabulary_of_another_model(preset):
    (path,) = preset.rglob("vocab*.txt")
    path.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")
    for load in (
        ElectraPretrainer.from_preset,
        lambda name: ElectraTextClassifier.from_preset(name, num_classes=2),
    ):
        with pytest.raises(ValueError, match="mine' has 5 tokens, and its"):
            load(str(preset))


@pytest.mark.parametrize("name", ["task.json", "config.json"])
@pytest.mark.parametrize("text", ["{", "[]", '{"class_name": 1}', "[" * 9999])
def test_a_damaged_config_is_named(preset, name, text):
    (preset / name).write_text(text)
    for cls in (ElectraPretrainer, RtdBackbone):
        with pytest.raises(ValueError, match=f"mine/{name}"):
            cls.from_preset(str(preset))


def test_no_scores_of_random_weights(preset, tmp_path):
    (tmp_path / "one.jsonl").write_text(
        '{"sentence_good": "a b", "sentence_bad": "b a", "field": "x", '
        '"linguistics_term": "y"}\n'
    )
    for path in preset.glob("*.weights.h5"):
        path.unlink()
    for name in (str(preset), "electra_small_uncased_en"):
        with pytest.raises(ValueError, match=f"{name}' has no weights"):
            evaluate(name, "blimp", tmp_path / "one.jsonl")


@pytest.mark.parametrize(
    "key, value",
    [
        ("layer_norm_eps", "x"),
        ("hidden_size", 8.5),
        ("num_attention_heads", 0),
        ("vocab_size", 10**9),
        ("num_hidden_layers", 10**6),
        ("intermediate_size", 2**40),
        ("id2label", {"x": "a"}),
        ("model_type", ["electra"]),
        ("architectures", "ElectraModel"),
    ],
)
def test_hugging_face_configs(directory, key, value):
    change(directory / "config.json", **{key: value})
    with pytest.raises(ValueError, match=rf"hf/config\.json: .*{key}"):
        huggingface.load(directory)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers(model, directory, value):
    import safetensors.numpy

    path = directory / "model.safetensors"
    arrays = safetensors.numpy.load_file(path)
    name = next(n for n in arrays if n.endswith("query.weight"))
    arrays[name][0, 0] = value
    safetensors.numpy.save_file(arrays, path, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=f"hf has NaN or infinite.*{name}"):
        huggingface.load(directory)
    variables = google.to_variables(model)
    name = "electra/embeddings/word_embeddings"
    variables[name][0, 0] = value
    with pytest.raises(ValueError, match=f"NaN or infinite.*{name}"):
        google.from_variables({}, variables)


def test_flags_without_effect_or_bound(tmp_path):
    for name in ("cased", "keep_accents"):
        with pytest.raises(SettingError, match=f"`{name}` must be given with"):
            ModelSettings(**{name: True}).load_tokenizer()
    (tmp_path / "a.txt").write_text("a b c\n")
    with pytest.raises(ValueError, match="`num_workers` must be an int from"):
        prepare_corpus(
            str(tmp_path / "a.txt"),
            str(tmp_path / "out"),
            tiny.tokenizer(),
            num_workers=10**6,
        )
    assert not (tmp_path / "out").exists()
    with pytest.raises(ValueError, match="`size` must be at most"):
        train_tokenizer(str(tmp_path / "a.txt"), size=10**9)
