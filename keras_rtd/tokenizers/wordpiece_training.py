"""From texts to a WordPiece vocabulary."""

import collections
import sys
import time

from keras_rtd.tokenizers.normalizer import MAX_CHARACTERS_PER_WORD
from keras_rtd.tokenizers.normalizer import Normalizer
from keras_rtd.tokenizers.normalizer import stretches
from keras_rtd.tokenizers.wordpiece import SUFFIX_INDICATOR

_MAX_STRETCHES = 1 << 20
_WORDS_PER_LINE = 1024
_SECONDS_BETWEEN_REPORTS = 1.0

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def train_vocabulary(
    texts,
    size,
    lowercase=True,
    strip_accents=None,
    min_frequency=2,
    special_tokens=SPECIAL_TOKENS,
    limit_alphabet=1000,
    progress=False,
):
    """Trains a WordPiece vocabulary.

    Args:
        texts: iterable of str.
        size: int. Number of tokens, special ones included.
        lowercase: bool. Defaults to `True`.
        strip_accents: bool or `None`. `None`, the default, follows
            `lowercase`.
        min_frequency: int. Two pieces are joined if they stand together at
            least that often. Defaults to 2.
        special_tokens: sequence of str. The first ids, beginning with those
            that stand for "[PAD]", "[UNK]", "[CLS]", "[SEP]" and "[MASK]", the
            default, unless these are among them.
        limit_alphabet: int. The most frequent characters so many become
            tokens; words with any other are unknown. Defaults to 1000.
        progress: bool. Report on stderr. Defaults to `False`.

    Returns:
        list of `size` str: special tokens; characters that start words, and
        those that continue them, in Unicode order; then the pieces in the
        order they were made, most frequent first.

    Raises:
        ValueError: the texts cannot give exactly `size` tokens, or the special
            tokens are not distinct.
    """
    _check_arguments(size, min_frequency, special_tokens, limit_alphabet)
    normalizer = Normalizer(lowercase, strip_accents)
    word_counts = _count_words(texts, normalizer, progress)
    if not word_counts:
        raise ValueError(
            "input: there are no words in it. Is the text in another field or "
            "another encoding?"
        )
    alphabet = _choose_alphabet(word_counts, limit_alphabet)
    words = [
        (word, word_counts[word])
        for word in sorted(word_counts)
        if alphabet.issuperset(word)
    ]
    starts = sorted(alphabet)
    inner = {character for word, _ in words for character in word[1:]}
    suffixes = [SUFFIX_INDICATOR + character for character in sorted(inner)]
    base = [*special_tokens, *starts, *suffixes]
    if len(set(base)) != len(base):
        raise ValueError(
            "special_tokens: a single character of the corpus cannot be a "
            f"special token. Received: {' '.join(special_tokens)}"
        )
    if len(base) > size:
        raise ValueError(
            f"size: {size} is too small for the {len(special_tokens)} special "
            f"tokens and {len(base) - len(special_tokens)} characters of this "
            f"corpus. Pass at least {len(base)}, or a smaller limit_alphabet."
        )
    pieces = _train_pieces(
        words, size, min_frequency, special_tokens, starts, suffixes, progress
    )
    tokens = base + pieces
    if len(tokens) != size:
        raise ValueError(
            f"size: {size} tokens are too many: this corpus can give "
            f"{len(tokens)} with min_frequency={min_frequency}. Pass size="
            f"{len(tokens)} or less, more text, or a lower min_frequency."
        )
    return tokens


def _check_arguments(size, min_frequency, special_tokens, limit_alphabet):
    for name, value in (
        ("size", size),
        ("min_frequency", min_frequency),
        ("limit_alphabet", limit_alphabet),
    ):
        if value < 1:
            raise ValueError(f"{name} must be at least 1. Received: {value}")
    for token in special_tokens:
        if not token or token.split() != [token]:
            raise ValueError(
                f"special_tokens must be without spaces. Received: {token!r}"
            )
    if len(set(special_tokens)) != len(special_tokens):
        raise ValueError(
            "special_tokens must differ from one another. Received: "
            f"{' '.join(special_tokens)}"
        )


def _count_words(texts, normalizer, progress=False):
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


def _choose_alphabet(word_counts, limit):
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


def _train_pieces(
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
