"""The normaliser as TensorFlow operations equals the one in Python."""

import random
import unicodedata

import pytest

from keras_rtd.tokenizers import unicode_tables
from keras_rtd.tokenizers.normalizer import Normalizer

tf = pytest.importorskip("tensorflow")
OPTIONS = [(True, True), (True, False), (False, False), (False, True)]


def graph_words(texts, lowercase, strip_accents):
    from keras_rtd.tokenizers.graph_normalizer import GraphNormalizer

    normalizer = GraphNormalizer(lowercase, strip_accents)
    words = tf.function(normalizer.words)(tf.constant(texts, tf.string))
    return [
        [word.decode() for word in text_words] for text_words in words.to_list()
    ]


def assert_same_words(texts, lowercase, strip_accents):
    from keras_rtd.tokenizers.graph_normalizer import GraphNormalizer

    in_python = Normalizer(lowercase, strip_accents)
    in_graph = GraphNormalizer(lowercase, strip_accents)

    @tf.function
    def normalize(texts):
        words = in_graph.words(texts)
        return tf.strings.reduce_join(words, axis=-1, separator=" ")

    found = normalize(tf.constant(texts)).numpy()
    for text, normalized in zip(texts, found, strict=True):
        assert normalized.decode() == in_python.normalize(text), ascii(text)


@pytest.mark.parametrize(
    "lowercase, strip_accents",
    [OPTIONS[0], pytest.param(*OPTIONS[2], marks=pytest.mark.slow)],
)
def test_every_code_point_in_context(lowercase, strip_accents):
    characters = [
        chr(code_point)
        for code_point in range(1, unicode_tables.NUM_CODE_POINTS)
        if not 0xD800 <= code_point < 0xE000
    ]
    texts = [
        "".join(f"A{c}\u03a3{c}b {c} " for c in characters[i : i + 128])
        for i in range(0, len(characters), 128)
    ]
    assert_same_words(texts, lowercase, strip_accents)


@pytest.mark.parametrize("lowercase, strip_accents", OPTIONS)
def test_random_sequences(lowercase, strip_accents):
    everything = [
        chr(code_point)
        for code_point in range(unicode_tables.NUM_CODE_POINTS)
        if not 0xD800 <= code_point < 0xE000
        and unicodedata.category(chr(code_point)) not in ("Cn", "Co")
    ]
    combining = [c for c in everything if unicodedata.combining(c)]
    sources = [
        everything,
        combining,
        [c for c in combining if unicodedata.category(c) != "Mn"],
        [c for c in everything if unicodedata.category(c)[0] in "PZC"],
        [c for c in everything if c.lower() != c],
        ["\u03a3", "\u0130", "\u0344", "\U0001d15e"],
        list("aB.' "),
    ]
    rng = random.Random(0)
    texts = [
        "".join(
            rng.choice(rng.choice(sources)) for _ in range(rng.randrange(12))
        )
        for _ in range(20_000)
    ]
    assert_same_words(texts, lowercase, strip_accents)


def test_order_of_plain_and_other_texts():
    texts = ["plain", "\u00e9t\u00e9", "", "A b", "\u00fc", "\x07", "z"]
    assert graph_words(texts, True, True) == [
        ["plain"],
        ["ete"],
        [],
        ["a", "b"],
        ["u"],
        [],
        ["z"],
    ]


def test_no_texts():
    assert graph_words([], True, True) == []


def test_bytes_that_are_not_utf8_are_dropped():
    from keras_rtd.tokenizers.graph_normalizer import GraphNormalizer

    words = GraphNormalizer(True, True).words(tf.constant([b"a\xff\xc3 b"]))
    assert words.to_list() == [[b"a", b"b"]]
