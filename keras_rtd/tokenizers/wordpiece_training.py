"""From counted words to the pieces of a vocabulary."""

import collections
import sys
import time

from keras_rtd.tokenizers.normalizer import MAX_CHARACTERS_PER_WORD
from keras_rtd.tokenizers.normalizer import stretches
from keras_rtd.tokenizers.wordpiece import SUFFIX_INDICATOR

_MAX_STRETCHES = 1 << 20
_WORDS_PER_LINE = 1024
_SECONDS_BETWEEN_REPORTS = 1.0


def count_words(texts, normalizer, progress=False):
    """How often each normalised word occurs.

    Stretches between spaces are counted first and normalised once each.

    Args:
        texts: iterable of str.
        normalizer: `Normalizer`.
        progress: bool. Report on stderr. Defaults to `False`.

    Returns:
        `Counter` of str; words too long for WordPiece are left out.
    """
    word_counts: collections.Counter[str] = collections.Counter()
    stretch_counts: collections.Counter[str] = collections.Counter()

    def flush():
        for stretch, count in stretch_counts.items():
            for word in normalizer.words(stretch):
                if len(word) <= MAX_CHARACTERS_PER_WORD:
                    word_counts[word] += count
        stretch_counts.clear()

    start = reported = time.monotonic()
    number = characters = 0
    for number, text in enumerate(texts, start=1):
        stretch_counts.update(stretches(text))
        if len(stretch_counts) >= _MAX_STRETCHES:
            flush()
        characters += len(text)
        now = time.monotonic()
        if progress and now - reported > _SECONDS_BETWEEN_REPORTS:
            reported = now
            _report(number, characters, now - start)
    flush()
    if progress:
        _report(number, characters, time.monotonic() - start)
        print(f"\n{len(word_counts):,} different words", file=sys.stderr)
    return word_counts


def _report(num_documents, characters, seconds):
    millions = characters / 1e6
    print(
        f"\rread {num_documents:,} documents, {millions:,.0f} M characters, "
        f"{millions / max(seconds, 1e-9):.1f} M/s",
        end="",
        file=sys.stderr,
        flush=True,
    )


def choose_alphabet(word_counts, limit):
    """The most frequent characters.

    Args:
        word_counts: dict from word to int.
        limit: int. So many characters at most; ties in Unicode order.

    Returns:
        set of str.
    """
    counts: collections.Counter[str] = collections.Counter()
    for word, count in word_counts.items():
        for character in word:
            counts[character] += count
    by_frequency = sorted(counts, key=lambda c: (-counts[c], c))
    return set(by_frequency[:limit])


def train_pieces(
    words,
    size,
    min_frequency,
    special_tokens,
    starts,
    suffixes,
    progress=False,
):
    """The pieces beyond single characters.

    Args:
        words: list of (word, count), sorted.
        size: int. Number of tokens, with those given here.
        min_frequency: int. Two pieces are joined if they stand together at
            least that often.
        special_tokens: list of str.
        starts: list of str, all characters of the words.
        suffixes: list of str, "##" and each that does not start a word.
        progress: bool. Report on stderr. Defaults to `False`.

    Returns:
        list of str in the order they were made; fewer than asked for when no
        two pieces stand together often enough.
    """
    from tokenizers import Tokenizer
    from tokenizers import models
    from tokenizers import pre_tokenizers
    from tokenizers import trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token=special_tokens[0]))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.WordPieceTrainer(
        vocab_size=size,
        min_frequency=min_frequency,
        show_progress=progress,
        # Ties between pairs are broken by the ids of their parts. Suffixes
        # would get theirs in the order of a hash table, which differs from run
        # to run; given as special tokens they are numbered in this order.
        special_tokens=[*special_tokens, *suffixes],
        initial_alphabet=starts,
        limit_alphabet=len(starts),
        continuing_subword_prefix=SUFFIX_INDICATOR,
    )
    tokenizer.train_from_iterator(_repeat(words), trainer)
    ids = tokenizer.get_vocab()
    made = set(ids) - set(special_tokens) - set(starts) - set(suffixes)
    return sorted(made, key=lambda piece: ids[piece])


def _repeat(words):
    """Each word as often as it was counted: the trainer takes no counts."""
    for word, count in words:
        for done in range(0, count, _WORDS_PER_LINE):
            yield " ".join([word] * min(count - done, _WORDS_PER_LINE))
