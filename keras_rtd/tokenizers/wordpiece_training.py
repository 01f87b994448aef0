"""From texts to a WordPiece vocabulary."""

import collections
import sys

from keras_rtd.tokenizers import training
from keras_rtd.tokenizers import unicode_tables
from keras_rtd.tokenizers.normalizer import MAX_CHARACTERS_PER_WORD
from keras_rtd.tokenizers.normalizer import Normalizer
from keras_rtd.tokenizers.normalizer import stretches
from keras_rtd.tokenizers.wordpiece import SUFFIX_INDICATOR

_MAX_STRETCHES = 1 << 20
# An alphabet is cut for a small vocabulary, but not to less of the text.
_LEAST_COVERAGE = 0.95


def train_vocabulary(
    texts,
    size,
    lowercase=True,
    strip_accents=None,
    normalization=None,
    min_frequency=2,
    special_tokens=training.SPECIAL_TOKENS,
    coverage=None,
    limit_alphabet=None,
    progress=False,
):
    """Trains a WordPiece vocabulary.

    Args:
        texts: iterable of str.
        size: int. Number of tokens, special ones included.
        lowercase: bool. Defaults to `True`.
        strip_accents: bool or `None`. `None`, the default, follows
            `lowercase`.
        normalization: str or `None`, see `ElectraTokenizer`. Defaults to
            `None`, BERT's rules.
        min_frequency: int. Two pieces are joined if they stand together at
            least that often. Defaults to 2.
        special_tokens: sequence of str. The first ids, beginning with those
            that stand for "[PAD]", "[UNK]", "[CLS]", "[SEP]" and "[MASK]", the
            default, unless these are among them.
        coverage: float in (0, 1]. The most frequent characters that make up
            this share of the text become tokens. `None`, the default, for
            0.9995, and more as far as they fill half of the vocabulary.
        limit_alphabet: int or `None`, the default. So many characters at
            most.
        progress: bool. Report on stderr. Defaults to `False`.

    Returns:
        list of str, `size` or what the texts can give: special tokens;
        characters that start words, and those that continue them, in Unicode
        order; then the pieces in the order they were made, most frequent
        first.

    Raises:
        ValueError: the texts have more characters than `size`, or no words;
            or the special tokens are not distinct.
    """
    training.check_frequency(min_frequency)
    special_tokens = training.check_special_tokens(special_tokens)
    training.check_room(size, size - len(special_tokens), "special tokens")
    if limit_alphabet is not None and limit_alphabet < 1:
        raise ValueError(
            f"limit_alphabet must be at least 1. Received: {limit_alphabet}"
        )
    normalizer = Normalizer(lowercase, strip_accents, normalization)
    word_counts = _count_words(texts, normalizer, progress)
    training.check_words(word_counts)
    room = size - len(special_tokens)
    # Half of the vocabulary: a character starts words, and continues them.
    alphabet = training.alphabet(
        word_counts, coverage, limit_alphabet, room // 4
    )
    words, starts, suffixes = _characters(word_counts, alphabet, normalization)
    if len(starts) + len(suffixes) > room:
        # Half of the alphabet's tokens continue words.
        enough = training.alphabet(word_counts, _LEAST_COVERAGE)
        alphabet = alphabet[: max(room * 3 // 8, len(enough))]
        words, starts, suffixes = _characters(
            word_counts, alphabet, normalization
        )
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
            f"corpus. Pass at least {len(base)}, or a smaller coverage or "
            "limit_alphabet."
        )
    return base + _train_pieces(
        words, size, min_frequency, special_tokens, starts, suffixes, progress
    )


def _characters(word_counts, alphabet, normalization):
    """(words, starts, suffixes): the words that an alphabet spells, as list of
    (word, count), and its characters where they start and continue words."""
    known = set(alphabet)
    if normalization is None:
        words = [
            (word, word_counts[word])
            for word in sorted(word_counts)
            if known.issuperset(word)
        ]
        inner = {character for word, _ in words for character in word[1:]}
    else:
        words = training.known_parts(word_counts, known)
        # Any known characters can stand in a word, seen there or not.
        classes = unicode_tables.classes(True)
        inner = {c for c in known if classes[ord(c)] != unicode_tables.ISOLATED}
    return words, sorted(known), [SUFFIX_INDICATOR + c for c in sorted(inner)]


def _count_words(texts, normalizer, progress=False):
    """How often each normalised word occurs.

    Stretches between spaces are counted first and normalised once each.

    Args:
        texts: iterable of str.
        normalizer: `Normalizer`.
        progress: bool. Report on stderr. Defaults to `False`.

    Returns:
        `Counter` of str; words too long for WordPiece are cut, or left out
        under BERT's rules.
    """
    word_counts: collections.Counter[str] = collections.Counter()
    stretch_counts: collections.Counter[str] = collections.Counter()

    def flush():
        for stretch, count in stretch_counts.items():
            for word in normalizer.words(stretch):
                if len(word) <= MAX_CHARACTERS_PER_WORD:
                    word_counts[word] += count
                elif normalizer.normalization is not None:
                    for at in range(0, len(word), MAX_CHARACTERS_PER_WORD):
                        part = word[at : at + MAX_CHARACTERS_PER_WORD]
                        word_counts[part] += count
        stretch_counts.clear()

    report = training.Progress(progress)
    for text in report.texts(texts):
        stretch_counts.update(stretches(text))
        if len(stretch_counts) >= _MAX_STRETCHES:
            flush()
    flush()
    report.end()
    if progress:
        print(f"{len(word_counts):,} different words", file=sys.stderr)
    return word_counts


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
    lines = map(" ".join, training.repeat(words))
    tokenizer.train_from_iterator(lines, trainer)
    ids = tokenizer.get_vocab()
    made = set(ids) - set(special_tokens) - set(starts) - set(suffixes)
    return sorted(made, key=lambda piece: ids[piece])
