"""Suites that train: `keras_rtd.evaluation.evaluate` runs them.

Each fine-tunes one model on several tasks, with the settings of the recipes,
and can be interrupted and called again as the recipes can.
"""

import hashlib
import os
import pathlib
import statistics
from typing import Any

import numpy as np

from keras_rtd.evaluation.glue import TASKS
from keras_rtd.evaluation.tagging import TASKS as TAGGING
from keras_rtd.evaluation.text_files import find_file
from keras_rtd.finetuning.problems import Glue
from keras_rtd.finetuning.problems import Squad
from keras_rtd.finetuning.problems import Tagging
from keras_rtd.finetuning.run import finetune
from keras_rtd.finetuning.run import markdown
from keras_rtd.finetuning.settings import flags
from keras_rtd.finetuning.settings import resolve
from keras_rtd.pretraining.run_directory import RunDirectory
from keras_rtd.utils.targets import check_folder
from keras_rtd.utils.targets import has_keys

# Versions of the questions, which their files' names hold.
SQUAD = {"squad1": "v1.1", "squad2": "v2.0"}


def glue(model, directory, run_dir, tasks=None, pooling="cls", **settings):
    """The suite `"glue"`; see `keras_rtd.evaluation.evaluate`.

    Args:
        model, directory, run_dir: as there. `directory` holds the tasks' own
            folders, `SST-2` and so on.
        tasks: list of names of `keras_rtd.evaluation.glue.TASKS`, or `None`
            for all whose training data is there.
        pooling: as `ElectraTextClassifier` takes it. Defaults to `"cls"`.
        **settings: of `keras_rtd.finetuning.resolve`. `epochs` defaults to
            the task's.
    """

    def files(name):
        task = TASKS[name]
        folders = [pathlib.Path(directory) / task.folder]
        return [
            find_file(folders, task.files[split]) for split in ("train", "dev")
        ]

    return _run(
        "glue",
        {
            name: lambda name=name: Glue(
                name, directory, settings.get("limit"), pooling
            )
            for name in _choose(tasks, TASKS, files)
        },
        model,
        directory,
        run_dir,
        settings,
        {name: task.epochs for name, task in TASKS.items()},
    )


def tagging(model, directory, run_dir, tasks=None, **settings):
    """The suite `"tagging"`; see `keras_rtd.evaluation.evaluate`.

    Args:
        model, directory, run_dir: as there. `directory` holds the folders
            `conll2000` and `wnut17`, files as they are distributed.
        tasks: list of these names, or `None` for all that are there.
        **settings: of `keras_rtd.finetuning.resolve`.
    """

    def files(name: str) -> tuple[pathlib.Path, pathlib.Path]:
        folders = [pathlib.Path(directory) / name]
        train, scored = TAGGING[name]
        return find_file(folders, train), find_file(folders, scored)

    return _run(
        "tagging",
        {
            name: lambda name=name: Tagging(
                name, *files(name), settings.get("limit")
            )
            for name in _choose(tasks, TAGGING, files)
        },
        model,
        directory,
        run_dir,
        settings,
        {},
    )


def squad(
    model, directory, run_dir, tasks=None, held_out_limit=None, **settings
):
    """The suite `"squad"`; see `keras_rtd.evaluation.evaluate`.

    Args:
        model, directory, run_dir: as there. `directory` holds
            `train-v1.1*.json` and `dev-v1.1*.json`, or the same of v2.0,
            plain or `.gz`.
        tasks: list of `"squad1"` and `"squad2"`, or `None` for those whose
            files are there.
        held_out_limit: int or `None`. Questions scored, from the first.
        **settings: of `keras_rtd.finetuning.resolve`. `epochs` defaults to 2.
    """

    def files(name: str) -> tuple[pathlib.Path, pathlib.Path]:
        version = SQUAD[name]
        train = _only(directory, f"train-{version}*.json*")
        return train, _only(directory, f"dev-{version}*.json*")

    return _run(
        "squad",
        {
            name: lambda name=name: Squad(
                *files(name), settings.get("limit"), held_out_limit
            )
            for name in _choose(tasks, SQUAD, files)
        },
        model,
        directory,
        run_dir,
        settings,
        dict.fromkeys(SQUAD, 2),
    )


def _only(directory, pattern):
    paths = sorted(pathlib.Path(directory).glob(pattern))
    if len(paths) != 1:
        found = ", ".join(path.name for path in paths) or "none"
        raise ValueError(
            f"One file {pattern} is expected in {directory}. Found: {found}"
        )
    return paths[0]


def _choose(tasks, known, files):
    """Names to run: those asked for, or those whose files are there."""
    unknown = [name for name in tasks or () if name not in known]
    if unknown:
        raise ValueError(
            f"`tasks` are of {', '.join(known)}. Received: {unknown[0]!r}"
        )
    found, reason = [], None
    for name in tasks or known:
        try:
            files(name)
        except ValueError as error:
            if tasks:
                raise
            reason = reason or error
        else:
            found.append(name)
    if not found:
        raise ValueError(f"No task's files are there, first of all: {reason}")
    return found


def _run(suite, problems, model, directory, run_dir, settings, epochs):
    if run_dir is None:
        raise ValueError(
            f"The suite {suite!r} trains: give `run_dir`, where it may write."
        )
    known = set(flags())
    known -= {"init_from", "profile"}
    unknown = sorted(set(settings) - known)
    if unknown:
        raise ValueError(
            f"The suite {suite!r} does not take {unknown[0]!r}. It takes "
            f"`tasks` and {', '.join(sorted(known))}."
        )
    check_folder(
        run_dir,
        ("suite.json", "suite.md"),
        lambda folder: has_keys(folder / "suite.json", "suite", "tasks"),
        "the directory of a suite",
    )
    run_dir = pathlib.Path(run_dir)
    configs = {
        name: resolve(
            {
                "init_from": os.fspath(model)
                if isinstance(model, (str, os.PathLike))
                else str(_preset_of(model, run_dir)),
                "data": str(directory),
                "run_dir": str(run_dir / name),
                **({"epochs": epochs[name]} if name in epochs else {}),
                **settings,
            }
        )
        for name in problems
    }
    results: dict[str, Any] = {
        name: finetune(configs[name], make()) for name, make in problems.items()
    }
    table = markdown(list(results.values()))
    result = {
        "suite": suite,
        "average": statistics.fmean(
            row["median"][row["metric"]] for row in results.values()
        ),
        "tasks": results,
    }
    # First what says that the other is ours.
    RunDirectory(run_dir).write_json(run_dir / "suite.json", result)
    RunDirectory(run_dir).write_text(run_dir / "suite.md", table + "\n")
    return result


def _preset_of(model, run_dir):
    """Where `model` is written, under a name that its weights decide: runs
    of another model in the same place are refused, not continued."""
    digest = hashlib.sha256()
    for array in model.get_weights():
        digest.update(np.ascontiguousarray(array).tobytes())
    path = run_dir / f"initial-{digest.hexdigest()[:16]}"
    if not path.is_dir():
        run_dir.mkdir(parents=True, exist_ok=True)
        RunDirectory(run_dir).replace_folder(path, model.save_to_preset)
    return path
