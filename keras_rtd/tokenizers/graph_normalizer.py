"""BERT's normaliser as TensorFlow operations.

The same function as `keras_rtd.tokenizers.normalizer`, on `tf.string` tensors
and inside graphs, with neither ICU nor RE2 deciding what a character is: text
is decoded, and all that depends on Unicode is read off tables that Python made.
"""

import functools

import tensorflow as tf
import tensorflow_text as tf_text

from keras_rtd.tokenizers import unicode_tables
from keras_rtd.tokenizers.unicode_tables import CAPITAL_SIGMA
from keras_rtd.tokenizers.unicode_tables import CASE_IGNORABLE
from keras_rtd.tokenizers.unicode_tables import CASED
from keras_rtd.tokenizers.unicode_tables import CLASS_BITS
from keras_rtd.tokenizers.unicode_tables import COMBINING_SHIFT
from keras_rtd.tokenizers.unicode_tables import DROPPED
from keras_rtd.tokenizers.unicode_tables import FINAL_SIGMA
from keras_rtd.tokenizers.unicode_tables import ISOLATED
from keras_rtd.tokenizers.unicode_tables import MARK
from keras_rtd.tokenizers.unicode_tables import PAGE_BITS
from keras_rtd.tokenizers.unicode_tables import PAGE_SIZE
from keras_rtd.tokenizers.unicode_tables import SPACE

_PLAIN_ASCII = r"[\t\n\r -~]*"
_ASCII_PUNCTUATION = r"[!-/:-@\[-`{-~]"
END_OF_TEXT = 0


@functools.cache
def _tables(lowercase, strip_accents, alphabet):
    """Both tables as eager tensors, which any graph can capture."""
    with tf.init_scope(), tf.device("cpu"):
        properties = unicode_tables.properties(alphabet, strip_accents)
        expansions = unicode_tables.expansions(
            lowercase, strip_accents, alphabet is not None
        )
        return (
            tuple(tf.constant(array) for array in properties),
            tuple(tf.constant(array) for array in expansions),
        )


class GraphNormalizer:
    """`Normalizer` for string tensors.

    Source: google-research/electra model/tokenization.py `BasicTokenizer`.

    Args:
        lowercase: bool.
        strip_accents: bool.
        normalization: `None`, "NFC", "NFKC" or "none", see `Normalizer`.
            Defaults to `None`.
        alphabet: frozenset of str, the characters that can stand in a word
            with others, or `None` for all, the default.
    """

    def __init__(
        self, lowercase, strip_accents, normalization=None, alphabet=None
    ):
        self.lowercase = lowercase
        self.strip_accents = strip_accents
        self.composition = None
        if normalization not in (None, "none"):
            self.composition = normalization
        alone = ""
        if alphabet is not None:
            known = set(alphabet)
            alone = "".join(
                c
                for c in map(chr, range(33, 127))
                if c.isalnum() and c not in known
            )
        self._plain_alone = _ASCII_PUNCTUATION[:-1] + alone + "]"
        properties, expansions = _tables(lowercase, strip_accents, alphabet)
        self._property_pages, self._property_values = properties
        self._expansion_pages = expansions[0]
        self._expansion_splits = expansions[1]
        self._expansion_values = expansions[2]

    def words(self, texts):
        """Words of each text.

        Args:
            texts: string tensor `(num_texts,)` of UTF-8. Invalid bytes are
                dropped.

        Returns:
            RaggedTensor of strings `(num_texts, None)`.
        """
        words, order = self.words_in_parts(texts)
        return tf.gather(words, order)

    def words_in_parts(self, texts):
        """Words of each text, plain ASCII texts before the others.

        Reordering ids is cheaper than reordering words.

        Args:
            texts: string tensor `(num_texts,)` of UTF-8.

        Returns:
            RaggedTensor of strings `(num_texts, None)` and int64 tensor
            `(num_texts,)`; text `i` is in row `order[i]`.
        """
        plain = tf.strings.regex_full_match(texts, _PLAIN_ASCII)
        plain_at = tf.where(plain)[:, 0]
        other_at = tf.where(~plain)[:, 0]
        words = tf.concat(
            [
                self._plain_words(tf.gather(texts, plain_at)),
                self._other_words(tf.gather(texts, other_at)),
            ],
            axis=0,
        )
        positions = tf.concat([plain_at, other_at], axis=0)
        return words, tf.math.invert_permutation(positions)

    def _plain_words(self, texts):
        """Words of printable ASCII, where bytes are characters."""
        if self.lowercase:
            texts = tf.strings.lower(texts)
        texts = tf.strings.regex_replace(texts, self._plain_alone, r" \0 ")
        return tf.strings.split(texts)

    def _other_words(self, texts):
        """Words of any Unicode text."""
        if self.composition:
            texts = tf_text.normalize_utf8(texts, self.composition)
        # U+0000 is dropped anyway, so it can mark the ends of the texts.
        texts = tf.strings.regex_replace(texts, r"\x00", "") + "\0"
        code_points = tf.strings.unicode_decode(texts, "UTF-8").values
        properties = self._properties(code_points)
        kept = (_class(properties) != DROPPED) | (code_points == END_OF_TEXT)
        code_points = tf.boolean_mask(code_points, kept)
        if self.lowercase:
            properties = tf.boolean_mask(properties, kept)
            code_points = tf.cond(
                tf.reduce_any(code_points == CAPITAL_SIGMA),
                lambda: _mark_final_sigmas(code_points, properties),
                lambda: code_points,
            )
        code_points = self._expand(code_points)
        if self.strip_accents:
            properties = self._properties(code_points)
            kept = _class(properties) != MARK
            code_points = tf.cond(
                tf.reduce_any(kept & (properties >= 1 << COMBINING_SHIFT)),
                lambda: _sort_and_drop_marks(code_points, properties),
                lambda: tf.boolean_mask(code_points, kept),
            )
            if self.composition:
                text = tf.strings.unicode_encode(code_points, "UTF-8")
                text = tf_text.normalize_utf8(text, self.composition)
                code_points = tf.strings.unicode_decode(text, "UTF-8")
        return _split(code_points, _class(self._properties(code_points)))

    def _properties(self, code_points):
        return tf.gather(
            self._property_values, _row(self._property_pages, code_points)
        )

    def _expand(self, code_points):
        rows = tf.RaggedTensor.from_row_splits(
            self._expansion_values, self._expansion_splits, validate=False
        )
        return tf.gather(rows, _row(self._expansion_pages, code_points)).values


