"""A fine-tuning from settings to a table of scores."""

import itertools
import pathlib
import signal
import statistics
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tqdm

from keras_rtd.finetuning.batches import Batches
from keras_rtd.finetuning.problems import Problem
from keras_rtd.finetuning.profile import profile
from keras_rtd.finetuning.settings import OLD
from keras_rtd.finetuning.settings import FineTuneSettings
from keras_rtd.finetuning.settings import flags
from keras_rtd.finetuning.settings import resolve
from keras_rtd.models import model_card
from keras_rtd.pretraining.run import run_safely
from keras_rtd.pretraining.run_directory import RunDirectory
from keras_rtd.training import Checkpoint
from keras_rtd.training import make_fine_tuning_optimizer
from keras_rtd.utils import step_times
from keras_rtd.utils.command_line import parse


class Stopped(Exception):
    """The run was asked to stop, and has saved what it had."""


def main(
    description: str,
    make_problem: Callable[[FineTuneSettings], Problem],
    task: type | None = None,
    defaults: dict[str, Any] | Callable[..., dict[str, Any]] | None = None,
    argv: Sequence[str] | None = None,
) -> int:
    """A recipe's `main`: the command line, then the runs.

    Args:
        description: string. The recipe's docstring.
        make_problem: function of `FineTuneSettings` that returns a `Problem`.
        task: dataclass of the recipe's own settings, or `None`.
        defaults: dict of setting to value, the recipe's own, or a function of
            all that is given that returns it.
        argv: list of string or `None` for `sys.argv`.

    Returns:
        int, the exit status. What a person can mend ends with one line.
    """

    def work():
        shown = defaults({}) if callable(defaults) else defaults
        given = parse(flags(task), description, shown, argv, OLD)
        settings = resolve(given, None, defaults, task)
        try:
            finetune(settings, make_problem(settings))
        except Stopped as e:
            print(e)

    return run_safely(work)


def finetune(
    settings: FineTuneSettings, problem: Problem
) -> dict[str, Any] | None:
    """Fine-tune and score, once for each seed.

    An interrupted run goes on where its last checkpoint was; finished seeds
    are not run again. The best model of all seeds and epochs is kept in
    `best/`, and what it is in `best.json`; results are those of the last epoch.

    Args:
        settings: `FineTuneSettings`, as `resolve` returns them.
        problem: `Problem`.

    Returns:
        dict: `task`, `metric`, `runs` (a dict of metrics each, in the order of
        the seeds), and `median` and `spread` (largest minus smallest) of each
        metric; `None` where a step was only profiled.

    Raises:
        ConfigError: the directory holds runs with other settings.
        Stopped: after SIGTERM.
    """
    run = RunDirectory(settings.run.run_dir)
    run.acquire()
    try:
        run.clean()
        before = run.read_settings()
        settings = settings.on_devices(before)
        environment = {
            "task": problem.name,
            "backend": keras.config.backend(),
            "data_identity": problem.data_identity(),
        }
        if before is not None:
            # A run of an earlier version has none.
            before.setdefault("data_identity", environment["data_identity"])
        binding = {**settings.binding(), **problem.settings(), **environment}
        run.check_same(binding, before)
        stored = settings.to_dict()
        stored["task"] = {**stored.get("task", {}), **problem.settings()}
        run.write_settings(stored, environment)
        if settings.run.profile:
            _profile(settings, problem, run)
            return None
        results: dict[str, Any] = {
            "task": problem.name,
            "metric": problem.main_metric,
        }
        first = settings.run.seed
        results["runs"] = [
            _one_seed(settings, problem, run, first + i, binding)
            for i in range(settings.run.seeds)
        ]
        names = [k for k in results["runs"][0] if k != "seed"]
        columns = {n: [r[n] for r in results["runs"]] for n in names}
        results["median"] = {
            n: statistics.median(values) for n, values in columns.items()
        }
        results["spread"] = {
            n: max(values) - min(values) for n, values in columns.items()
        }
        run.write_json(run.path / "results.json", results)
        text = markdown([results])
        run.write_text(run.path / "results.md", text + "\n")
        print(text)
        return results
    finally:
        run.release()


def build(settings, problem):
    """The task's model as the settings say, compiled by the caller."""
    preset = settings.model.init_from
    inside = pathlib.Path(preset) / "preset"
    if inside.is_dir():
        preset = str(inside)
    return problem.model_class.from_preset(
        preset,
        load_weights=not settings.model.fresh,
        sequence_length=settings.data.sequence_length,
        dropout=settings.model.dropout,
        dtype=settings.devices.dtype,
        compile=False,
        **problem.arguments(),
    )


