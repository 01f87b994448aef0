"""Kinds of tokenizer: by name, from files, and from outside the package."""

import json
import pathlib
import pickle
import re

import keras
import keras_hub
import numpy as np
import pytest
import tiny

import keras_rtd
from keras_rtd import tokenizers
from keras_rtd.data import prepare_corpus
from keras_rtd.data import pretraining_dataset
from keras_rtd.data.dataset import iterate
from keras_rtd.models import ElectraPreprocessor
from keras_rtd.models import ElectraPretrainer
from keras_rtd.pretraining.samples import make_samples
from keras_rtd.pretraining.samples import terminal_lines
from keras_rtd.tokenizers import ElectraTokenizer
from keras_rtd.tokenizers import factory

PACKAGE = pathlib.Path(keras_rtd.__file__).parent
WORDPIECE_FILES = {
    PACKAGE / "tokenizers" / name
    for name in (
        "electra_tokenizer.py",
        "graph_wordpiece.py",
        "wordpiece.py",
        "wordpiece_json.py",
        "wordpiece_training.py",
    )
}
TEXT = "The old time, they walked. Zzz 12"


@keras.saving.register_keras_serializable(package="tests")
class Letters(tokenizers.Tokenizer):
    """Every character is a token; what is no lower-case letter is unknown."""

    def __init__(self, letters="abcdefghijklmnopqrstuvwxyz ", **kwargs):
        super().__init__(**kwargs)
        self.letters = letters
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        self.set_vocabulary([*special, *letters])

    def encode_with_offsets(self, text):
        ids = [self.letters.find(c) + 5 for c in text]
        ids = [self.unk_token_id if i == 4 else i for i in ids]
        return ids, [(i, i + 1) for i in range(len(text))]

    def token_text(self, token):
        return token

    def get_config(self):
        return {**super().get_config(), "letters": self.letters}


@pytest.fixture
def letters(monkeypatch):
    monkeypatch.setattr(factory, "TOKENIZERS", dict(tokenizers.TOKENIZERS))
    tokenizers.register("letters", Letters)
    return Letters()


def model_of(tokenizer):
    backbone = keras_rtd.models.ElectraBackbone(
        vocabulary_size=tokenizer.vocabulary_size(),
        num_layers=1,
        num_heads=2,
        hidden_dim=16,
        embedding_dim=12,
        intermediate_dim=32,
        max_sequence_length=32,
    )
    generator = keras_rtd.models.ElectraBackbone(
        vocabulary_size=tokenizer.vocabulary_size(),
        num_layers=1,
        num_heads=1,
        hidden_dim=8,
        embedding_dim=12,
        intermediate_dim=32,
        max_sequence_length=32,
        embeddings=backbone.embeddings,
        name="generator",
    )
    model = ElectraPretrainer(
        backbone,
        generator,
        preprocessor=ElectraPreprocessor(tokenizer, sequence_length=16),
        optimizer_config={"learning_rate": 1e-2, "warmup_steps": 2},
        seed=1,
    )
    model.compile()
    return model


def test_only_the_wordpiece_files_know_the_mark():
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text("utf-8")
        if path not in WORDPIECE_FILES:
            # "## Title" is Markdown.
            assert not re.search(r"##(?!\s)|SUFFIX_INDICATOR", text), path


def test_a_vocabulary_is_berts_uncased_one_unless_said(tmp_path):
    path = tmp_path / "vocabulary.txt"
    path.write_text("\n".join([*tiny.VOCABULARY, "É", "é"]))
    plain = tokenizers.load(path)
    assert type(plain) is tokenizers.TOKENIZERS["wordpiece"]
    options = [
        ({}, (True, True)),
        ({"keep_accents": True}, (True, False)),
        ({"cased": True}, (False, False)),
        ({"lowercase": False}, (False, False)),
        ({"strip_accents": False}, (True, False)),
        ({"lowercase": False, "strip_accents": True}, (False, True)),
    ]
    for arguments, (lowercase, strip_accents) in options:
        found = tokenizers.load(path, **arguments)
        assert (found.lowercase, found.strip_accents) == (
            lowercase,
            strip_accents,
        )
    other = tokenizers.load(path, mask_token="time")
    assert other.mask_token_id == plain.token_to_id("time")


