"""ElectraTokenizer: the same ids on every path, options, presets, errors."""

import importlib.util
import json
import os
import subprocess
import sys

import keras
import keras_hub
import numpy as np
import pytest

from keras_rtd.tokenizers import ElectraTokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES = ["[", "]", "mask", ",", ".", "the", "fox", "un", "##aff", "##able"]
PIECES += ["##a", "##b", "a", "b", "Fox", "##\u00e9", "\u03b1", "##\u03c2"]
VOCABULARY = SPECIAL + PIECES
TEXTS = [
    "The fox, unaffable.",
    "[MASK] [UNK]",
    "a\u00e9 \u0391\u03a3 ab",
    "",
    "\u200b",
    "a" * 200,
    "a" * 201,
    "b" + "\u0391" * 200 + " " + "\u0430" * 201 + ".",
    "b" + "\u00e9" * 199 + " b" + "\u00e9" * 200,
]

needs_tensorflow = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow_text") is None,
    reason="TensorFlow is not installed",
)


def ids_of(pieces, vocabulary=VOCABULARY):
    return [vocabulary.index(piece) for piece in pieces]


def make(**options):
    return ElectraTokenizer(VOCABULARY, **options)


def in_graph(tokenizer, texts):
    import tensorflow as tf

    return tf.function(tokenizer.tokenize)(texts)


def test_longest_match_first():
    ids = make()("The fox, unaffable.")
    assert ids.dtype == np.int32
    assert ids.tolist() == ids_of(
        ["the", "fox", ",", "un", "##aff", "##able", "."]
    )


def test_text_is_never_special():
    pieces = ["[", "mask", "]", "[", "[UNK]", "]"]
    assert make()("[MASK] [UNK]").tolist() == ids_of(pieces)


def test_limit_of_200_characters():
    unknown = ids_of(["[UNK]"])
    tokenizer = make()
    assert tokenizer("a" * 200).tolist() == ids_of(["a"] + ["##a"] * 199)
    assert tokenizer("a" * 201).tolist() == unknown
    kept = make(strip_accents=False)
    # 399 bytes, 200 characters.
    pieces = ["b"] + ["##\u00e9"] * 199
    assert kept("b" + "\u00e9" * 199).tolist() == ids_of(pieces)
    assert kept("b" + "\u00e9" * 200).tolist() == unknown


@needs_tensorflow
@pytest.mark.parametrize(
    "options",
    [{}, {"strip_accents": False}, {"lowercase": False}],
)
def test_all_paths_agree(options):
    import tensorflow as tf

    tokenizer = make(**options)
    expected = tokenizer.encode_batch(TEXTS)
    assert tokenizer(TEXTS) == expected
    assert [tokenizer(text).tolist() for text in TEXTS] == expected
    found = in_graph(tokenizer, tf.constant(TEXTS))
    assert isinstance(found, tf.RaggedTensor)
    assert found.dtype == tf.int32
    assert found.to_list() == expected
    dataset = tf.data.Dataset.from_tensor_slices(TEXTS).map(tokenizer)
    assert [ids.numpy().tolist() for ids in dataset] == expected
    batched = tf.data.Dataset.from_tensor_slices(TEXTS).batch(4).map(tokenizer)
    assert sum((ids.to_list() for ids in batched), []) == expected


@needs_tensorflow
def test_shapes():
    import tensorflow as tf

    tokenizer = make()
    a, fox = ids_of(["a", "fox"])
    square = [["a", "fox a"], ["", "a a"]]
    expected = [[[a], [fox, a]], [[], [a, a]]]
    assert tokenizer(square) == expected
    assert tokenizer(np.array(square)) == expected
    assert tokenizer(tf.constant(square)) == expected
    assert in_graph(tokenizer, tf.constant(square)).to_list() == expected
    ragged = tf.ragged.constant([["a"], ["fox", "a"]])
    expected = [[[a]], [[fox], [a]]]
    assert tokenizer(ragged) == expected
    assert in_graph(tokenizer, ragged).to_list() == expected
    assert in_graph(tokenizer, tf.constant("fox")).numpy().tolist() == [fox]


def test_encoder_forgets_when_full(monkeypatch):
    from keras_rtd.tokenizers import wordpiece

    monkeypatch.setattr(wordpiece, "_MAX_REMEMBERED", 2)
    (ids,) = make().encode_batch(["a b fox the a b , a"])
    assert ids == ids_of("a b fox the a b , a".split())


def test_detokenize():
    tokenizer = make()
    ids = tokenizer("unaffable fox")
    assert tokenizer.detokenize(ids) == "unaffable fox"
    assert tokenizer.detokenize([ids.tolist()]) == ["unaffable fox"]


def test_special_tokens_are_looked_up():
    vocabulary = ["x", "<s>", "</s>", "<pad>", "<mask>", "<unk>"]
    tokenizer = ElectraTokenizer(
        vocabulary,
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        mask_token="<mask>",
        unk_token="<unk>",
    )
    assert tokenizer.cls_token_id == tokenizer.start_token_id == 1
    assert tokenizer.sep_token_id == tokenizer.end_token_id == 2
    assert (tokenizer.pad_token_id, tokenizer.mask_token_id) == (3, 4)
    assert tokenizer.unk_token_id == 5
    assert tokenizer.special_token_ids == [1, 2, 3, 4]
    assert tokenizer("x " + "y" * 201).tolist() == [0, 5]
    if importlib.util.find_spec("tensorflow_text"):
        assert in_graph(tokenizer, "x " + "y" * 201).numpy().tolist() == [0, 5]
    copy = ElectraTokenizer.from_config(tokenizer.get_config())
    copy.set_vocabulary(vocabulary)
    assert copy.fingerprint() == tokenizer.fingerprint()