def _one_seed(settings, problem, run, seed, binding):
    """The metrics of one seed, read where they are there already."""
    directory = run.path / f"seed-{seed}"
    inner = RunDirectory(directory)
    if inner.finished:
        return inner.read_finished()
    directory.mkdir(parents=True, exist_ok=True)
    model, (x, y, weights), options = _compiled(settings, problem, seed)
    steps = len(Batches(x, y, weights, **options))
    total = steps * settings.run.epochs
    checkpoint = Checkpoint(
        directory / "checkpoints",
        every=settings.run.checkpoint_every,
        keep=1,
        best=None,
        config={**binding, "seed": seed},
    )
    done = checkpoint.restore(model)
    inner.rewind(done)
    title = f"{problem.name}, seed {seed}"
    with _Progress(total, done, title) as progress:
        for epoch in range(done // steps, settings.run.epochs):
            data = Batches(
                x,
                y,
                weights,
                epoch=epoch,
                start=max(0, done - epoch * steps),
                **options,
            )
            keras.Model.fit(
                model,
                data,
                shuffle=False,
                verbose=0,
                callbacks=[checkpoint, progress],
            )
            if progress.stopped:
                raise Stopped(
                    f"stopped at step {checkpoint.step:,} of {total:,}; the "
                    "same command goes on from there"
                )
            scores = problem.score(model)
            inner.append_metrics(
                {"step": (epoch + 1) * steps, "epoch": epoch + 1, **scores}
            )
            progress.show(scores[problem.main_metric])
            _keep_if_best(run, problem, model, seed, epoch + 1, scores)
    if done >= total:
        scores = problem.score(model)
        _keep_if_best(run, problem, model, seed, settings.run.epochs, scores)
    result = {"seed": seed, **scores}
    inner.finish(result)
    for name in checkpoint.files.names():
        checkpoint.files.remove(name)
    return result


def _compiled(settings, problem, seed):
    """(model, arrays of its training data, how these are batched)."""
    keras.utils.set_random_seed(seed)
    model = build(settings, problem)
    arrays = problem.training(model)
    options = {"batch_size": settings.run.batch_size, "seed": seed}
    own = settings.optimizer
    total = len(Batches(*arrays, **options)) * settings.run.epochs
    model.compile(
        optimizer=make_fine_tuning_optimizer(
            model,
            learning_rate=own.learning_rate,
            layer_decay=own.layer_decay,
            reference_exponent=own.reference_exponent,
            train_steps=total,
            warmup_steps=int(total * own.warmup_fraction),
            weight_decay=own.weight_decay,
        ),
    )
    model.optimizer.build(model.trainable_variables)
    return model, arrays, options


def _profile(settings, problem, run):
    model, arrays, options = _compiled(settings, problem, settings.run.seed)
    data = Batches(*arrays, **options)
    batches = (data[i % len(data)] for i in itertools.count())
    folder = run.path / "profile"
    print(step_times.table(profile(model, batches, folder)))
    print(f"trace: tensorboard --logdir {folder}")


def _keep_if_best(run, problem, model, seed, epoch, scores):
    path = run.path / "best.json"
    before = run.read_json(path) or {}
    value = scores[problem.main_metric]
    if before.get(problem.main_metric, -np.inf) >= value:
        return
    best = {"seed": seed, "epoch": epoch, **scores}

    def write(folder):
        model.save_to_preset(folder)
        model_card.write_for_preset(model, folder, best)

    run.replace_folder(run.path / "best", write)
    run.write_json(path, best)


class _Progress(keras.callbacks.Callback):
    """The progress bar, and SIGTERM that ends training after its step."""

    def __init__(self, total, done, title):
        super().__init__()
        self.stopped = False
        self._bar = tqdm.tqdm(
            total=total, initial=done, desc=title, mininterval=1.0
        )

    def __enter__(self):
        self._before = signal.signal(signal.SIGTERM, self._stop)
        return self

    def __exit__(self, *_):
        signal.signal(signal.SIGTERM, self._before)
        self._bar.close()

    def _stop(self, *_):
        self.stopped = True

    def on_train_batch_end(self, batch, logs=None):
        self._bar.update()
        if self.stopped:
            self.model.stop_training = True

    def show(self, score):
        """Write the last score beside the bar."""
        self._bar.set_postfix_str(f"held out {score:.1f}")


def markdown(results):
    """A Markdown table of medians and spreads.

    Args:
        results: list of dicts as `finetune` returns them.

    Returns:
        string, a row for each metric of each.
    """
    lines = [
        "| task | metric | median | lowest | highest | runs |",
        "|---|---|---|---|---|---|",
    ]
    for result in results:
        for name, median in result["median"].items():
            values = [run[name] for run in result["runs"]]
            lines.append(
                f"| {result['task']} | {name} | {median:.1f} | "
                f"{min(values):.1f} | {max(values):.1f} | {len(values)} |"
            )
    return "\n".join(lines)
