"""GLUE: its files and its scores."""

import dataclasses

import numpy as np

from keras_rtd.evaluation.glue_tasks import TASKS
from keras_rtd.evaluation.glue_tasks import GlueTask
from keras_rtd.evaluation.glue_tasks import get_task
from keras_rtd.evaluation.text_files import find_file
from keras_rtd.evaluation.text_files import read_lines
from keras_rtd.utils.types import Path

__all__ = ["TASKS", "Examples", "GlueTask", "get_task", "read", "score"]


@dataclasses.dataclass(frozen=True)
class Examples:
    """A split of a task.

    Attributes:
        first: list of str.
        second: list of str, or `None` for tasks of one sentence.
        labels: int32 (n,) class numbers, or float32 (n,) for regression;
            `None` for test files, which have none.
        skipped: int. Incomplete rows left out (QQP).
    """

    first: list[str]
    second: list[str] | None
    labels: np.ndarray | None
    skipped: int = 0

    def __len__(self) -> int:
        return len(self.first)


def read(task: str | GlueTask, directory: Path, split: str) -> Examples:
    """Reads a split of a task in GLUE's own format.

    Args:
        task: str, a name of `TASKS`, or a `GlueTask`.
        directory: path of the folder with the files, `.tsv` or `.tsv.gz`, or
            of the one above it with GLUE's folder names (`SST-2`, …).
        split: `"train"`, `"dev"` or `"test"`; for mnli also
            `"dev_mismatched"` and `"test_mismatched"`.

    Returns:
        `Examples`, in the file's order.

    Raises:
        ValueError: unknown task or split, no such file, a column that is
            missing, or a bad row, with file and line.
    """
    task = get_task(task)
    if split not in task.files:
        raise ValueError(
            f"`split` of {task.name} must be one of {', '.join(task.files)}. "
            f"Received: {split!r}"
        )
    nested = f"{directory}/{task.folder}"
    path = find_file([directory, nested], task.files[split])
    lines = read_lines(path)
    has_labels = not split.startswith("test")
    # CoLA's test file has a header although the others have none.
    headless = task.columns is not None and has_labels
    start = 0 if headless else 1
    if len(lines) <= start:
        raise ValueError(f"{path} holds no rows.")
    columns = list(task.columns or ()) if headless else lines[0].split("\t")
    wanted = [*task.text_columns, *([task.label_column] if has_labels else [])]
    missing = [name for name in wanted if name not in columns]
    if missing:
        raise ValueError(
            f"{path}, line 1: no column {missing[0]!r} for {task.name}. "
            f"Found: {', '.join(columns)}"
        )
    at = [columns.index(name) for name in wanted]
    rows, labels, skipped = [], [], 0
    for number, line in enumerate(lines[start:], start + 1):
        cells = line.split("\t")
        if len(cells) != len(columns):
            if task.skip_incomplete:
                skipped += 1
                continue
            raise ValueError(
                f"{path}, line {number}: {len(cells)} columns where "
                f"{len(columns)} are expected."
            )
        rows.append([cells[i] for i in at])
        if has_labels:
            labels.append(_label(task, cells[at[-1]], path, number))
    dtype = np.float32 if task.is_regression else np.int32
    return Examples(
        first=[row[0] for row in rows],
        second=[r[1] for r in rows] if len(task.text_columns) == 2 else None,
        labels=np.array(labels, dtype) if has_labels else None,
        skipped=skipped,
    )


def _label(task, text, path, number):
    if not task.is_regression:
        if text in task.classes:
            return task.classes.index(text)
        raise ValueError(
            f"{path}, line {number}: the label is {text!r}, which is none of "
            f"{', '.join(task.classes)}."
        )
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not task.low <= value <= task.high:
        raise ValueError(
            f"{path}, line {number}: the score is {text!r}, which is no "
            f"number from {task.low:g} to {task.high:g}."
        )
    return value


def score(
    task: str | GlueTask, labels: np.ndarray, predictions: np.ndarray
) -> dict[str, float]:
    """The task's metrics as GLUE's scorer gives them, times 100.

    Args:
        task: str, a name of `TASKS`, or a `GlueTask`.
        labels: int or float (n,), as in `Examples`.
        predictions: int (n,) class numbers, or float (n,) for regression.

    Returns:
        dict of the task's metrics, floats: `accuracy`, `f1` (of class 1) from
        0 to 100, `matthews`, `pearson`, `spearman` from -100 to 100. A
        correlation with constant predictions counts 0.

    Raises:
        ValueError: shapes or values that do not fit.
    """
    task = get_task(task)
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if labels.ndim != 1 or labels.shape != predictions.shape or not len(labels):
        raise ValueError(
            "`labels` and `predictions` must have the same shape (n,). "
            f"Received: {labels.shape} and {predictions.shape}"
        )
    if not task.is_regression:
        outside = ~np.isin(predictions, np.arange(task.num_labels))
        if outside.any():
            raise ValueError(
                f"`predictions` for {task.name} are class numbers from 0 to "
                f"{task.num_labels - 1}. Received: {predictions[outside][0]}"
            )
    elif not np.isfinite(predictions).all():
        raise ValueError("`predictions` holds values that are not finite.")
    return {
        name: 100.0 * _METRICS[name](labels, predictions)
        for name in task.metrics
    }


def _accuracy(labels, predictions):
    return float(np.mean(labels == predictions))


def _f1(labels, predictions):
    from sklearn.metrics import f1_score

    return float(f1_score(labels, predictions, zero_division=0.0))


def _matthews(labels, predictions):
    from sklearn.metrics import matthews_corrcoef

    return float(matthews_corrcoef(labels, predictions))


def _pearson(labels, predictions):
    from scipy.stats import pearsonr

    return _correlation(pearsonr, labels, predictions)


def _spearman(labels, predictions):
    from scipy.stats import spearmanr

    return _correlation(spearmanr, labels, predictions)


def _correlation(function, labels, predictions):
    if np.ptp(labels) == 0 or np.ptp(predictions) == 0:
        return 0.0
    return float(function(labels, predictions)[0])


_METRICS = {
    "accuracy": _accuracy,
    "f1": _f1,
    "matthews": _matthews,
    "pearson": _pearson,
    "spearman": _spearman,
}
