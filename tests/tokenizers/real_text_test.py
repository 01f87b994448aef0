"""Ids of real text next to those of other implementations of BERT's tokenizer.

The text is not part of the project; without it these tests are skipped.
"""

import gzip
import importlib.util
import json
import lzma
import pathlib

import pytest

from keras_rtd.tokenizers import ElectraTokenizer

DATA = pathlib.Path(__file__).parents[3] / "shared" / "data"
VOCABULARY = DATA / "vocab" / "vocab.txt"
FILES = sorted(
    path
    for pattern in ("pretrain/*.xz", "glue/*/dev*.gz", "qa/dev*.gz")
    for path in DATA.glob(pattern)
)

if not VOCABULARY.is_file() or not FILES:
    pytest.skip(f"there is no text in {DATA}", allow_module_level=True)


def read_texts(path, max_characters):
    """The first lines of a file, or the contexts of a JSON file."""
    opener = lzma.open if path.suffix == ".xz" else gzip.open
    with opener(path, "rt", encoding="utf-8") as file:
        if ".json" in path.suffixes:
            articles = json.load(file)["data"]
            text = "\n".join(
                paragraph["context"]
                for article in articles
                for paragraph in article["paragraphs"]
            )
        else:
            text = file.read(max_characters)
    return [line for line in text[:max_characters].split("\n") if line]


@pytest.fixture(scope="module")
def tokenizer():
    return ElectraTokenizer(VOCABULARY)


def reference_ids(texts):
    """Ids by the Python tokenizer that Transformers took from BERT."""
    bert = pytest.importorskip(
        "transformers.models.bert.tokenization_bert_legacy"
    )
    vocabulary = bert.load_vocab(VOCABULARY)
    split = bert.BasicTokenizer(do_lower_case=True)
    # Google's limit is 200 characters, Transformers' default 100.
    pieces = bert.WordpieceTokenizer(vocabulary, "[UNK]", 200)
    return [
        [
            vocabulary[piece]
            for word in split.tokenize(text)
            for piece in pieces.tokenize(word)
        ]
        for text in texts
    ]


def in_graph(tokenizer, texts):
    import tensorflow as tf

    return tf.function(tokenizer.tokenize)(tf.constant(texts)).to_list()


def check(tokenizer, path, max_characters):
    texts = read_texts(path, max_characters)
    ids = tokenizer.encode_batch(texts)
    for text, mine, theirs in zip(
        texts, ids, reference_ids(texts), strict=True
    ):
        assert mine == theirs, text
    if importlib.util.find_spec("tensorflow_text"):
        assert in_graph(tokenizer, texts) == ids


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_same_ids(tokenizer, path):
    check(tokenizer, path, 100_000)


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_same_ids_of_much_text(tokenizer, path):
    check(tokenizer, path, 4_000_000)


def test_offsets_are_those_of_hugging_face(tokenizer):
    from tokenizers import BertWordPieceTokenizer

    peer = BertWordPieceTokenizer(str(VOCABULARY), lowercase=True)
    compared = 0
    for path in FILES[:6]:
        for text in read_texts(path, 100_000):
            ids, offsets = tokenizer.encode_with_offsets(text)
            other = peer.encode(text, add_special_tokens=False)
            # Its rules for rare characters are a little different.
            if other.ids == ids:
                assert offsets == other.offsets
                compared += len(ids)
    assert compared > 10_000
