"""BERT's normaliser in plain Python."""

import functools
import re
import unicodedata

from keras_rtd.tokenizers import unicode_tables

# A word of more characters becomes the unknown token; `WordpieceTokenizer`
# of google-research/electra model/tokenization.py, max_input_chars_per_word.
MAX_CHARACTERS_PER_WORD = 200
NORMALIZATIONS = ("NFC", "NFKC", "none")

_ASCII_DROPPED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_ASCII_WORD = re.compile(
    r"[{0}]|[^{0}\s]+".format(re.escape(unicode_tables.ASCII_PUNCTUATION))
)

# Zero-width: it is between words, and has no width.
BOUNDARY = "\u200b"

# What `str.split` takes for spaces and the normaliser drops.
FALSE_SPACES = r"\x0b\x0c\x1c-\x1f\x85"
_FALSE_SPACE = re.compile(f"[{FALSE_SPACES}]")


def stretches(text):
    """The parts of a text between spaces.

    Each can be normalised by itself: the words of a text are the words of its
    stretches, one after the other. That makes normalising a matter of looking
    up stretches seen before.

    Args:
        text: str.

    Returns:
        list of str.
    """
    if _FALSE_SPACE.search(text):
        text = _FALSE_SPACE.sub("", text)
    return text.split()


@functools.cache
def _patterns(keep_text):
    """Sets of the dropped, the marks and the isolated characters."""
    return tuple(
        re.compile(unicode_tables.class_pattern(wanted, keep_text))
        for wanted in (
            unicode_tables.DROPPED,
            unicode_tables.MARK,
            unicode_tables.ISOLATED,
        )
    )


class Normalizer:
    """Splits text into the words that WordPiece takes apart.

    Cleans the text (drops U+0000, U+FFFD and category C* but for tab, newline
    and return), lowers it as `str.lower` does (no casefolding: ß stays, a
    final sigma is ς), decomposes it and drops the accents, makes each CJK and
    each punctuation character a word of its own, and splits at spaces. No
    text, `[MASK]` neither, is special.

    Source: google-research/electra model/tokenization.py `BasicTokenizer`;
    `Normalizer` gives the same words. `strip_accents` without `lowercase`,
    which is no different from neither there, strips accents here.

    Args:
        lowercase: bool. Defaults to `True`.
        strip_accents: bool or `None`. `None`, the default, follows
            `lowercase`, as in BERT.
        normalization: `None` for BERT's rules, the default; or "NFC", "NFKC"
            or "none", applied first. Then only control and format characters
            are dropped, without U+200C and U+200D, which join letters, and
            U+200B is a space.

    Example:
        >>> Normalizer().words("Café [MASK]")
        ['cafe', '[', 'mask', ']']
    """

    def __init__(self, lowercase=True, strip_accents=None, normalization=None):
        if normalization not in (None, *NORMALIZATIONS):
            raise ValueError(
                f"normalization must be one of {', '.join(NORMALIZATIONS)}, or "
                f"None for BERT's rules. Received: {normalization!r}"
            )
        self.normalization = normalization
        self.lowercase = bool(lowercase)
        if strip_accents is None:
            strip_accents = lowercase
        self.strip_accents = bool(strip_accents)

    def words(self, text):
        """Words of a text.

        Args:
            text: str.

        Returns:
            list of str, none empty.
        """
        if text.isascii():
            if not text.isprintable():
                text = _ASCII_DROPPED.sub("", text)
            return _ASCII_WORD.findall(text.lower() if self.lowercase else text)
        keep_text = self.normalization is not None
        dropped, marks, isolated = _patterns(keep_text)
        if keep_text:
            text = self._compose(text).replace(BOUNDARY, " ")
        text = dropped.sub("", text)
        if self.lowercase:
            text = text.lower()
        if self.strip_accents:
            text = marks.sub("", unicodedata.normalize("NFD", text))
            text = self._compose(text)
        return isolated.sub(r" \g<0> ", text).split()

    def _compose(self, text):
        if self.normalization in (None, "none"):
            return text
        return unicodedata.normalize(self.normalization, text)

    def normalize(self, text):
        """The words of a text joined by single spaces, as str."""
        return " ".join(self.words(text))
