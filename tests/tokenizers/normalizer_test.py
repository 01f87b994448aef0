"""The normaliser in Python: what google-research/electra's code gives."""

import pytest

from keras_rtd.tokenizers import unicode_tables
from keras_rtd.tokenizers.normalizer import Normalizer
from keras_rtd.tokenizers.normalizer import stretches

# Text and its words, lower case and without accents. Made by hand from the
# rules of google-research/electra model/tokenization.py.
ODD_TEXTS = {
    "empty": ("", []),
    "only spaces": (" \t\r\n ", []),
    "plain": ("The Quick, brown fox.", ["the", "quick", ",", "brown"]
              + ["fox", "."]),
    "apostrophe": ("don't", ["don", "'", "t"]),
    "ascii symbols": ("a$b^c`d~e", list("a$b^c`d~e")),
    "special tokens": ("[MASK] [CLS]", ["[", "mask", "]", "[", "cls", "]"]),
    "no-break space": ("a\u00a0b\u202fc\u3000d", ["a", "b", "c", "d"]),
    "zero-width space": ("a\u200bb", ["ab"]),
    "zero-width joiners": ("a\u200cb\u200dc\ufeff", ["abc"]),
    "line separators": ("a\u2028b\u2029c", ["a", "b", "c"]),
    "soft hyphen": ("hy\u00adphen", ["hyphen"]),
    "controls": ("a\x00b\x07c\x1bd\x7fe\x85f", ["abcdef"]),
    "false spaces": ("a\x0bb\x0cc\x1cd\x1de\x1ef\x1fg", ["abcdefg"]),
    "replacement": ("a\ufffdb", ["ab"]),
    "directions": ("a\u200fb\u202ec\u2066d", ["abcd"]),
    "private use": ("a\ue000b\U000f0000c\U0010ffffd", ["abcd"]),
    "unassigned": ("a\u0378b\U000e0fffc\ufffed", ["abcd"]),
    "ligatures": ("\ufb01ne \u00c6on \u0132", ["\ufb01ne", "\u00e6on"]
                  + ["\u0133"]),
    "sharp s": ("Stra\u00dfe \u1e9e", ["stra\u00dfe", "\u00df"]),
    "dotted I": ("\u0130stanbul \u0131", ["istanbul", "\u0131"]),
    "composed": ("Caf\u00e9 \u00c5ngstr\u00f6m", ["cafe", "angstrom"]),
    "combining": ("Cafe\u0301 n\u0303 \u0301", ["cafe", "n"]),
    "no decomposition": ("\u0141\u00f3d\u017a \u00d8 \u0110", ["\u0142odz"]
                         + ["\u00f8", "\u0111"]),
    "signs": ("\u212b \u2126 \u212a", ["a", "\u03c9", "k"]),
    "full-width": ("\uff21\uff42\uff01", ["\uff41\uff42", "\uff01"]),
    "digits": ("\u0661\u00b2\u2460\u216b", ["\u0661\u00b2\u2460\u217b"]),
    "final sigma": ("\u039f\u03a3 \u03a3\u0391\u03a3", ["\u03bf\u03c2"]
                    + ["\u03c3\u03b1\u03c2"]),
    "sigma alone": ("\u03a3 A\u03a3\u03a3", ["\u03c3", "a\u03c3\u03c2"]),
    "sigma before a point": ("A\u03a3. A\u03a3.b", ["a\u03c2", "."]
                             + ["a\u03c3", ".", "b"]),
    "sigma before a soft hyphen": ("A\u03a3\u00adb", ["a\u03c3b"]),
    "sigma before an accent": ("A\u03a3\u0301", ["a\u03c2"]),
    "sigma before an ideograph": ("A\u03a3\u4e2d", ["a\u03c2", "\u4e2d"]),
    "Greek accents": ("\u1f08\u03b8\u03ae\u03bd\u03b1\u037e",
                      ["\u03b1\u03b8\u03b7\u03bd\u03b1", ";"]),
    "Cyrillic": ("\u0419\u0401\u0416", ["\u0438\u0435\u0436"]),
    "Hangul": ("\ud55c\uad6d", ["\u1112\u1161\u11ab\u1100\u116e\u11a8"]),
    "Japanese": ("\u304c\u30d1\u6f22\u5b57", ["\u304b\u30cf", "\u6f22"]
                 + ["\u5b57"]),
    "ideographs": ("a\u4e2d\u3400b", ["a", "\u4e2d", "\u3400", "b"]),
    "more ideographs": ("\U00020000\U0002a700x", ["\U00020000", "\U0002a700"]
                        + ["x"]),
    "late ideographs": ("\U00030000x", ["\U00030000x"]),
    "compatibility": ("\uf900\U0002f800", ["\u8c48", "\u4e3d"]),
    "Thai": ("\u0e01\u0e33 \u0e19\u0e49\u0e33", ["\u0e01\u0e33"]
             + ["\u0e19\u0e33"]),
    "Arabic": ("\u0645\u064f\u062d\u0645\u0651\u062f\u060c",
               ["\u0645\u062d\u0645\u062f", "\u060c"]),
    "Hebrew": ("\u05e9\u05c1\u05b8\u05be\u05d0", ["\u05e9", "\u05be"]
               + ["\u05d0"]),
    "Devanagari": ("\u0939\u093f\u0928\u094d\u0926\u0940\u0964",
                   ["\u0939\u093f\u0928\u0926\u0940", "\u0964"]),
    "emoji": ("\U0001f469\u200d\U0001f4bb\ufe0f!", ["\U0001f469\U0001f4bb"]
              + ["!"]),
    "dashes": ("a\u2014b\u2026\u201cc\u201d", ["a", "\u2014", "b", "\u2026"]
               + ["\u201c", "c", "\u201d"]),
    "symbols": ("a\u20acb\u00d7c\u00b0", ["a\u20acb\u00d7c\u00b0"]),
    "tone marks in order": ("a\u302e\U0001d165", ["a\U0001d165\u302e"]),
    "music": ("\U0001d15e\u302f", ["\U0001d157\U0001d165\u302f"]),
    "long words": ("x" * 201 + "." + "y" * 1000, ["x" * 201, ".", "y" * 1000]),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD_TEXTS)
