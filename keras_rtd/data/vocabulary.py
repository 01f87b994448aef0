"""Trains a tokenizer on a corpus, in any language.

    python -m keras_rtd.data.vocabulary --input "corpus/*.txt" \\
        --output tokenizer.json --size 32000 --kind unigram

A `tokenizer.json` holds everything, the case and the accents too. The kinds:
`wordpiece` (BERT's), `bpe` (byte-level, as ModernBERT), `unigram` (as
DeBERTaV3), `characters` and `kmers` (DNA, proteins). Hugging Face `tokenizers`
chooses the pieces. The same corpus gives the same file, but for ties between
rare pieces of `unigram`.
"""

import argparse
import inspect
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from keras_rtd.data import corpus
from keras_rtd.data import vocabulary_report
from keras_rtd.data.corpora import resolve
from keras_rtd.tokenizers import TOKENIZERS
from keras_rtd.tokenizers.fast_parts import PRE_TOKENIZERS
from keras_rtd.tokenizers.normalizer import NORMALIZATIONS
from keras_rtd.tokenizers.training import SPECIAL_TOKENS
from keras_rtd.tokenizers.vocabulary_file import file_kind
from keras_rtd.utils.setting import LARGEST_INT
from keras_rtd.utils.setting import SettingError
from keras_rtd.utils.targets import check_target
from keras_rtd.utils.types import Path

# The trainers take memory for so many tokens before they begin.
_LARGEST_SIZE = 1 << 22


def train_vocabulary(
    patterns: Path | Sequence[Path], size: int = 30522, **options: Any
) -> list[str]:
    """Trains the WordPiece vocabulary of a `.txt` file, by BERT's rules.

    Args:
        patterns, size, **options: see `train_tokenizer`; `strip_accents`
            defaults to `None`, which follows `lowercase`.

    Returns:
        list of str, the tokens by id.
    """
    bert = {"strip_accents": None, "normalization": None}
    tokenizer = train_tokenizer(patterns, size, **{**bert, **options})
    return tokenizer.get_vocabulary()


def train_tokenizer(
    patterns,
    size=30522,
    kind="wordpiece",
    documents="blank_line",
    text_field="text",
    errors="strict",
    progress=False,
    held_out=None,
    encoding=None,
    skip_bad=False,
    **options,
):
    """Trains a tokenizer.

    Args:
        patterns: files, globs and directories, or a dataset or function, as
            `keras_rtd.data.pretraining_dataset` takes them; weights are not
            looked at.
        size: int. Number of tokens, special ones included; a corpus that
            gives fewer gives a smaller vocabulary. Defaults to 30522.
        kind: str, one of `keras_rtd.tokenizers.TOKENIZERS`. Defaults to
            `"wordpiece"`.
        documents: `"blank_line"` or `"line"`, what separates documents.
            Defaults to `"blank_line"`.
        text_field: str, the field or column of a record with the text.
            Defaults to `"text"`.
        errors: `"strict"` or `"replace"`, for bytes that are not UTF-8.
            Defaults to `"strict"`.
        progress: bool. Report on stderr. Defaults to `False`.
        held_out: `vocabulary_report.HeldOut`, or `None` for all lines, the
            default.
        encoding, skip_bad: see `keras_rtd.data.prepare_corpus`.
        **options: of the kind's `from_texts`.

    Returns:
        `keras_rtd.tokenizers.Tokenizer`.

    Raises:
        ValueError: the corpus has more characters than `size`, or cannot be
            read; or a bad argument.

    Example:
        >>> train_tokenizer(["corpus/*.txt"], size=8192).save("tokenizer.json")
    """
    if kind not in TOKENIZERS:
        raise ValueError(
            f"kind must be one of {', '.join(TOKENIZERS)}. Received: {kind}"
        )
    train = TOKENIZERS[kind].from_texts
    taken = inspect.signature(train).parameters
    wrong = [name for name in options if name not in taken]
    if wrong and not any(p.kind is p.VAR_KEYWORD for p in taken.values()):
        raise ValueError(f"{wrong[0]}: the kind {kind} does not take it.")
    for name in ("min_frequency", "limit_alphabet", "k"):
        if options.get(name) is not None and options[name] > LARGEST_INT:
            raise SettingError(name, f"at most {LARGEST_INT:,}", options[name])
    if size > _LARGEST_SIZE:
        raise SettingError("size", f"at most {_LARGEST_SIZE:,}", size)
    texts = corpus.read_documents(
        patterns, documents, text_field, errors, encoding, skip_bad
    )
    if held_out is not None:
        texts = held_out.take(texts)
    return train(texts, size, progress=progress, **options)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message):
        self.exit(2, f"{self.prog}: error: {message}\n")


