"""Whole suites in one call."""

import importlib
import os
from typing import Any

from keras_rtd.utils.types import Path

# Where each suite's function is: reached on demand, because fine-tuning
# stands above this room.
SUITES = {
    "blimp": ("keras_rtd.evaluation.suites", "run_blimp"),
    "glue": ("keras_rtd.finetuning.suites", "glue"),
    "tagging": ("keras_rtd.finetuning.suites", "tagging"),
    "squad": ("keras_rtd.finetuning.suites", "squad"),
}


def evaluate(
    model: Any,
    suite: str,
    directory: Path,
    run_dir: Path | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Runs a suite on a model.

    - `"blimp"`: `keras_rtd.evaluation.evaluate_blimp`; nothing is trained.
    - `"glue"`, `"tagging"`, `"squad"`: the model is fine-tuned and scored on
      every task whose files are in `directory`; see
      `keras_rtd.finetuning.suites`. Stopped and called again with the same
      arguments, it goes on.

    Args:
        model: a model, or where to load it from: a bundled preset, a preset
            directory, or `FORMAT:PATH` as in `python -m keras_rtd.interop`.
        suite: str, a name of `SUITES`.
        directory: path of the suite's files.
        run_dir: path of what a suite that trains writes; `None` for `"blimp"`.
        **options: of the suite, e.g. `scorer="generator"` of `"blimp"`, or
            `tasks=["rte"]`, `seeds=3` and other settings of
            `keras_rtd.finetuning.resolve`.

    Returns:
        dict of figures, as the suite gives them.

    Raises:
        ValueError: an unknown suite, or what the suite refuses.
    """
    if suite not in SUITES:
        raise ValueError(
            f"`suite` must be one of {', '.join(SUITES)}. Received: {suite!r}"
        )
    module, name = SUITES[suite]
    function = getattr(importlib.import_module(module), name)
    return function(model, directory, run_dir, **options)


def run_blimp(model, directory, run_dir=None, **options):
    """The suite `"blimp"`; `options` are those of `evaluate_blimp`."""
    from keras_rtd.evaluation.blimp import evaluate_blimp
    from keras_rtd.evaluation.blimp import find_paradigms

    if run_dir is not None:
        raise ValueError("`run_dir` must be None: this suite trains nothing.")
    find_paradigms(directory, options.get("files"))
    return evaluate_blimp(load(model), directory, **options)


def load(model):
    """A model, loaded if it is a path; see `evaluate`."""
    if not isinstance(model, (str, os.PathLike)):
        return model
    from keras_rtd.interop.convert import Place

    path = os.fspath(model)
    place = Place.parse(path if ":" in path else f"preset:{path}")
    return place.load()[0]
