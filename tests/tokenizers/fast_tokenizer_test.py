"""Byte pairs, Unigram, characters, k-mers, and anybody's tokenizer.json."""

import json
import pickle
import unicodedata

import numpy as np
import pytest
import tiny
from tokenizers import Tokenizer as Fast

from keras_rtd import tokenizers
from keras_rtd.tokenizers import TOKENIZERS
from keras_rtd.tokenizers.fast_tokenizer import FastTokenizer

# "News", "white", "rice" in Thai; a virama, a nukta and joiners in Hindi.
LINES = [
    "The old king sang a long song while his ring shone, 1984.",
    "ข่าว ขาว ข้าว ภาษาไทยไม่มีช่องว่าง",
    "मेल मल मूल क्‍ष क्‌ष हिन्दी",
    "ma má mà mạ mã mả tiếng Việt",
    "König, café, İstanbul ısı, ΟΔΟΣ",
    "国王が歌を歌った。",
    "def f(x_1):",
    "    return x_1 + 2",
]
TEXT = "\n".join(LINES)
ODD = [
    "",
    " two  spaces and a tab\t.",
    "cafe\u0301 が か\u3099 한국 \u1112\u1161\u11ab",
    "[MASK] <0x41> <unk> ▁x",
    "unseen 😀 \U0001fae8 ꙮ in a wo😀rd",
    "a\u200bb c\u200cd e\u200df",
    "x" * 1000,
    "if a:\n    if b:\n        x\n",
    "half \ud83d of a pair",
]
BYTE_KINDS = {
    "bpe": {"size": 400},
    "bpe code": {"size": 400, "pre_tokenizer": "code"},
    "bpe metaspace": {"size": 400, "pre_tokenizer": "metaspace"},
    "unigram": {"size": 420},
    "unigram letters": {"size": 420, "pre_tokenizer": "letters"},
    "unigram code": {"size": 420, "pre_tokenizer": "code"},
}
OTHERS = {
    "characters": {"size": 200},
    "kmers": {"size": 300, "k": 3},
    "wordpiece": {"size": 400},
    "wordpiece cased": {"size": 400, "lowercase": False},
}
KINDS = {**BYTE_KINDS, **OTHERS}


def train(name, texts=None, **options):
    texts = [TEXT] * 3 if texts is None else texts
    kind = TOKENIZERS[name.split()[0]]
    return kind.from_texts(texts, **{**KINDS[name], **options})


@pytest.fixture(scope="module")
def trained():
    return {name: train(name) for name in KINDS}


def normal(text):
    text = text.encode("utf-8", "replace").decode().replace("?", "\ufffd")
    return unicodedata.normalize("NFC", text)


@pytest.mark.parametrize("name", BYTE_KINDS)
def test_byte_kinds_give_the_normalised_text_back(trained, name):
    tokenizer = trained[name]
    for text in [*LINES, *ODD, TEXT]:
        (ids,) = tokenizer.encode_batch([text])
        assert tokenizer.unk_token_id not in ids
        # U+2581 is the space of Unigram's pieces.
        expected = normal(text).replace("▁", " ")
        found = tokenizer.decode(ids).replace("▁", " ")
        assert found == expected, text
        if "\ufffd" in expected:
            continue
        joined = "".join(tokenizer.texts_of(ids))
        for of_joined, of_text in zip(
            joined.replace("\u200b", "").replace("▁", " ").split("\n"),
            expected.replace("\u200b", "").split("\n"),
            strict=True,
        ):
            assert of_joined.lstrip(" ") == of_text.lstrip(" ")


@pytest.mark.parametrize("name", KINDS)
def test_one_file_holds_everything(trained, name, tmp_path):
    tokenizer = trained[name]
    path = tmp_path / "tokenizer.json"
    tokenizer.save(path)
    again = tokenizers.load(path)
    assert type(again) is type(tokenizer)
    theirs = Fast.from_file(str(path))
    theirs.encode_special_tokens = True
    for text in [*LINES, *ODD[:-1]]:
        (ids,) = tokenizer.encode_batch([text])
        found = theirs.encode(text, add_special_tokens=False)
        assert ids == found.ids, text
        assert again.encode_batch([text]) == [ids]
        assert tokenizer.encode_with_offsets(text) == (ids, found.offsets)
    assert theirs.encode("a").ids[0] == tokenizer.cls_token_id
    tokenizer.save_to_preset(str(tmp_path / "preset"))
    for copy in (
        again,
        tokenizers.load(tmp_path / "preset"),
        pickle.loads(pickle.dumps(tokenizer)),
    ):
        assert copy.fingerprint() == tokenizer.fingerprint()
        assert copy.vocabulary_size() == tokenizer.vocabulary_size()
    assert tokenizer.vocabulary_size() <= KINDS[name]["size"]
    assert train(name, normalization="NFKC").fingerprint() != (
        tokenizer.fingerprint()
    )


