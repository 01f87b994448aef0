"""What the trainers of all kinds share: counting, the alphabet, the end."""

import collections
import json
import re
import sys
import time

from keras_rtd.tokenizers import fast_parts

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# SentencePiece's own.
COVERAGE = 0.9995

# A longer word is counted in parts, so that no trainer is slow on it.
_LONGEST_WORD = 256
_WORDS_PER_LINE = 1024
_SECONDS_BETWEEN_REPORTS = 1.0


def check_special_tokens(tokens):
    """Different strings without spaces, as a list."""
    tokens = list(tokens)
    for token in tokens:
        if not token or token.split() != [token]:
            raise ValueError(
                f"special_tokens must be without spaces. Received: {token!r}"
            )
    if len(set(tokens)) != len(tokens):
        raise ValueError(
            "special_tokens must differ from one another. Received: "
            f"{' '.join(tokens)}"
        )
    return tokens


def special_arguments(tokens):
    """Arguments of a tokenizer for `special_tokens`: dict of str to str.

    The first five are [PAD], [UNK], [CLS], [SEP] and [MASK], unless these are
    among them.
    """
    if set(SPECIAL_TOKENS) <= set(tokens):
        tokens = SPECIAL_TOKENS
    if len(tokens) < len(SPECIAL_TOKENS):
        raise ValueError(
            "special_tokens must have one for each of "
            f"{' '.join(SPECIAL_TOKENS)}. Received: {' '.join(tokens)}"
        )
    return {
        f"{name.strip('[]').lower()}_token": token
        for name, token in zip(SPECIAL_TOKENS, tokens)
    }


def check_room(size, room, what):
    """Raises ValueError where a vocabulary has no room for pieces."""
    if size < 1:
        raise ValueError(f"size must be at least 1. Received: {size}")
    if room < 1:
        raise ValueError(
            f"size: {size} is too small for the {size - room} {what}. Pass at "
            f"least {size - room + 1}."
        )


def check_frequency(min_frequency):
    """Raises ValueError for a `min_frequency` that none can be."""
    if min_frequency < 1:
        raise ValueError(
            f"min_frequency must be at least 1. Received: {min_frequency}"
        )


def count_words(texts, normalizer, space=" ", progress=False):
    """How often each normalised word occurs, its space in front.

    Args:
        texts: iterable of str.
        normalizer: of `tokenizers`, or `None`.
        space: str, what stands for a space in normalised text.
        progress: bool. Report on stderr. Defaults to `False`.

    Returns:
        `Counter` of str.

    Raises:
        ValueError: there are no words.
    """
    word = re.compile(
        rf"{space}?[^{space}\n]{{1,{_LONGEST_WORD}}}|[{space}\n]+"
    )
    counts: collections.Counter[str] = collections.Counter()
    report = Progress(progress)
    for text in report.texts(texts):
        if normalizer is not None:
            text = normalizer.normalize_str(text)
        counts.update(word.findall(text))
    report.end()
    check_words(counts, space)
    return counts


def check_words(words, space=" "):
    """Raises ValueError where nothing is in the text."""
    if not any(word.strip(space + "\n\u200b ") for word in words):
        raise ValueError(
            "input: there are no words in it. Is the text in another field or "
            "another encoding?"
        )


def alphabet(word_counts, coverage=None, limit=None, room=0):
    """The most frequent characters.

    Args:
        word_counts: dict from word to int.
        coverage: float in (0, 1]. The characters make up this share of the
            text. `None`, the default, for 0.9995, and more where there is
            room.
        limit: int or `None`. So many characters at most.
        room: int. Without a coverage, so many characters where there are
            more. Defaults to 0.

    Returns:
        list of str, most frequent first, ties in Unicode order.
    """
    least = 0 if coverage is not None else room
    coverage = COVERAGE if coverage is None else coverage
    if not 0 < coverage <= 1:
        raise ValueError(
            f"coverage must be above 0 and at most 1. Received: {coverage}"
        )
    counts: collections.Counter[str] = collections.Counter()
    for word, count in word_counts.items():
        for character in word:
            counts[character] += count
    chosen: list[str] = []
    wanted = coverage * sum(counts.values())
    for character in sorted(counts, key=lambda c: (-counts[c], c)):
        enough = wanted <= 0 and len(chosen) >= least
        if enough or len(chosen) == limit:
            break
        chosen.append(character)
        wanted -= counts[character]
    return chosen


def known_parts(word_counts, characters):
    """(part, count) of words cut where they have another character, sorted."""
    counts: collections.Counter[str] = collections.Counter()
    known = re.compile(f"[{re.escape(''.join(characters))}]+")
    for word, count in word_counts.items():
        for part in known.findall(word):
            counts[part] += count
    return sorted(counts.items())


def repeat(words):
    """Each word as often as it was counted: the trainers take no counts.

    Args:
        words: list of (word, count).

    Yields:
        lists of str.
    """
    for word, count in words:
        for done in range(0, count, _WORDS_PER_LINE):
            yield [word] * min(count - done, _WORDS_PER_LINE)


def finish(cls, fast, special_tokens):
    """A tokenizer of a trained `tokenizers.Tokenizer`.

    Args:
        cls: subclass of `FastTokenizer`.
        fast: with everything but the special tokens' part in it.
        special_tokens: list of str, in the vocabulary.
    """
    arguments = special_arguments(special_tokens)
    fast.add_special_tokens(list(special_tokens))
    fast.post_processor = fast_parts.post_processor(
        arguments["cls_token"], arguments["sep_token"], fast.get_vocab()
    )
    return cls(json.loads(fast.to_str()), **arguments)


class Progress:
    """How much has been read, on stderr once a second."""

    def __init__(self, shown):
        self._shown = shown
        self._documents = self._characters = 0
        self._start = self._reported = time.monotonic()

    def texts(self, texts):
        """Yields the texts, and counts them."""
        for text in texts:
            self._documents += 1
            self._characters += len(text)
            now = time.monotonic()
            if self._shown and now - self._reported > _SECONDS_BETWEEN_REPORTS:
                self._reported = now
                self._report(end="")
            yield text

    def end(self):
        """The last line."""
        if self._shown:
            self._report(end="\n")

    def _report(self, end):
        millions = self._characters / 1e6
        seconds = max(time.monotonic() - self._start, 1e-9)
        print(
            f"\rread {self._documents:,} documents, {millions:,.0f} M "
            f"characters, {millions / seconds:.1f} M/s",
            end=end,
            file=sys.stderr,
            flush=True,
        )
