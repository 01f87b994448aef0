"""Whole suites in one call."""

import os
from collections.abc import Callable
from typing import Any

from keras_rtd.evaluation.blimp import evaluate_blimp
from keras_rtd.evaluation.blimp import find_paradigms
from keras_rtd.interop.convert import ModelPath
from keras_rtd.models.preset_files import has_weights
from keras_rtd.models.presets import check_known
from keras_rtd.utils.types import Path

# Name -> function of (model, directory, run_dir, **options). What stands above
# and brings a suite registers it here; `keras_rtd` does so for `finetuning`.
SUITES: dict[str, Callable[..., dict[str, Any]]] = {}


def register(name, function):
    """Make a suite known to `evaluate`; an old one of the name is replaced.

    Args:
        name: str.
        function: function of (model, directory, run_dir, **options), see
            `evaluate`, which returns a dict of figures.
    """
    SUITES[name] = function


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
    return SUITES[suite](model, directory, run_dir, **options)


def run_blimp(model, directory, run_dir=None, **options):
    """The suite `"blimp"`; `options` are those of `evaluate_blimp`."""
    if run_dir is not None:
        raise ValueError("`run_dir` must be None: this suite trains nothing.")
    find_paradigms(directory, options.get("files"))
    return evaluate_blimp(load(model), directory, **options)


register("blimp", run_blimp)


def load(model):
    """A model, loaded if it is a path; see `evaluate`."""
    if not isinstance(model, (str, os.PathLike)):
        return model
    text = os.fspath(model)
    path = ModelPath.parse(text if ":" in text else f"preset:{text}")
    if path.format == "preset":
        check_known(path.path)
        if "://" not in path.path and not has_weights(path.path):
            raise ValueError(
                f"The preset {path.path!r} has no weights: its scores would "
                "be those of random ones. Pass the directory of a trained one."
            )
    return path.load()[0]
