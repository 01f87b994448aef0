"""Turns a corpus into token shards, from the command line.

    python -m keras_rtd.data.prepare --input 'corpus/*.txt' \\
        --output prepared --vocabulary vocabulary.txt

`--preset` takes the tokenizer of a preset instead. Interrupted at any moment,
the same command continues where it was. See
`keras_rtd.data.prepare_corpus`.

With `--runner`, Apache Beam does the work, on many machines; what is not an
option here goes to Beam: `--runner=DataflowRunner --project=…`. The files are
the same.
"""

import argparse
import sys
import warnings

from keras_rtd import tokenizers
from keras_rtd.data import corpus
from keras_rtd.data.preparation import prepare_corpus


def main(arguments=None):
    """Runs the command.

    Returns:
        int, exit status: 0, 2 if something is wrong (one line on stderr), or
        130 if it was interrupted.
    """
    parser = _parser()
    options, others = parser.parse_known_args(arguments)
    if others and options.runner is None:
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show
            manifest = _prepare(options, others)
    except (ImportError, OSError, ValueError) as error:
        message = " ".join(str(error).split())
        print(f"keras_rtd.data.prepare: error: {message}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted; the same command continues.", file=sys.stderr)
        return 130
    for split, counts in manifest["counts"].items():
        print(
            f"{split}: {counts['documents']:,} documents, "
            f"{counts['tokens']:,} tokens "
            f"({counts['unknown_tokens']:,} unknown) in "
            f"{counts['shards']} shards"
        )
    for what, number in manifest.get("left_out", {}).items():
        print(f"left out: {number:,} {what.replace('_', ' ')}")
    return 0


def _show(message, *_, **__):
    print(f"keras_rtd.data.prepare: warning: {message}", file=sys.stderr)


def _prepare(options, others):
    what = (options.input, options.output, _tokenizer(options))
    how = {
        "documents": options.documents,
        "text_field": options.text_field,
        "errors": options.errors,
        "validation_fraction": options.validation_fraction,
        "shard_tokens": options.shard_tokens,
        "encoding": options.encoding,
        "skip_bad": options.skip_bad,
        "drop_duplicates": options.drop_duplicates,
    }
    if options.runner is None:
        return prepare_corpus(
            *what, num_workers=options.num_workers, progress=True, **how
        )
    if options.num_workers is not None:
        raise ValueError(
            "--num_workers is of a run without --runner; Beam has options of "
            "its own."
        )
    try:
        from keras_rtd.data.beam_preparation import prepare_corpus_with_beam
    except ImportError as error:
        raise ImportError(
            "--runner needs Apache Beam in an environment of its own, see "
            f"docs/distributed.md ({error})"
        ) from error
    return prepare_corpus_with_beam(
        *what, [f"--runner={options.runner}", *others], **how
    )


def _tokenizer(options):
    return tokenizers.load(
        options.preset or options.vocabulary,
        cased=options.cased,
        keep_accents=options.keep_accents,
    )


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m keras_rtd.data.prepare",
        description="Turns a corpus into token shards.",
    )
    parser.add_argument(
        "--input",
        nargs="+",
        required=True,
        metavar="PATH",
        help="files, directories or globs, local or ://; or several corpora "
        "with weights, NAME=PATH:WEIGHT",
    )
    parser.add_argument("--output", required=True, help="directory")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        *("--vocabulary", "--tokenizer"),
        help="one token a line, or a tokenizer.json, or a directory with one",
    )
    source.add_argument("--preset", help="preset to take the tokenizer from")
    parser.add_argument("--cased", action="store_true", help="keep case")
    parser.add_argument(
        "--keep_accents", action="store_true", help="keep accents"
    )
    parser.add_argument(
        "--documents",
        choices=corpus.DOCUMENTS,
        default="blank_line",
        help="what separates documents in text files",
    )
    parser.add_argument(
        "--text_field",
        default="text",
        help="field or column of records with the text",
    )
    parser.add_argument(
        "--errors",
        choices=corpus.ERRORS,
        default="strict",
        help="what to do with bytes that are not UTF-8",
    )
    parser.add_argument(
        "--encoding",
        help="encoding of text files without a byte order mark; UTF-8 by "
        "default",
    )
    parser.add_argument(
        "--skip_bad",
        action="store_true",
        help="skip and count records without text",
    )
    parser.add_argument(
        "--drop_duplicates",
        action="store_true",
        help="leave out documents that are equal after normalisation",
    )
    parser.add_argument(
        "--validation_fraction",
        type=float,
        default=0.01,
        help="share of the documents that is held out",
    )
    parser.add_argument(
        "--shard_tokens", type=int, default=1 << 25, help="tokens per shard"
    )
    parser.add_argument(
        "--num_workers", type=int, help="processes; all cores by default"
    )
    parser.add_argument(
        "--runner", help="prepare with Apache Beam, e.g. DirectRunner"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