def test_odd_text(name):
    text, words = ODD_TEXTS[name]
    assert Normalizer().words(text) == words


@pytest.mark.parametrize(
    "lowercase, strip_accents, words",
    [
        (True, None, ["resume", "os"]),
        (True, False, ["r\u00e9sum\u00e9", "os"]),
        (False, None, ["R\u00e9sum\u00e9", "OS"]),
        (False, True, ["Resume", "OS"]),
    ],
)
def test_options(lowercase, strip_accents, words):
    normalizer = Normalizer(lowercase, strip_accents)
    assert normalizer.words("R\u00e9sum\u00e9 OS") == words
    assert normalizer.normalize(" R\u00e9sum\u00e9  OS\n") == " ".join(words)


def test_accents_are_kept_as_written():
    normalizer = Normalizer(strip_accents=False)
    assert normalizer.words("\u00c9 E\u0301") == ["\u00e9", "e\u0301"]
    assert normalizer.words("\u0130") == ["i\u0307"]


def test_ascii_shortcut_changes_nothing():
    normalizer = Normalizer()
    ascii_text = "".join(map(chr, range(128))) * 2
    assert normalizer.words(ascii_text + " \u00ff")[:-1] == normalizer.words(
        ascii_text
    )


def test_words_of_stretches_are_words_of_the_text():
    normalizer = Normalizer()
    for text, words in ODD_TEXTS.values():
        found = []
        for stretch in stretches(text):
            found += normalizer.words(stretch)
        assert found == words


def test_every_ideograph_stays_one_when_decomposed():
    # Isolating after the decomposition is then the same as before it.
    classes = unicode_tables.classes()
    expansions = unicode_tables.expansions(True, True)
    for first, last in unicode_tables.CJK_BLOCKS:
        for code_point in range(first, last + 1):
            if classes[code_point] == unicode_tables.DROPPED:
                continue
            page = expansions.pages[code_point >> unicode_tables.PAGE_BITS]
            row = page * unicode_tables.PAGE_SIZE
            row += code_point % unicode_tables.PAGE_SIZE
            start, end = expansions.row_splits[row : row + 2]
            assert end - start == 1
            assert any(
                low <= expansions.values[start] <= high
                for low, high in unicode_tables.CJK_BLOCKS
            )
