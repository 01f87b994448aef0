"""What is known of GLUE's tasks.

Source: Wang et al., 2018, and the files of their `download_glue_data.py`.
The classes have the order of google-research/electra.
"""

import dataclasses

_SPLITS = (("train", "train.tsv"), ("dev", "dev.tsv"), ("test", "test.tsv"))


@dataclasses.dataclass(frozen=True)
class GlueTask:
    """What is known of a task.

    Attributes:
        name: str.
        folder: str, its name in the official download.
        text_columns: names of the one or two columns of text.
        label_column: name of the column of the label.
        classes: names of the classes, whose order gives their numbers; empty
            for regression.
        metrics: names that `score` returns.
        main_metric: the one that runs are compared by: as in the paper on
            ELECTRA, accuracy also where GLUE has F1 beside it.
        files: dict of split to file name.
        columns: the columns of files without a header; `None` if all have one.
        both_orders: bool. Whether the sentences may change places, so that
            training may see both orders.
        epochs: int. Passes over the training data (paper, appendix B).
        low, high: float. Range of a regression's label.
        skip_incomplete: bool. Whether the official files have rows without all
            columns, which every reader leaves out.
    """

    name: str
    folder: str
    text_columns: tuple[str, ...]
    label_column: str
    classes: tuple[str, ...]
    metrics: tuple[str, ...] = ("accuracy",)
    main_metric: str = "accuracy"
    files: dict[str, str] = dataclasses.field(
        default_factory=lambda: dict(_SPLITS)
    )
    columns: tuple[str, ...] | None = None
    both_orders: bool = False
    epochs: int = 3
    low: float = 0.0
    high: float = 5.0
    skip_incomplete: bool = False

    @property
    def is_regression(self) -> bool:
        """Whether labels are numbers rather than classes."""
        return not self.classes

    @property
    def num_labels(self) -> int:
        """Outputs of a model: classes, or 1 for regression."""
        return len(self.classes) or 1


_PARAPHRASE = ("f1", "accuracy")
_ENTAILMENT = ("entailment", "not_entailment")

TASKS = {
    task.name: task
    for task in (
        GlueTask("sst2", "SST-2", ("sentence",), "label", ("0", "1")),
        GlueTask(
            "cola",
            "CoLA",
            ("sentence",),
            "label",
            ("0", "1"),
            metrics=("matthews", "accuracy"),
            main_metric="matthews",
            columns=("source", "label", "mark", "sentence"),
        ),
        GlueTask(
            "mrpc",
            "MRPC",
            ("#1 String", "#2 String"),
            "Quality",
            ("0", "1"),
            both_orders=True,
            metrics=_PARAPHRASE,
        ),
        GlueTask(
            "rte",
            "RTE",
            ("sentence1", "sentence2"),
            "label",
            _ENTAILMENT,
            epochs=10,
        ),
        GlueTask(
            "stsb",
            "STS-B",
            ("sentence1", "sentence2"),
            "score",
            (),
            metrics=("pearson", "spearman"),
            main_metric="spearman",
            both_orders=True,
            epochs=10,
        ),
        GlueTask(
            "qnli", "QNLI", ("question", "sentence"), "label", _ENTAILMENT
        ),
        GlueTask(
            "mnli",
            "MNLI",
            ("sentence1", "sentence2"),
            "gold_label",
            ("contradiction", "entailment", "neutral"),
            files={
                "train": "train.tsv",
                "dev": "dev_matched.tsv",
                "dev_mismatched": "dev_mismatched.tsv",
                "test": "test_matched.tsv",
                "test_mismatched": "test_mismatched.tsv",
            },
        ),
        GlueTask(
            "qqp",
            "QQP",
            ("question1", "question2"),
            "is_duplicate",
            ("0", "1"),
            skip_incomplete=True,
            metrics=_PARAPHRASE,
        ),
    )
}


def get_task(task: str | GlueTask) -> GlueTask:
    """The `GlueTask` of a name.

    Args:
        task: str, a name of `TASKS`, or a `GlueTask`, which is returned.

    Returns:
        `GlueTask`.

    Raises:
        ValueError: an unknown name.
    """
    if isinstance(task, GlueTask):
        return task
    if task not in TASKS:
        raise ValueError(
            f"`task` must be one of {', '.join(TASKS)}. Received: {task!r}"
        )
    return TASKS[task]
