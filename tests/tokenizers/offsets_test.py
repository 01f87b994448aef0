import numpy as np
import pytest
from tokenizers import BertWordPieceTokenizer

from keras_rtd.models import bundled
from keras_rtd.tokenizers import ElectraTokenizer

VOCABULARY = str(
    bundled.DIRECTORY
    / "electra_tiny_uncased_en/assets/tokenizer/vocabulary.txt"
)

TEXTS = [
    "The quick brown fox, unbelievably, jumped over 3.14 dogs!",
    "  Café naïve résumé — “quoted” …  tabs\tand\nlines ",
    "ＦＵＬＬ width, 東京 is a city; Ünïcödé",
    "e\u0301tude with a combining accent and a soft\u00adhyphen",
    "",
    "antidisestablishmentarianism " + "x" * 250,
]


@pytest.mark.parametrize("text", TEXTS)
def test_ids_and_offsets_are_those_of_hugging_face(text):
    tokenizer = ElectraTokenizer(VOCABULARY)
    # Its own limit of a word's length is 100.
    other = BertWordPieceTokenizer(VOCABULARY, lowercase=True)
    expected = other.encode(text, add_special_tokens=False)
    ids, mine = tokenizer.encode_with_offsets(text)
    assert ids == expected.ids
    for (start, end), (first, last) in zip(mine, expected.offsets):
        # An accent of its own belongs to the letter before it there.
        assert start == first and text[start:end].strip()
        assert end in (last, last - 1)


def test_offsets_where_characters_are_dropped_or_grow():
    tokenizer = ElectraTokenizer(VOCABULARY)
    # U+0085 is no space for BERT, a capital I with a dot becomes two.
    for text in ("the\u0085 time\x00s", "\u0130stanbul the", "a\x1cb the"):
        ids, offsets = tokenizer.encode_with_offsets(text)
        assert ids == tokenizer.encode_batch([text])[0]
        starts, ends = np.array(offsets).T
        assert (starts < ends).all() and (ends <= len(text)).all()
        assert (np.diff(starts) >= 0).all()


def test_keeping_case_and_accents():
    tokenizer = ElectraTokenizer(
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "É", "##té", "."],
        lowercase=False,
    )
    ids, offsets = tokenizer.encode_with_offsets("Été. zz")
    assert ids == [5, 6, 7, 1]
    assert offsets == [(0, 1), (1, 3), (3, 4), (5, 7)]