def test_is_word_start():
    starts = make().is_word_start
    assert starts.dtype == bool
    assert starts.shape == (len(VOCABULARY),)
    for token, start in zip(VOCABULARY, starts, strict=True):
        assert start == (not token.startswith("##"))


def test_fingerprint():
    reference = make().fingerprint()
    assert len(reference) == 64
    assert reference == make(strip_accents=True, name="other").fingerprint()
    others = [
        make(lowercase=False),
        make(strip_accents=False),
        ElectraTokenizer(VOCABULARY + ["more"]),
        ElectraTokenizer(VOCABULARY[:-2] + VOCABULARY[:-3:-1]),
        make(mask_token="mask"),
    ]
    assert reference not in [other.fingerprint() for other in others]


@pytest.mark.parametrize("lowercase", [True, False])
def test_config_round_trip(lowercase):
    tokenizer = make(lowercase=lowercase, strip_accents=True, name="t")
    config = json.loads(json.dumps(tokenizer.get_config()))
    assert config["lowercase"] == lowercase
    assert config["strip_accents"] is True
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(tokenizer)
    )
    assert copy.get_config() == tokenizer.get_config()
    with pytest.raises(ValueError, match="vocabulary"):
        copy.encode_batch(["a"])
    copy.set_vocabulary(VOCABULARY)
    assert copy("The FOX").tolist() == tokenizer("The FOX").tolist()


def test_config_may_not_name_files():
    config = make().get_config() | {"vocabulary": "/etc/hostname"}
    with pytest.raises(ValueError, match="/etc/hostname"):
        ElectraTokenizer.from_config(config)


def test_preset_round_trip(tmp_path, monkeypatch):
    backbone = keras_hub.models.ElectraBackbone
    monkeypatch.setattr(ElectraTokenizer, "backbone_cls", backbone)
    tokenizer = make(lowercase=False)
    tokenizer.save_to_preset(str(tmp_path))
    name = keras.saving.get_registered_name(backbone)
    config = {"registered_name": name, "class_name": "ElectraBackbone"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    path = tmp_path / "assets" / "tokenizer" / "vocabulary.txt"
    assert path.read_text("utf-8").split() == VOCABULARY
    for cls in (ElectraTokenizer, keras_hub.tokenizers.Tokenizer):
        copy = cls.from_preset(str(tmp_path))
        assert type(copy) is ElectraTokenizer
        assert copy.fingerprint() == tokenizer.fingerprint()
        assert copy("Fox").tolist() == ids_of(["Fox"])


@needs_tensorflow
def test_saved_model_needs_only_tensorflow_text(tmp_path):
    import tensorflow as tf

    tokenizer = make()
    module = tf.Module()
    module.serve = tf.function(
        lambda texts: tokenizer.tokenize(texts).to_tensor(),
        input_signature=[tf.TensorSpec([None], tf.string)],
    )
    tf.saved_model.save(module, str(tmp_path))
    code = """
import sys
import tensorflow as tf
import tensorflow_text
module = tf.saved_model.load(sys.argv[1])
print(module.serve(["The f\\u00f3x \\u0391\\u03a3", "a"]).numpy().tolist())
assert not any(name.startswith("keras_rtd") for name in sys.modules)
"""
    result = run_python(code, str(tmp_path))
    the, fox, alpha, sigma, a = ids_of(
        ["the", "fox", "\u03b1", "##\u03c2", "a"]
    )
    assert json.loads(result) == [[the, fox, alpha, sigma], [a, 0, 0, 0]]


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_without_tensorflow(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    code = f"""
import sys
sys.modules["tensorflow"] = None
from keras_rtd.tokenizers import ElectraTokenizer
tokenizer = ElectraTokenizer({VOCABULARY!r})
ids = tokenizer.encode_batch(["The f\\u00f3x", "a"])
assert ids == tokenizer(["The f\\u00f3x", "a"])
assert tokenizer.detokenize(ids) == ["the fox", "a"]
print(ids)
"""
    result = run_python(code, KERAS_BACKEND=backend)
    assert json.loads(result) == [ids_of(["the", "fox"]), ids_of(["a"])]


def run_python(code, *arguments, **environment):
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip().splitlines()[-1]


def test_wrong_arguments(tmp_path):
    with pytest.raises(ValueError, match=r"mask_token='\[MASK\]'"):
        ElectraTokenizer(VOCABULARY[:4] + PIECES)
    with pytest.raises(ValueError, match="already on line 1"):
        ElectraTokenizer(VOCABULARY + ["[PAD]"])
    with pytest.raises(ValueError, match="there is no file"):
        ElectraTokenizer(tmp_path / "missing.txt")
    with pytest.raises(ValueError, match="does not take split"):
        make(split=False)
    with pytest.raises(ValueError, match="nested lists of str.* 3"):
        make()([3])
