"""WordPiece in plain Python, fast enough for a corpus."""

import itertools
import re

import numpy as np

from keras_rtd.tokenizers.normalizer import FALSE_SPACES
from keras_rtd.tokenizers.normalizer import MAX_CHARACTERS_PER_WORD
from keras_rtd.tokenizers.normalizer import stretches

SUFFIX_INDICATOR = "##"

_MAX_REMEMBERED = 1 << 18

# What `normalizer.stretches` gives, in its place.
_STRETCH = re.compile(rf"(?:\S|[{FALSE_SPACES}])+")


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
        alphabet: set of str. Another character is a word by itself, and a
            long word is cut, so that no text is lost. `None`, the default,
            for BERT's rules.
    """

    def __init__(self, vocabulary, unk_token, normalizer, alphabet=None):
        self._ids = vocabulary
        self._tokens = list(vocabulary)
        self._unknown = (vocabulary[unk_token],)
        self._normalizer = normalizer
        self._max_token_length = max(map(len, vocabulary))
        self._part = alphabet and part_pattern(alphabet)
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
        for word in self.words(text):
            whole = self._ids.get(word)
            if whole is not None and len(word) <= MAX_CHARACTERS_PER_WORD:
                ids.append(whole)
            else:
                ids += self.encode_word(word)
        return tuple(ids)

    def words(self, text):
        """Normalised words of a text, as they are taken apart: list of str."""
        words = self._normalizer.words(text)
        if self._part:
            words = [p for word in words for p in self._part.findall(word)]
        return words

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

    def encode_inside_word(self, text):
        """Ids of text that continues a word, a list of int; empty where it
        cannot be taken apart."""
        ids = []
        while text:
            for end in range(len(text), 0, -1):
                found = self._ids.get(SUFFIX_INDICATOR + text[:end])
                if found is not None:
                    break
            else:
                return []
            ids.append(found)
            text = text[end:]
        return ids

    def encode_with_offsets(self, text):
        """Ids of a text with the characters each token covers.

        Args:
            text: str.

        Returns:
            (ids, starts, ends), int32 arrays `(num_tokens,)`. Token i comes
            from `text[starts[i]:ends[i]]`.
        """
        found = [
            item
            for match in _STRETCH.finditer(text)
            for item in self._stretch_offsets(match.group(), match.start())
        ]
        columns = np.array(found, np.int32).reshape(-1, 3).T
        return tuple(np.ascontiguousarray(column) for column in columns)

    def _stretch_offsets(self, text, offset):
        sources = self._sources(text)
        done = 0
        for word in self._normalizer.words(text):
            for token, length in self._pieces(word):
                # Where a character's lower case depends on its neighbours in
                # length, which no language's does today, the rest covers the
                # end.
                first = min(done, len(sources) - 1)
                last = min(done + length, len(sources)) - 1
                yield (
                    token,
                    offset + sources[first],
                    offset + sources[max(first, last)] + 1,
                )
                done += length

    def _pieces(self, word):
        """(id, number of the word's characters) of each piece of a word."""
        found = self.encode_word(word)
        lengths = [
            len(self._tokens[i]) - len(SUFFIX_INDICATOR) * (at > 0)
            for at, i in enumerate(found)
        ]
        if sum(lengths) != len(word):
            # The unknown token stands for all of it.
            return [(found[0], len(word))]
        return list(zip(found, lengths))

    def _sources(self, text):
        """For each character of the normalised text, where it comes from."""
        return [
            place
            for place, character in enumerate(text)
            for word in self._normalizer.words(character)
            for _ in word
        ]


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


def alphabet_of(vocabulary):
    """Characters that tokens of a vocabulary stand for: frozenset of str."""
    alone = (token.removeprefix(SUFFIX_INDICATOR) for token in vocabulary)
    return frozenset(c for c in alone if len(c) == 1)


def part_pattern(alphabet, longest=MAX_CHARACTERS_PER_WORD):
    """Regular expression for the parts of words: known characters, so many
    at most, or one that is unknown."""
    known = re.escape("".join(sorted(alphabet)))
    return re.compile(rf"[{known}]{{1,{longest}}}|[^{known}]")


def continues_word(token):
    """Whether a token is "##" and something after it."""
    return len(token) > len(SUFFIX_INDICATOR) and token.startswith(
        SUFFIX_INDICATOR
    )
