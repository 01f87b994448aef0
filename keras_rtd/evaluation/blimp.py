"""BLiMP: does a model prefer the grammatical sentence of two?

Source: Warstadt et al., 2020, https://arxiv.org/abs/1912.00582. Nothing is
trained: a pair is right where the model finds the good sentence more
probable, see `keras_rtd.evaluation.sentence_scores`.
"""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_rtd.evaluation.sentence_scoring import scoring_task
from keras_rtd.evaluation.sentence_scoring import sentence_scores
from keras_rtd.evaluation.text_files import read_lines
from keras_rtd.utils import json_file
from keras_rtd.utils.types import Path

_SUFFIXES = (".jsonl", ".jsonl.gz")


@dataclasses.dataclass(frozen=True)
class Paradigm:
    """A file of minimal pairs.

    Attributes:
        name: str, the file's name without suffixes.
        field: str, such as `morphology`.
        phenomenon: str, the file's `linguistics_term`.
        good, bad: lists of str, of one length.
    """

    name: str
    field: str
    phenomenon: str
    good: list[str]
    bad: list[str]


def read(path: Path, limit: int | None = None) -> Paradigm:
    """Reads a file of pairs.

    Args:
        path: str or path of JSON lines, plain or `.gz`.
        limit: int or `None`. Pairs to read, from the first.

    Returns:
        `Paradigm`.

    Raises:
        ValueError: a bad line, with file and line, or a file without pairs.
    """
    good, bad, groups = [], [], None
    for number, line in enumerate(read_lines(path)[:limit], 1):
        where = f"{path}, line {number}"
        row = json_file.Node(json_file.parse(line, where), where)
        pair = [row[f"sentence_{side}"].of(str) for side in ("good", "bad")]
        if not all(sentence.strip() for sentence in pair):
            raise ValueError(f"{where}: an empty sentence.")
        # One file of 67 writes "syntax/semantics".
        field = row["field"].of(str).replace("/", "_")
        groups = groups or (field, row["linguistics_term"].of(str))
        good.append(pair[0])
        bad.append(pair[1])
    if groups is None:
        raise ValueError(f"{path} holds no pairs.")
    name = pathlib.Path(path).name.removesuffix(".gz").removesuffix(".jsonl")
    return Paradigm(name, *groups, good, bad)


def find_paradigms(
    directory: Path, files: Sequence[str] | None = None
) -> list[pathlib.Path]:
    """Paths of BLiMP's files.

    Args:
        directory: path of a folder with `.jsonl` or `.jsonl.gz` files, or of
            one such file.
        files: list of names without suffixes, or `None` for all.

    Returns:
        list of `pathlib.Path`, sorted by name.

    Raises:
        ValueError: there are none, or one of `files` is missing.
    """
    directory = pathlib.Path(directory)
    if directory.is_file():
        found = {directory.name.split(".jsonl")[0]: directory}
    else:
        found = {
            path.name.split(".jsonl")[0]: path
            for path in sorted(directory.glob("*.jsonl*"))
            if path.name.endswith(_SUFFIXES)
        }
    if not found:
        raise ValueError(f"No .jsonl or .jsonl.gz files in {directory}.")
    missing = [name for name in files or () if name not in found]
    if missing:
        raise ValueError(f"No {missing[0]}.jsonl or .jsonl.gz in {directory}.")
    return [found[name] for name in sorted(files or found)]


def evaluate_blimp(
    model: Any,
    directory: Path,
    scorer: str = "discriminator",
    files: Sequence[str] | None = None,
    limit: int | None = None,
    batch_tokens: int = 4096,
    progress: bool = False,
) -> dict[str, Any]:
    """Scores a model on BLiMP.

    Args:
        model: see `keras_rtd.evaluation.sentence_scores`.
        directory: path of BLiMP's folder, or of one of its files, `.jsonl`
            or `.jsonl.gz`.
        scorer: `"discriminator"` or `"generator"`. Defaults to
            `"discriminator"`.
        files: list of file names without suffixes, or `None` for all.
        limit: int or `None`. Pairs a file, from the first.
        batch_tokens: int. Tokens a batch. Defaults to 4,096.
        progress: bool. Whether to show a progress bar. Defaults to `False`.

    Returns:
        dict of `scorer`, `overall`, `phenomena` and `fields` (dicts of name
        to accuracy) and `paradigms`: a dict of file name to a dict of
        `accuracy`, `phenomenon`, `field`, `pairs` and `ties`. Accuracies are
        floats from 0 to 100; a tie counts one half; those of a group and
        `overall` are means over files.

    Raises:
        ValueError: a model that does not fit, no files or a bad line.
    """
    scoring_task(model, scorer)
    if limit is not None and limit < 1:
        raise ValueError(f"`limit` must be at least 1. Received: {limit}")
    paradigms = [read(path, limit) for path in find_paradigms(directory, files)]
    good, bad = (
        [s for paradigm in paradigms for s in getattr(paradigm, side)]
        for side in ("good", "bad")
    )
    scores = sentence_scores(model, good + bad, scorer, batch_tokens, progress)
    difference = scores[: len(good)] - scores[len(good) :]
    rows, start = {}, 0
    for paradigm in paradigms:
        end = start + len(paradigm.good)
        rows[paradigm.name] = {
            "accuracy": pair_accuracy(difference[start:end]),
            "phenomenon": paradigm.phenomenon,
            "field": paradigm.field,
            "pairs": end - start,
            "ties": int(np.sum(difference[start:end] == 0)),
        }
        start = end
    return {
        "scorer": scorer,
        "overall": _mean(rows.values()),
        "phenomena": _group(rows, "phenomenon"),
        "fields": _group(rows, "field"),
        "paradigms": rows,
    }


def pair_accuracy(difference: np.ndarray) -> float:
    """Share of pairs whose good sentence scores higher, times 100.

    Args:
        difference: float (n,), score of the good sentence less that of the
            bad one. 0 counts one half.

    Returns:
        float from 0 to 100.
    """
    wins = np.sum(difference > 0) + 0.5 * np.sum(difference == 0)
    return float(100.0 * wins / len(difference))


def _group(rows, key):
    names = sorted({row[key] for row in rows.values()})
    return {
        name: _mean([row for row in rows.values() if row[key] == name])
        for name in names
    }


def _mean(rows):
    return float(np.mean([row["accuracy"] for row in rows]))


def table(result: dict[str, Any]) -> str:
    """The result of `evaluate_blimp` as lines of text: groups, then files."""
    rows = [("overall", result["overall"], "")]
    for name, accuracy in result["phenomena"].items():
        rows.append((name, accuracy, ""))
        rows += [
            (f"  {paradigm}", row["accuracy"], f"{row['ties'] or ''}")
            for paradigm, row in result["paradigms"].items()
            if row["phenomenon"] == name
        ]
    width = max(len(name) for name, _, _ in rows)
    lines = [f"{'':<{width}}  accuracy  ties"]
    lines += [f"{n:<{width}}  {a:>8.1f}  {t:>4}".rstrip() for n, a, t in rows]
    return "\n".join(lines)
