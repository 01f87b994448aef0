"""Warnings that save a run, and errors where it would learn nothing."""

import warnings

MOST_UNKNOWN = 0.01
# Beyond that there is nothing to learn.
FAR_TOO_MANY_UNKNOWN = 0.5
LEAST_REAL = 0.6
# So many lines a file, and no blank one.
MANY_LINES = 100


def check_unknown(unknown, total, where):
    """Warns of many unknown tokens, and refuses far too many.

    Args:
        unknown, total: ints, tokens.
        where: str, of which text.

    Raises:
        ValueError: Over half are unknown.
    """
    share = unknown / max(1, total)
    if share <= MOST_UNKNOWN:
        return
    message = (
        f"{share:.1%} of the tokens of {where} are unknown: the vocabulary "
        "does not fit the text. Train one on it with `python -m "
        "keras_rtd.data.vocabulary`"
    )
    if share > FAR_TOO_MANY_UNKNOWN:
        raise ValueError(f"{message}.")
    warnings.warn(f"{message}, or use another preset.", stacklevel=3)


def warn_of_padding(real, total):
    """Warns where rows are mostly padding; numbers of tokens in rows."""
    if real < LEAST_REAL * total:
        warnings.warn(
            f"Only {real / total:.0%} of the tokens of a batch are text, the "
            "rest is padding: documents are shorter than rows. packing=True "
            "(--packing) puts several into a row.",
            stacklevel=3,
        )


def no_blank_line(reading, documents, lines, files):
    """What to say of text without blank lines, or "".

    Args:
        reading: `keras_rtd.data.readers.Reading`.
        documents, lines: ints, what was found.
        files: int, in how many files.
    """
    if reading.documents != "blank_line" or documents > files:
        return ""
    if lines < MANY_LINES * files:
        return ""
    return (
        f"No blank line separates documents in {lines:,} lines, so that each "
        "file is one document. If every line is one, pass documents='line' "
        "(--documents=line)."
    )


def skipped_records(number):
    """Says how many bad records were skipped, if any."""
    if number:
        warnings.warn(
            f"{number:,} bad record(s) without text were skipped "
            "(skip_bad=True).",
            stacklevel=3,
        )