def _class(properties):
    return tf.bitwise.bitwise_and(properties, CLASS_BITS)


def _row(pages, code_points):
    page = tf.gather(pages, tf.bitwise.right_shift(code_points, PAGE_BITS))
    return page * PAGE_SIZE + tf.bitwise.bitwise_and(code_points, PAGE_SIZE - 1)


def _mark_final_sigmas(code_points, properties):
    """Lowers each Σ after a cased character and before none to ς.

    Case-ignorable characters between do not count; `str.lower`.
    """
    ignorable = tf.bitwise.bitwise_and(properties, CASE_IGNORABLE) > 0
    counted_at = tf.where(~ignorable)
    counted = tf.boolean_mask(code_points, ~ignorable)
    cased = tf.boolean_mask(
        tf.bitwise.bitwise_and(properties, CASED) > 0, ~ignorable
    )
    # The text ends with END_OF_TEXT, which is neither: rolling is safe.
    final = (
        (counted == CAPITAL_SIGMA)
        & tf.roll(cased, 1, axis=0)
        & ~tf.roll(cased, -1, axis=0)
    )
    at = tf.boolean_mask(counted_at, final)
    return tf.tensor_scatter_nd_update(
        code_points, at, tf.fill(tf.shape(at)[:1], FINAL_SIGMA)
    )


def _sort_and_drop_marks(code_points, properties):
    """Canonical ordering, for scripts where not all that combines is a mark."""
    combining = tf.bitwise.right_shift(properties, COMBINING_SHIFT)
    run = tf.cumsum(tf.cast(combining == 0, tf.int64))
    key = run * 256 + tf.cast(combining, tf.int64)
    order = tf.argsort(key, stable=True)
    kept = tf.gather(_class(properties) != MARK, order)
    return tf.boolean_mask(tf.gather(code_points, order), kept)


def _split(code_points, classes):
    """Words of each text, from the code points of all texts."""
    ends = code_points == END_OF_TEXT
    spaces = ends | (classes == SPACE)
    isolated = classes == ISOLATED
    # END_OF_TEXT closes every text, so the first character follows the last.
    after_break = tf.roll(spaces | isolated, 1, axis=0)
    starts = ~spaces & (isolated | after_break)
    words_so_far = tf.cumsum(tf.cast(starts, tf.int64))
    row_splits = tf.concat([[0], tf.boolean_mask(words_so_far, ends)], axis=0)
    characters = tf.RaggedTensor.from_row_starts(
        tf.boolean_mask(code_points, ~spaces),
        tf.where(tf.boolean_mask(starts, ~spaces))[:, 0],
        validate=False,
    )
    return tf.RaggedTensor.from_row_splits(
        tf.strings.unicode_encode(characters, "UTF-8"),
        row_splits,
        validate=False,
    )
