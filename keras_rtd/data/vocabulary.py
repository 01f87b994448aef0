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
from collections.abc import Sequence
from typing import Any

from keras_rtd.data import corpus
from keras_rtd.data.files import resolve_files
from keras_rtd.tokenizers import TOKENIZERS
from keras_rtd.tokenizers.vocabulary_file import file_kind
from keras_rtd.tokenizers.wordpiece_training import SPECIAL_TOKENS
from keras_rtd.utils.targets import check_target
from keras_rtd.utils.types import Path


def train_vocabulary(
    patterns: Path | Sequence[Path], size: int = 30522, **options: Any
) -> list[str]:
    """Trains a tokenizer for its vocabulary alone.

    Args:
        patterns, size, **options: see `train_tokenizer`.

    Returns:
        list of `size` str, the tokens by id.
    """
    return train_tokenizer(patterns, size, **options).get_vocabulary()


def train_tokenizer(
    patterns,
    size=30522,
    kind="wordpiece",
    documents="blank_line",
    text_field="text",
    errors="strict",
    progress=False,
    **options,
):
    """Trains a tokenizer.

    Args:
        patterns: str or list of str. Files, globs and directories, as
            `keras_rtd.data.corpus.read_documents` takes them.
        size: int. Number of tokens, special ones included. Defaults to 30522.
        kind: str, one of `keras_rtd.tokenizers.TOKENIZERS`. Defaults to
            `"wordpiece"`.
        documents: `"blank_line"` or `"line"`, what separates documents.
            Defaults to `"blank_line"`.
        text_field: str, the field of a JSON record with the text. Defaults
            to `"text"`.
        errors: `"strict"` or `"replace"`, for bytes that are not UTF-8.
            Defaults to `"strict"`.
        progress: bool. Report on stderr. Defaults to `False`.
        **options: of the kind; for WordPiece those of
            `keras_rtd.tokenizers.wordpiece_training.train_vocabulary`.

    Returns:
        `keras_rtd.tokenizers.Tokenizer`.

    Raises:
        ValueError: the corpus cannot give exactly `size` tokens, or cannot be
            read; or a bad argument.

    Example:
        >>> train_tokenizer(["corpus/*.txt"], size=8192).save("tokenizer.json")
    """
    if kind not in TOKENIZERS:
        raise ValueError(
            f"kind must be one of {', '.join(TOKENIZERS)}. Received: {kind}"
        )
    texts = corpus.read_documents(patterns, documents, text_field, errors)
    return TOKENIZERS[kind].from_texts(
        texts, size, progress=progress, **options
    )


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
    add("--output", required=True, help="a .txt file or a tokenizer.json")
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
        tokenizer = train_tokenizer(
            options.input,
            size=options.size,
            lowercase=not options.cased,
            strip_accents=not (options.cased or options.keep_accents),
            min_frequency=options.min_frequency,
            special_tokens=options.special_tokens,
            limit_alphabet=options.limit_alphabet,
            documents=options.documents,
            text_field=options.text_field,
            errors=options.errors,
            progress=True,
        )
        tokenizer.save(options.output)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    print(
        f"wrote {tokenizer.vocabulary_size():,} tokens to {options.output} in "
        f"{time.monotonic() - start:.0f} s"
    )


def _check_writable(path, inputs):
    """Refuses a path now rather than after the training."""
    target = check_target(path, file_kind(path), inputs)
    os.makedirs(target.parent, exist_ok=True)
    tempfile.TemporaryFile(dir=target.parent).close()


if __name__ == "__main__":
    main()