def _parser():
    parser = _Parser(
        prog="python -m keras_rtd.data.vocabulary",
        description="Trains a tokenizer on a corpus.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "--input",
        nargs="+",
        required=True,
        metavar="PATH",
        help="Files, directories or globs, local or ://, in any format of "
        "docs/data.md.",
    )
    add(
        "--output",
        required=True,
        help="A tokenizer.json with everything in it; or a .txt file with a "
        "WordPiece vocabulary for BERT's rules, one token a line.",
    )
    add("--size", type=int, default=30522, help="Number of tokens.")
    add(
        "--kind",
        choices=list(TOKENIZERS),
        default="wordpiece",
        help="Kind of tokenizer. Default: wordpiece.",
    )
    add(
        "--cased",
        action="store_true",
        help="Keep upper case. Only wordpiece lowers it unless told so.",
    )
    add(
        "--lowercase",
        action="store_true",
        help="Lower the case. Default for wordpiece.",
    )
    add(
        "--keep_accents",
        action="store_true",
        help="Keep accents. Default for a tokenizer.json.",
    )
    add(
        "--strip_accents",
        action="store_true",
        help="Drop accents and vowel signs. Default for a .txt file that is "
        "not --cased.",
    )
    # The kind's own defaults hold where nothing is given.
    add(
        "--normalization",
        choices=NORMALIZATIONS,
        help="Unicode normalization. Default: NFC.",
    )
    add(
        "--pre_tokenizer",
        choices=PRE_TOKENIZERS,
        help="Where bpe and unigram cut first: letters (words of letters with "
        "their marks), metaspace (at spaces alone, for scripts without them) "
        "or code (keeps indentation and newlines). Default: letters for bpe, "
        "metaspace for unigram.",
    )
    add("--k", type=int, help="Letters of a token of kmers. Default: 6.")
    add(
        "--coverage",
        type=float,
        help="Share of the text whose characters become tokens. Default: "
        "0.9995, and more as far as they fill half of the vocabulary; 1.0 for "
        "characters.",
    )
    add(
        "--min_frequency",
        type=int,
        help="Join two pieces that stand together at least that often. "
        "Default: 2.",
    )
    add(
        "--special_tokens",
        nargs="+",
        metavar="TOKEN",
        help=f"The first ids. Default: {' '.join(SPECIAL_TOKENS)}.",
    )
    add(
        "--limit_alphabet",
        type=int,
        metavar="N",
        help="At most so many characters become tokens.",
    )
    add("--documents", choices=corpus.DOCUMENTS, default="blank_line")
    add("--text_field", default="text", help="Field or column of records.")
    add("--encoding", help="Encoding of text files, by default UTF-8.")
    add("--skip_bad", action="store_true", help="Skip records without text.")
    add("--errors", choices=corpus.ERRORS, default="strict")
    return parser


_KIND_OPTIONS = (
    "normalization",
    "pre_tokenizer",
    "k",
    "coverage",
    "min_frequency",
    "special_tokens",
    "limit_alphabet",
)


def _kind_options(options, parser):
    """What `from_texts` gets of the command line."""
    if options.cased and options.lowercase:
        parser.error("--cased and --lowercase exclude each other.")
    if options.keep_accents and options.strip_accents:
        parser.error("--keep_accents and --strip_accents exclude each other.")
    given = {n: getattr(options, n) for n in _KIND_OPTIONS}
    given = {name: value for name, value in given.items() if value is not None}
    kind = TOKENIZERS[options.kind]
    lowercase = options.lowercase
    lowercase |= kind.lowercase_by_default and not options.cased
    given["lowercase"] = lowercase
    given["strip_accents"] = options.strip_accents
    if not options.output.endswith(".json"):
        if not kind.vocabulary_file or options.normalization is not None:
            parser.error(
                f"--output: a vocabulary such as {options.output!r} is "
                "WordPiece by BERT's rules. Pass a tokenizer.json."
            )
        given["normalization"] = None
        if not options.strip_accents:
            given["strip_accents"] = lowercase and not options.keep_accents
    return given


def main(arguments=None):
    """The command; exits with 2 and one line if something is wrong."""
    parser = _parser()
    options = parser.parse_args(arguments)
    given = _kind_options(options, parser)
    try:
        resolved = resolve(options.input)
    except ValueError as error:
        parser.error(f"--input: {error}")
    try:
        _check_writable(options.output, [f for c in resolved for f in c.data])
    except (OSError, ValueError) as error:
        parser.error(f"--output: cannot write {options.output!r}: {error}")
    start = time.monotonic()
    held_out = vocabulary_report.HeldOut()
    try:
        tokenizer = train_tokenizer(
            options.input,
            size=options.size,
            kind=options.kind,
            documents=options.documents,
            text_field=options.text_field,
            errors=options.errors,
            progress=True,
            held_out=held_out,
            encoding=options.encoding,
            skip_bad=options.skip_bad,
            **given,
        )
        tokenizer.save(options.output)
    except (ValueError, OSError, ImportError) as error:
        parser.error(str(error))
    size = tokenizer.vocabulary_size()
    print(
        f"wrote {size:,} tokens to {options.output} in "
        f"{time.monotonic() - start:.0f} s"
    )
    report = held_out.report(tokenizer)
    print("\n".join(vocabulary_report.lines_of(report)))
    if size < options.size:
        _note(f"note: this corpus gives {size:,} tokens, not {options.size:,}.")
    for warning in vocabulary_report.warnings_of(report):
        _note(f"warning: {warning}")


def _note(text):
    print(text, file=sys.stderr)


def _check_writable(path, inputs):
    """Refuses a path now rather than after the training."""
    target = check_target(path, file_kind(path), inputs)
    os.makedirs(target.parent, exist_ok=True)
    tempfile.TemporaryFile(dir=target.parent).close()


if __name__ == "__main__":
    main()
