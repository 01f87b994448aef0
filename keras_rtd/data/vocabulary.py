"""Trains a WordPiece vocabulary on a corpus, in any language.

    python -m keras_rtd.data.vocabulary --input "corpus/*.txt" \\
        --output vocabulary.txt --size 30522

The text goes through the normaliser that the tokenizer uses, so that training
and use agree, and Hugging Face `tokenizers` chooses the pieces. The same corpus
gives the same file.
"""

import argparse
import os
import tempfile
import time

from keras_rtd.data import corpus
from keras_rtd.data.files import resolve_files
from keras_rtd.tokenizers.case_options import normalizer_options
from keras_rtd.tokenizers.normalizer import Normalizer
from keras_rtd.tokenizers.wordpiece import SUFFIX_INDICATOR
from keras_rtd.tokenizers.wordpiece_training import choose_alphabet
from keras_rtd.tokenizers.wordpiece_training import count_words
from keras_rtd.tokenizers.wordpiece_training import train_pieces
from keras_rtd.utils.targets import Kind
from keras_rtd.utils.targets import check_target
from keras_rtd.utils.writing import write_text

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def train_vocabulary(
    patterns,
    size=30522,
    lowercase=True,
    strip_accents=None,
    min_frequency=2,
    special_tokens=SPECIAL_TOKENS,
    limit_alphabet=1000,
    documents="blank_line",
    text_field="text",
    errors="strict",
    progress=False,
):
    """Trains a WordPiece vocabulary.

    Args:
        patterns: str or list of str. Files, globs and directories, as
            `keras_rtd.data.corpus.read_documents` takes them.
        size: int. Number of tokens, special ones included. Defaults to 30522.
        lowercase: bool. Defaults to `True`.
        strip_accents: bool or `None`. `None`, the default, follows
            `lowercase`.
        min_frequency: int. Two pieces are joined if they stand together at
            least that often. Defaults to 2.
        special_tokens: sequence of str. The first ids. Defaults to "[PAD]",
            "[UNK]", "[CLS]", "[SEP]" and "[MASK]".
        limit_alphabet: int. The most frequent characters so many become
            tokens; words with any other are unknown. Defaults to 1000.
        documents: `"blank_line"` or `"line"`, what separates documents.
            Defaults to `"blank_line"`.
        text_field: str, the field of a JSON record with the text. Defaults
            to `"text"`.
        errors: `"strict"` or `"replace"`, for bytes that are not UTF-8.
            Defaults to `"strict"`.
        progress: bool. Report on stderr. Defaults to `False`.

    Returns:
        list of `size` str: special tokens; characters that start words, and
        those that continue them, in Unicode order; then the pieces in the
        order they were made, most frequent first.

    Raises:
        ValueError: the corpus cannot give exactly `size` tokens, the special
            tokens are not distinct, or the corpus cannot be read.

    Example:
        >>> train_vocabulary(["corpus/*.txt"], size=8192)
    """
    _check_arguments(size, min_frequency, special_tokens, limit_alphabet)
    texts = corpus.read_documents(patterns, documents, text_field, errors)
    normalizer = Normalizer(lowercase, strip_accents)
    word_counts = count_words(texts, normalizer, progress)
    if not word_counts:
        raise ValueError(
            f"input: {patterns} has no words. Is the text in another field or "
            "another encoding?"
        )
    alphabet = choose_alphabet(word_counts, limit_alphabet)
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
    pieces = train_pieces(
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


def write_vocabulary(path, tokens):
    """Writes tokens, one a line; the file is whole or not there.

    Args:
        path: str. Missing directories are made; a vocabulary that is there
            is replaced.
        tokens: list of str.

    Raises:
        ValueError: The path is there, and is no vocabulary.
    """
    text = "".join(f"{token}\n" for token in tokens)
    write_text(path, text, VOCABULARY_FILE)


def _is_vocabulary(path):
    """One token a line, each once, an unknown token or pieces among them."""
    try:
        tokens = path.read_text("utf-8").splitlines()
    except UnicodeDecodeError:
        return False
    return (
        len(set(tokens)) == len(tokens)
        and all(token.split() == [token] for token in tokens)
        and any(t == "[UNK]" or t.startswith(SUFFIX_INDICATOR) for t in tokens)
    )


VOCABULARY_FILE = Kind("a vocabulary", _is_vocabulary)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message):
        self.exit(2, f"{self.prog}: error: {message}\n")


def _parser():
    parser = _Parser(
        prog="python -m keras_rtd.data.vocabulary",
        description="Trains a WordPiece vocabulary on a corpus.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "--input",
        nargs="+",
        required=True,
        metavar="GLOB",
        help="text files: .txt, .jsonl, also with .gz or .xz; or directories",
    )
    add("--output", required=True, help="the vocabulary, a text file")
    add("--size", type=int, default=30522, help="number of tokens")
    add("--cased", action="store_true", help="keep case (and accents)")
    add("--keep_accents", action="store_true", help="keep accents")
    add(
        "--min_frequency",
        type=int,
        default=2,
        help="join two pieces that stand together at least that often",
    )
    add(
        "--special_tokens",
        nargs="+",
        default=list(SPECIAL_TOKENS),
        metavar="TOKEN",
        help="the first ids",
    )
    add(
        "--limit_alphabet",
        type=int,
        default=1000,
        metavar="N",
        help="the most frequent characters, so many, become tokens",
    )
    add("--documents", choices=corpus.DOCUMENTS, default="blank_line")
    add("--text_field", default="text", help="field of a JSON line")
    add("--errors", choices=corpus.ERRORS, default="strict")
    return parser


def main(arguments=None):
    """The command; exits with 2 and one line if something is wrong."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        files = resolve_files(options.input)
    except ValueError as error:
        parser.error(f"--input: {error}")
    try:
        _check_writable(options.output, files)
    except (OSError, ValueError) as error:
        parser.error(f"--output: cannot write {options.output!r}: {error}")
    start = time.monotonic()
    try:
        tokens = train_vocabulary(
            options.input,
            size=options.size,
            **normalizer_options(options.cased, options.keep_accents),
            min_frequency=options.min_frequency,
            special_tokens=options.special_tokens,
            limit_alphabet=options.limit_alphabet,
            documents=options.documents,
            text_field=options.text_field,
            errors=options.errors,
            progress=True,
        )
        write_vocabulary(options.output, tokens)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    print(
        f"wrote {len(tokens):,} tokens to {options.output} in "
        f"{time.monotonic() - start:.0f} s"
    )


def _check_writable(path, inputs):
    """Refuses a path now rather than after the training."""
    target = check_target(path, VOCABULARY_FILE, inputs)
    os.makedirs(target.parent, exist_ok=True)
    tempfile.TemporaryFile(dir=target.parent).close()


if __name__ == "__main__":
    main()