@pytest.mark.parametrize("name", KINDS)
def test_transformers_reads_every_kind(trained, name, tmp_path):
    transformers = pytest.importorskip("transformers")
    from keras_rtd.interop.huggingface_files import write_tokenizer

    tokenizer = trained[name]
    write_tokenizer(tokenizer, tmp_path, 512)
    config = {"model_type": "deberta-v2"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    texts = [*LINES, *ODD[4:-1]]
    for text, ids in zip(texts, tokenizer.encode_batch(texts), strict=True):
        around = [tokenizer.cls_token_id, *ids, tokenizer.sep_token_id]
        assert theirs(text)["input_ids"] == around
    assert theirs.mask_token_id == tokenizer.mask_token_id
    assert theirs.pad_token_id == tokenizer.pad_token_id


@pytest.mark.parametrize("name", [n for n in KINDS if n != "kmers"])
def test_marks_tell_words_apart_and_spellings_do_not(trained, name):
    encode = trained[name].encode_batch
    words = "ข่าว ขาว ข้าว मेल मल मूल ma má mà mạ mã mả".split()
    assert len(set(map(tuple, encode(words)))) == len(words)
    composed, decomposed = (
        unicodedata.normalize(form, TEXT) for form in ("NFC", "NFD")
    )
    assert composed != decomposed
    assert encode([composed]) == encode([decomposed])
    assert encode(["क्‍ष"]) != encode(["क्ष"])


def test_an_unknown_character_is_one_token(trained):
    for name in ("characters", "wordpiece", "kmers"):
        tokenizer = trained[name]
        (ids,) = tokenizer.encode_batch(["king😀ring \U0001fae8"])
        assert ids.count(tokenizer.unk_token_id) == 2, name
        without = tokenizer.encode_batch(["king", "ring"])
        assert [i for i in ids if i != tokenizer.unk_token_id][
            : len(without[0])
        ] == without[0]
    known = trained["wordpiece"].encode_batch(["k" * 1000])[0]
    assert trained["wordpiece"].unk_token_id not in known


def test_zero_width_space_is_a_boundary(trained):
    for name in ("wordpiece", "characters"):
        encode = trained[name].encode_batch
        assert encode(["king\u200bring"]) == encode(["king ring"])
    for name in BYTE_KINDS:
        _, offsets = trained[name].encode_with_offsets("king\u200bring")
        assert not any(start < 4 < end - 1 for start, end in offsets), name


def test_code_keeps_lines(trained):
    assert trained["bpe code"].keeps_lines
    assert trained["unigram code"].keeps_lines
    assert not trained["bpe"].keeps_lines
    assert not trained["wordpiece"].keeps_lines
    code = "if a:\n    if b:\n        x"
    tokenizer = trained["bpe code"]
    lines = code.split("\n")
    ended = [*(f"{line}\n" for line in lines[:-1]), lines[-1]]
    by_line = [i for ids in tokenizer.encode_batch(ended) for i in ids]
    assert tokenizer.encode_batch([code]) == [by_line]


def test_byte_pairs_train_to_the_same_file_each_time():
    for name in ("bpe", "characters", "kmers", "wordpiece"):
        prints = {train(name).fingerprint() for _ in range(2)}
        assert len(prints) == 1, name


def test_unigram_has_deberta_v3s_parts(trained):
    tokenizer = trained["unigram"]
    model = json.loads(tokenizer.tokenizer_json())["model"]
    assert model["byte_fallback"] and model["unk_id"] == 1
    tokens = tokenizer.get_vocabulary()
    assert tokens[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert tokens[5:261] == [f"<0x{byte:02X}>" for byte in range(256)]
    (ids,) = tokenizer.encode_batch(["😀"])
    assert [tokens[i] for i in ids[1:]] == [
        f"<0x{byte:02X}>" for byte in "😀".encode()
    ]


def test_kmers():
    tokenizer = train("kmers", ["ACGTACGTAC" * 20, "GGGTTT"], size=40, k=3)
    tokens = tokenizer.get_vocabulary()
    (ids,) = tokenizer.encode_batch(["ACGTACNGT"])
    assert [tokens[i] for i in ids] == ["ACG", "TAC", "[UNK]", "G", "T"]
    long = "ACGTTGCA" * 5000
    (ids,) = tokenizer.encode_batch([long])
    assert tokenizer.decode(ids) == long
    with pytest.raises(ValueError, match="k must be at least 1"):
        train("kmers", k=0)


def test_settings_are_in_the_file(tmp_path):
    plain = train("bpe")
    lowered = train("bpe", lowercase=True)
    stripped = train("bpe", strip_accents=True)
    for tokenizer, text in (
        (plain, "König ΟΔΟΣ"),
        (lowered, "könig οδος"),
        (stripped, "Konig ΟΔΟΣ"),
    ):
        tokenizer.save(tmp_path / "tokenizer.json")
        again = tokenizers.load(tmp_path)
        (ids,) = again.encode_batch(["König ΟΔΟΣ"])
        assert again.decode(ids) == text
    raw = train("bpe", normalization="none")
    assert raw.decode(raw.encode_batch(["e\u0301"])[0]) == "e\u0301"


def test_words_of_pieces(trained):
    tokenizer = trained["bpe"]
    (ids,) = tokenizer.encode_batch(["the song 😀 ข"])
    texts = tokenizer.texts_of([tokenizer.cls_token_id, *ids])
    assert texts[0] == ""
    assert "".join(texts).replace("\u200b", "") == "the song 😀 ข"
    starts = tokenizer.is_word_start
    pieces = [tokenizer.piece_texts[i] for i in ids]
    assert [bool(starts[i]) for i in ids] == [
        piece[0] in " ข" for piece in pieces
    ]


def test_anybodys_tokenizer_json(tmp_path):
    from tokenizers import AddedToken
    from tokenizers import models
    from tokenizers import pre_tokenizers
    from tokenizers import processors
    from tokenizers import trainers

    fast = Fast(models.BPE(unk_token="<unk>"))
    fast.pre_tokenizer = pre_tokenizers.Whitespace()
    names = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    fast.train_from_iterator(
        LINES, trainers.BpeTrainer(vocab_size=150, special_tokens=names)
    )
    fast.add_tokens([AddedToken("kingsong")])
    fast.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    fast.enable_truncation(4)
    fast.enable_padding(length=8)
    fast.save(str(tmp_path / "tokenizer.json"))
    tokenizer = tokenizers.load(tmp_path)
    assert isinstance(tokenizer, FastTokenizer)
    assert tokenizer.cls_token_id == 0 and tokenizer.mask_token_id == 4
    assert tokenizer.unk_token_id == 3 and tokenizer.pad_token_id == 1
    fast.no_truncation()
    fast.no_padding()
    text = "The kingsong sang 😀 while"
    expected = fast.encode(text, add_special_tokens=False)
    assert tokenizer.encode_with_offsets(text) == (
        expected.ids,
        expected.offsets,
    )
    assert tokenizer.vocabulary_size() == fast.get_vocab_size()


def test_special_tokens_that_a_file_lacks_are_added(tmp_path):
    from tokenizers import models

    fast = Fast(models.WordLevel({"a": 0, "b": 1, "<unk>": 2}, "<unk>"))
    fast.save(str(tmp_path / "tokenizer.json"))
    tokenizer = tokenizers.load(tmp_path)
    assert tokenizer.vocabulary_size() == 7
    assert sorted(tokenizer.special_token_ids) == [3, 4, 5, 6]
    assert tokenizer.encode_batch(["a", "[MASK]"]) == [[0], [2]]
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    content["model"]["type"] = "Other"
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="tokenizers cannot read this"):
        tokenizers.load(tmp_path)


@pytest.mark.parametrize("name", ["wordpiece", "wordpiece cased"])
def test_the_graph_gives_the_same_ids(trained, name):
    tf = pytest.importorskip("tensorflow")
    pytest.importorskip("tensorflow_text")
    tokenizer = trained[name]
    texts = [*LINES, *ODD[:-1], "x😀" * 300, "\ufffd\u0378\u00ad"]
    found = tf.function(tokenizer.tokenize)(tf.constant(texts))
    assert found.to_list() == tokenizer.encode_batch(texts)


@pytest.mark.parametrize("name", ["bpe code", "unigram", "wordpiece"])
def test_the_pipeline_reads_and_prepares_every_kind(trained, name, tmp_path):
    from keras_rtd.data import prepare_corpus
    from keras_rtd.data import pretraining_dataset

    tokenizer = trained[name]
    (tmp_path / "a.txt").write_text(TEXT + "\n\n" + tiny.text())
    manifest = prepare_corpus(
        tmp_path / "a.txt", tmp_path / "prepared", tokenizer
    )
    unknown = manifest["counts"]["train"]["unknown_tokens"]
    assert (unknown == 0) == (name != "wordpiece")
    for data in (tmp_path / "a.txt", tmp_path / "prepared"):
        dataset = pretraining_dataset(
            data,
            tokenizer,
            sequence_length=32,
            batch_size=2,
            segments="single",
            repeat=False,
        )
        rows = [np.asarray(batch["token_ids"]) for batch in dataset]
        texts = [tokenizer.decode(row) for row in np.concatenate(rows)]
        assert len(texts) > 20
        if tokenizer.keeps_lines:
            assert any("):\n    return" in text for text in texts)
            corpus = normal((tmp_path / "a.txt").read_text())
            # A row may end inside a character.
            assert all(text.strip("\ufffd") in corpus for text in texts)
