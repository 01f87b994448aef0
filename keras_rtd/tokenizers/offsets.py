"""Where in the original text each token comes from."""

import re

import numpy as np

from keras_rtd.tokenizers.normalizer import FALSE_SPACES
from keras_rtd.tokenizers.wordpiece import SUFFIX_INDICATOR

# What `normalizer.stretches` gives, in its place.
_STRETCH = re.compile(rf"(?:\S|[{FALSE_SPACES}])+")


def encode_with_offsets(encoder, normalizer, tokens, text):
    """Ids of a text with the characters each token covers.

    Args:
        encoder: `WordPieceEncoder`.
        normalizer: the encoder's `Normalizer`.
        tokens: list of str, the vocabulary.
        text: str.

    Returns:
        (ids, starts, ends), int32 arrays `(num_tokens,)`. Token i comes from
        `text[starts[i]:ends[i]]`.
    """
    ids, starts, ends = [], [], []
    for match in _STRETCH.finditer(text):
        for token, start, end in _stretch(
            encoder, normalizer, tokens, match.group(), match.start()
        ):
            ids.append(token)
            starts.append(start)
            ends.append(end)
    return tuple(np.array(part, np.int32) for part in (ids, starts, ends))


def _stretch(encoder, normalizer, tokens, text, offset):
    sources = _sources(normalizer, text)
    done = 0
    for word in normalizer.words(text):
        for token, length in _pieces(encoder, tokens, word):
            # Where a character's lower case depends on its neighbours in
            # length, which no language's does today, the rest covers the end.
            first = min(done, len(sources) - 1)
            last = min(done + length, len(sources)) - 1
            yield (
                token,
                offset + sources[first],
                offset + sources[max(first, last)] + 1,
            )
            done += length


def _pieces(encoder, tokens, word):
    """(id, number of the word's characters) of each piece of a word."""
    found = encoder.encode_word(word)
    lengths = [_length(tokens[i], at > 0) for at, i in enumerate(found)]
    if sum(lengths) != len(word):
        # The unknown token stands for all of it.
        return [(found[0], len(word))]
    return list(zip(found, lengths))


def _length(token, continues):
    return len(token) - len(SUFFIX_INDICATOR) * continues


def _sources(normalizer, text):
    """For each character of the normalised text, the place it comes from."""
    return [
        place
        for place, character in enumerate(text)
        for word in normalizer.words(character)
        for _ in word
    ]
