"""A fine-tuning from settings to a table of scores."""

import itertools
import os
import pathlib
import signal
import statistics
import sys

import keras
import numpy as np
import tqdm

from keras_rtd.finetuning.batches import Batches
from keras_rtd.finetuning.profile import profile
from keras_rtd.finetuning.table import markdown
from keras_rtd.pretraining.run_directory import RunDirectory
from keras_rtd.pretraining.run_directory import RunDirectoryError
from keras_rtd.pretraining.settings import ConfigError
from keras_rtd.pretraining.settings import parse_arguments
from keras_rtd.training import Checkpoint
from keras_rtd.training import CheckpointError
from keras_rtd.training import make_fine_tuning_optimizer
from keras_rtd.utils import step_times


class Stopped(Exception):
    """The run was asked to stop, and has saved what it had."""


def main(config_class, description, make_problem, argv=None):
    """A recipe's `main`: the command line, then the runs.

    Args:
        config_class: subclass of `FineTuneConfig`.
        description: string. The recipe's docstring.
        make_problem: function of a config that returns a `Problem`.
        argv: list of string or `None` for `sys.argv`.

    Returns:
        int, the exit status. What a person can mend ends with one line.
    """
    config = parse_arguments(config_class, description, argv)
    try:
        finetune(config, make_problem(config))
    except Stopped as e:
        print(e)
        return 0
    except FloatingPointError as e:
        return _fail(e, 3)
    except (
        ConfigError,
        RunDirectoryError,
        CheckpointError,
        ValueError,
        OSError,
        ImportError,
    ) as e:
        if os.environ.get("KERAS_RTD_TRACEBACK"):
            raise
        return _fail(e, 2)
    return 0


def _fail(error, status):
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    return status


def finetune(config, problem):
    """Fine-tune and score, once for each seed.

    An interrupted run goes on where its last checkpoint was; finished seeds
    are not run again. The best model of all seeds and epochs is kept in
    `best/`, and what it is in `best.json`; results are those of the last epoch.

    Args:
        config: `FineTuneConfig`.
        problem: `Problem`.

    Returns:
        dict: `task`, `metric`, `runs` (a dict of metrics each, in the order of
        the seeds), and `median` and `spread` (largest minus smallest) of each
        metric; `None` where a step was only profiled.

    Raises:
        ConfigError: the directory holds runs with other settings.
        Stopped: after SIGTERM.
    """
    run = RunDirectory(config.run_dir)
    run.acquire()
    try:
        run.clean()
        settings = {
            **config.binding(),
            **problem.settings(),
            "task": problem.name,
            "backend": keras.config.backend(),
        }
        _check_same(run, settings)
        run.write_json(run.config, settings)
        if config.profile:
            _profile(config, problem, run)
            return None
        results = {"task": problem.name, "metric": problem.main_metric}
        results["runs"] = [
            _one_seed(config, problem, run, seed, settings)
            for seed in range(config.seed, config.seed + config.seeds)
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


def _check_same(run, settings):
    before = run.read_config()
    differences = [
        f"{name}: {before.get(name)!r} there, {value!r} now"
        for name, value in settings.items()
        if before is not None and before.get(name) != value
    ]
    if differences:
        raise ConfigError(
            f"--run_dir {run.path} holds runs with other settings "
            f"({'; '.join(differences)}). Use those, or another --run_dir."
        )


def build(config, problem):
    """The task's model as the settings say, compiled by the caller."""
    preset = config.init_from
    inside = pathlib.Path(preset) / "preset"
    if inside.is_dir():
        preset = str(inside)
    return problem.model_class.from_preset(
        preset,
        load_weights=not config.fresh,
        sequence_length=config.sequence_length,
        dropout=config.dropout,
        dtype=config.dtype,
        compile=False,
        **problem.arguments(),
    )


def _one_seed(config, problem, run, seed, settings):
    """The metrics of one seed, read where they are there already."""
    directory = run.path / f"seed-{seed}"
    inner = RunDirectory(directory)
    if inner.finished:
        return inner.read_finished()
    directory.mkdir(parents=True, exist_ok=True)
    model, (x, y, weights), options = _compiled(config, problem, seed)
    steps = len(Batches(x, y, weights, **options))
    total = steps * config.epochs
    checkpoint = Checkpoint(
        directory / "checkpoints",
        every=config.checkpoint_every,
        keep=1,
        best=None,
        config={**settings, "seed": seed},
    )
    done = checkpoint.restore(model)
    inner.rewind(done)
    title = f"{problem.name}, seed {seed}"
    with _Progress(total, done, title) as progress:
        for epoch in range(done // steps, config.epochs):
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
        _keep_if_best(run, problem, model, seed, config.epochs, scores)
    result = {"seed": seed, **scores}
    inner.finish(result)
    for name in checkpoint.files.names():
        checkpoint.files.remove(name)
    return result


def _compiled(config, problem, seed):
    """(model, arrays of its training data, how these are batched)."""
    keras.utils.set_random_seed(seed)
    model = build(config, problem)
    arrays = problem.training(model)
    options = {"batch_size": config.batch_size, "seed": seed}
    total = len(Batches(*arrays, **options)) * config.epochs
    model.compile(
        optimizer=make_fine_tuning_optimizer(
            model,
            learning_rate=config.learning_rate,
            layer_decay=config.layer_decay,
            reference_exponent=config.reference_exponent,
            train_steps=total,
            warmup_steps=int(total * config.warmup_fraction),
            weight_decay=config.weight_decay,
        ),
    )
    model.optimizer.build(model.trainable_variables)
    return model, arrays, options


def _profile(config, problem, run):
    model, arrays, options = _compiled(config, problem, config.seed)
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
    run.replace_folder(run.path / "best", model.save_to_preset)
    run.write_json(path, {"seed": seed, "epoch": epoch, **scores})


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
        # A mean, which stays NaN: now and then is enough.
        if self._bar.n % 50 == 0 and not np.isfinite(float(logs["loss"])):
            raise FloatingPointError(
                f"The loss is not a number at step {self._bar.n:,}: lower "
                "--learning_rate, or use another --dtype"
            )
        if self.stopped:
            self.model.stop_training = True

    def show(self, score):
        """Write the last score beside the bar."""
        self._bar.set_postfix_str(f"held out {score:.1f}")