@pytest.mark.parametrize("lowercase", [True, False])
def test_a_tokenizer_json_holds_everything(tmp_path, lowercase):
    from tokenizers import Tokenizer as FastTokenizer

    names = ["<pad>", "<unk>", "<s>", "</s>", "<mask>"]
    tokenizer = ElectraTokenizer(
        [*names, *tiny.VOCABULARY[5:], "The"],
        lowercase=lowercase,
        strip_accents=False,
        pad_token="<pad>",
        unk_token="<unk>",
        cls_token="<s>",
        sep_token="</s>",
        mask_token="<mask>",
    )
    path = tmp_path / "below" / "mine.json"
    tokenizer.save(path)
    again = tokenizers.load(path)
    assert again.fingerprint() == tokenizer.fingerprint()
    theirs = FastTokenizer.from_file(str(path))
    expected = theirs.encode(TEXT, add_special_tokens=False)
    assert again.encode_with_offsets(TEXT) == (expected.ids, expected.offsets)
    assert tokenizers.load(path, lowercase=True).lowercase
    with pytest.raises(ValueError, match="mine.json knows its own"):
        tokenizers.load(path, cased=True)


def test_presets_of_both_packages(tmp_path):
    ours = ElectraTokenizer(list(tiny.VOCABULARY), lowercase=False)
    ours.save_to_preset(str(tmp_path / "ours"))
    for path in (tmp_path / "ours", tmp_path / "ours" / "tokenizer.json"):
        assert tokenizers.load(path).fingerprint() == ours.fingerprint()
    for cls in ("ElectraTokenizer", "BertTokenizer"):
        theirs = getattr(keras_hub.tokenizers, cls)(
            list(tiny.VOCABULARY), lowercase=False
        )
        theirs.save_to_preset(str(tmp_path / cls))
        found = tokenizers.load(tmp_path / cls)
        assert type(found) is ElectraTokenizer
        assert found.fingerprint() == ours.fingerprint()
    bundled = tokenizers.load("electra_tiny_uncased_en")
    assert bundled.lowercase and bundled.vocabulary_size() > 1000


