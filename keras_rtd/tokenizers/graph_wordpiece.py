"""WordPiece as TensorFlow operations: tensorflow-text on our words."""

import tensorflow as tf
import tensorflow_text as tf_text

from keras_rtd.tokenizers.graph_normalizer import GraphNormalizer
from keras_rtd.tokenizers.normalizer import MAX_CHARACTERS_PER_WORD
from keras_rtd.tokenizers.string_inputs import map_strings
from keras_rtd.tokenizers.wordpiece import SUFFIX_INDICATOR

_MAX_UTF8_BYTES = 4


def build(vocabulary, unk_token):
    """tensorflow-text's WordPiece for single words.

    Args:
        vocabulary: list of str.
        unk_token: str. A token of the vocabulary.

    Returns:
        `tf_text.FastWordpieceTokenizer`, eager even when called in a graph, so
        that any graph can capture its tables.
    """
    with tf.init_scope(), tf.device("cpu"):
        return tf_text.FastWordpieceTokenizer(
            vocab=vocabulary,
            suffix_indicator=SUFFIX_INDICATOR,
            max_bytes_per_word=MAX_CHARACTERS_PER_WORD * _MAX_UTF8_BYTES,
            token_out_type=tf.int32,
            unknown_token=unk_token,
            no_pretokenization=True,
            support_detokenization=True,
        )


def tokenize(texts, normalizer, fast_word_piece, unk_token, alphabet=None):
    """Ids of texts.

    Args:
        texts: string tensor of any rank, dense or ragged, or what becomes one.
        normalizer: `Normalizer`, for its options.
        fast_word_piece: from `build`.
        unk_token: str.
        alphabet: frozenset of str. A character that is not in it is a word,
            and a long word is cut. `None`, the default, for BERT's rules.

    Returns:
        int32 tensor `(num_tokens,)` for a scalar, otherwise a RaggedTensor
        with one dimension more than `texts`.
    """
    graph_normalizer = GraphNormalizer(
        normalizer.lowercase,
        normalizer.strip_accents,
        normalizer.normalization,
        alphabet,
    )

    def ids_of(flat_texts):
        words, order = graph_normalizer.words_in_parts(flat_texts)
        if alphabet is None:
            shorter = _replace_long_words(words.values, unk_token)
            words = words.with_values(shorter)
        else:
            words = _cut_long_words(words)
        ids = fast_word_piece.tokenize(words).merge_dims(-2, -1)
        return tf.gather(ids, order)

    with tf.device("cpu"):
        return map_strings(ids_of, texts)


def _replace_long_words(words, unk_token):
    """Puts the unknown token, which is its own piece, for too long words.

    tensorflow-text's own limit counts bytes, the reference's characters.
    """
    characters = tf.strings.length(words, unit="UTF8_CHAR")
    too_long = characters > MAX_CHARACTERS_PER_WORD
    return tf.cond(
        tf.reduce_any(too_long),
        lambda: tf.where(too_long, unk_token, words),
        lambda: words,
    )


def _cut_long_words(words):
    """Words of so many characters at most, RaggedTensor `(num_texts, None)`."""
    parts = tf.strings.regex_replace(
        words.values, f"(.{{{MAX_CHARACTERS_PER_WORD}}})", r"\1 "
    )
    return words.with_values(tf.strings.split(parts)).merge_dims(-2, -1)