@pytest.mark.parametrize(
    "files, message",
    [
        (
            {},
            "There is no tokenizer in .*neither tokenizer.json, spm.model nor",
        ),
        ({"tokenizer.json": "{"}, "is not JSON"),
        ({"tokenizer.json": "[]"}, "must be an object"),
        (
            {"tokenizer.json": '{"model": {"type": "Unigram"}}'},
            "tokenizers cannot read this tokenizer.json",
        ),
        (
            {
                "tokenizer.json": json.dumps(
                    {
                        "model": {
                            "type": "WordPiece",
                            "continuing_subword_prefix": "@@",
                            "vocab": {},
                        }
                    }
                )
            },
            "tokenizers cannot read this tokenizer.json",
        ),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(tmp_path, files, message):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        tokenizers.load(tmp_path)
    assert "\n" not in str(error.value)


def test_no_file_is_said():
    with pytest.raises(ValueError, match="no file .*nowhere.txt"):
        tokenizers.load("nowhere.txt")
    with pytest.raises(ValueError, match="no file .*nowhere.json"):
        tokenizers.load("nowhere.json")
    with pytest.raises(ValueError, match="did you mean 'electra_tiny_unca"):
        tokenizers.load("electra_tny_uncased_en")


def test_texts_of_pieces():
    tokenizer = tiny.tokenizer()
    (ids,) = tokenizer.encode_batch(["They walked: the times."])
    texts = [tokenizer.piece_texts[i] for i in ids]
    assert texts[0] == " they" and " time" in texts and "s" in texts
    around = [tokenizer.cls_token_id, *ids, tokenizer.sep_token_id]
    assert tokenizer.decode(around).endswith("the times .")
    assert tokenizer.decode(around) == tokenizer.detokenize(ids)
    assert tokenizer.decode([]) == ""
    continues = {tokenizer.token_to_id(t) for t in ("##s", "##ed", "##ing")}
    starts = set(np.flatnonzero(~tokenizer.is_word_start))
    assert starts == continues


def test_only_tokenizers_are_registered():
    with pytest.raises(TypeError, match="'words' must be a subclass"):
        tokenizers.register("words", dict)


def test_a_kind_from_outside_has_the_whole_interface(letters, tmp_path):
    assert factory.TOKENIZERS["letters"] is Letters
    ids, offsets = letters.encode_with_offsets("a Zb")
    assert ids == [5, 31, 1, 6] and offsets[3] == (3, 4)
    assert letters.encode_batch(["a Zb"]) == [ids]
    (array,) = letters.encode_arrays(["a Zb"])
    assert array.tolist() == ids and array.dtype == np.int32
    assert letters.tokenize("ab").tolist() == [5, 6]
    assert letters.tokenize(["a", ""]) == [[5], []]
    assert letters.decode([2, *ids, 3, 0]) == "a [UNK]b"
    assert letters.special_token_ids == [0, 2, 3, 4]
    assert np.flatnonzero(letters.is_word_start).tolist() == [0, 2, 3, 4, 31]
    assert Letters("abc").fingerprint() != letters.fingerprint()
    assert Letters(name="other").fingerprint() == letters.fingerprint()
    for copy in (
        pickle.loads(pickle.dumps(letters)),
        Letters.from_config(letters.get_config()),
    ):
        assert copy.fingerprint() == letters.fingerprint()
    letters.save_to_preset(str(tmp_path))
    assert tokenizers.load(tmp_path).fingerprint() == letters.fingerprint()
    for name in ("a.json", "a.txt"):
        with pytest.raises(ValueError, match="tokenizer.json"):
            letters.save(tmp_path / name)
    with pytest.raises(ValueError, match="not trained"):
        Letters.from_texts(["a"], 10)


@pytest.mark.parametrize("source", ["text", "prepared"])
def test_training_with_a_kind_from_outside(letters, tmp_path, source):
    (tmp_path / "a.txt").write_text(tiny.text())
    data = tmp_path / "a.txt"
    if source == "prepared":
        data = tmp_path / "prepared"
        manifest = prepare_corpus(tmp_path / "a.txt", data, letters)
        counts = manifest["counts"]["train"]
        # The full stops.
        assert 0 < counts["unknown_tokens"] < counts["tokens"] / 10
    model = model_of(letters)
    options = {"sequence_length": 16, "batch_size": 4, "whole_words": True}
    dataset = pretraining_dataset(data, model.tokenizer, **options)
    first = next(iterate(dataset)) if source == "text" else None
    if first is not None:
        kept = [i for i in first["token_ids"][0] if i > 4]
        line = tiny.text().replace("\n", "")
        assert letters.decode(kept).split("[UNK]")[0] in line
    before = [np.array(v) for v in model.get_weights()]
    history = model.fit(dataset, steps_per_epoch=1, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert any((a != b).any() for a, b in zip(before, model.get_weights()))


def test_a_trained_model_keeps_a_kind_from_outside(letters, tmp_path):
    model = model_of(letters)
    features = model.preprocessor(["a zebra", "b"])
    assert np.array(features["token_ids"])[0, :4].tolist() == [2, 5, 31, 30]
    rows, columns = np.array(features["token_ids"]).shape
    batch = tiny.batch(rows=4, length=16, vocabulary=letters.vocabulary_size())
    samples = make_samples(model, batch, step=1)
    shown = samples[0]["text"]
    assert shown[0] == "" and all(len(text) <= 5 for text in shown)
    assert terminal_lines(samples[0], color=False)
    model.save_to_preset(str(tmp_path))
    again = ElectraPretrainer.from_preset(str(tmp_path))
    assert type(again.tokenizer) is Letters
    assert again.tokenizer.fingerprint() == letters.fingerprint()
    assert tokenizers.load(tmp_path).fingerprint() == letters.fingerprint()


def test_a_saved_model_takes_ids_of_a_kind_that_no_graph_computes(letters):
    pytest.importorskip("tensorflow_text")
    from keras_rtd.export.signatures import encoding

    _, specs = encoding(model_of(letters).backbone, letters)["encode"]
    assert [s.name for s in specs] == [
        "token_ids",
        "segment_ids",
        "padding_mask",
    ]


def test_changing_to_another_kind(letters):
    from keras_rtd.interop.vocabulary import old_pieces

    old = tiny.tokenizer()
    pieces, counts = old_pieces(old, letters)
    assert len(pieces) == letters.vocabulary_size()
    assert pieces[4] == [old.mask_token_id]
    # "s" continues a word in both.
    assert pieces[letters.token_to_id("s")] == [old.token_to_id("##s")]
    assert counts["kept"] >= 6
    back, _ = old_pieces(letters, old)
    assert back[old.token_to_id("the")] == letters.tokenize("the").tolist()
