"""A pre-training run from settings to preset, SavedModel and report."""

import contextlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Any

import keras

from keras_rtd import export
from keras_rtd.models import ElectraPretrainer
from keras_rtd.pretraining import probe
from keras_rtd.pretraining.ingredients import build_pretrainer
from keras_rtd.pretraining.ingredients import datasets
from keras_rtd.pretraining.ingredients import iterate
from keras_rtd.pretraining.ingredients import token_counts
from keras_rtd.pretraining.phase_trainer import PhaseTrainer
from keras_rtd.pretraining.profile import profile
from keras_rtd.pretraining.remote_run_directory import open_run_directory
from keras_rtd.pretraining.report import write_report
from keras_rtd.pretraining.resolution import OLD
from keras_rtd.pretraining.resolution import resolve
from keras_rtd.pretraining.run_directory import RunDirectoryError
from keras_rtd.pretraining.samples import as_numpy
from keras_rtd.pretraining.settings import PretrainSettings
from keras_rtd.pretraining.settings import flags
from keras_rtd.pretraining.stop_on_signal import StopOnSignal
from keras_rtd.pretraining.tensorboard import TensorBoardWriter
from keras_rtd.training import Checkpoint
from keras_rtd.training import CheckpointError
from keras_rtd.training import get_strategy
from keras_rtd.training.strategy import LostWorkerError
from keras_rtd.training.strategy import start_processes
from keras_rtd.utils.command_line import parse
from keras_rtd.utils.setting import ConfigError
from keras_rtd.utils.step_times import table


def main(
    description: str,
    defaults: dict[str, Any] | None = None,
    argv: Sequence[str] | None = None,
) -> int:
    """A recipe's `main`: the command line, then the run.

    Args:
        description: string. The recipe's docstring, shown by `--help`.
        defaults: dict of setting to value, the recipe's own, or `None`.
        argv: list of strings or `None` for `sys.argv`.

    Returns:
        int, the exit status. What a person can mend ends with one line.
    """

    def work():
        given = parse(flags(), description, defaults, argv, OLD)
        return run_everywhere(resolve(defaults, None, given))

    return run_safely(work)


def run_safely(work):
    """`work()`, with one line for what a person can mend.

    Args:
        work: function that returns `None` or an exit status.

    Returns:
        int, the exit status. When another process of the run is lost, this
        one ends here: JAX's own way out waits for the lost one, and aborts.
    """
    try:
        status = work()
    except (ConfigError, RunDirectoryError, CheckpointError) as e:
        return _fail(e)
    except FloatingPointError as e:
        return _fail(e, status=3)
    except LostWorkerError as e:
        status = _fail(e, status=4)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    except (ValueError, OSError, ImportError) as e:
        if os.environ.get("KERAS_RTD_TRACEBACK"):
            raise
        return _fail(e)
    return status or 0


def _fail(error, status=2):
    message = " ".join(str(error).split())
    print(f"error: {message}", file=sys.stderr)
    return status


def run_everywhere(settings):
    """`pretrain`, in a process for each device where the strategy wants it.

    Returns:
        int, the exit status of the processes; `None` where this one trained.
    """
    status = start_processes(settings.devices.strategy)
    if status is None:
        pretrain(settings)
    return status


def pretrain(settings: PretrainSettings) -> ElectraPretrainer | None:
    """Run, or continue, a pre-training.

    Args:
        settings: `PretrainSettings`, as `resolve` returns them.

    Returns:
        The `ElectraPretrainer`, or `None` if the run was finished before or
        was only profiled.

    Raises:
        ConfigError: settings that contradict the run directory or preset.
        RunDirectoryError: the run directory is in use.
        CheckpointError: a checkpoint does not fit, or cannot be written.
        FloatingPointError: the loss is no longer a number.
        StrategyError: devices that are missing, or of another backend.
        LostWorkerError: another process of the run has ended.
    """
    devices = settings.devices
    strategy = get_strategy(
        devices.strategy, tpu=devices.tpu, model_devices=devices.model_devices
    )
    with contextlib.ExitStack() as stack:
        stack.callback(strategy.close)
        if settings.run.profile and strategy.replicas > 1:
            raise ConfigError(
                "--profile measures the step of one device: use it with "
                "--strategy=single"
            )
        if not strategy.is_chief:
            stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        return _pretrain(settings, strategy)


def _pretrain(settings, strategy):
    _check_micro_batches(settings, strategy)
    run = open_run_directory(settings.run.run_dir)
    run.check()
    before = run.read_settings()
    # Only now: the processes of several hosts have connected.
    settings = settings.on_devices(before, strategy)
    binding = {**settings.binding(), "backend": keras.config.backend()}
    if before is not None:
        # Settings of a later keras_rtd had their defaults.
        younger = {name: flag.default for name, flag in flags().items()}
        run.check_same(binding, {**younger, **before})
    if run.finished:
        print(f"{run.location} is finished: nothing to do")
        return None
    if strategy.is_chief:
        run.acquire()
        run.clean()
    try:
        with strategy.scope(), strategy.watch():
            pretrainer, complete = _train(settings, run, binding, strategy)
        if complete:
            # Averages change places in every process: weights are global.
            with pretrainer.averaged_weights(), strategy.alone():
                if strategy.is_chief:
                    _write_results(pretrainer, run)
        return pretrainer
    finally:
        run.release()


def _check_micro_batches(settings, strategy):
    count = settings.devices.accumulate_steps
    for phase in settings.phases():
        rows = strategy.per_replica(phase.batch_size)
        if rows % count:
            raise ConfigError(
                f"--accumulate_steps must divide the {rows} rows of a "
                f"device ({phase.batch_size} per step, {strategy.replicas} "
                f"devices). Received: {count}"
            )


def _train(settings, run, binding, strategy):
    """(the pretrainer or `None`, whether its training is complete)."""
    print(
        f"keras_rtd on {keras.config.backend()}, {settings.devices.dtype}: "
        f"{settings.model.preset}, {settings.objective.name}"
    )
    print(settings.summary())
    pretrainer = build_pretrainer(settings)
    unigram = probe.unigram_distribution(
        token_counts(settings, pretrainer),
        pretrainer.tokenizer.special_token_ids,
    )
    pretrainer.set_unigram(unigram)
    if settings.run.profile:
        _profile(pretrainer, settings, run, strategy)
        return None, False
    checkpoint = Checkpoint(
        run.checkpoints,
        every=settings.run.checkpoint_every,
        keep=settings.run.keep_checkpoints,
        best=pretrainer.objective.best_metric(),
        config=binding,
        writes=strategy.is_chief,
    )
    if checkpoint.paths() and run.read_settings() is None:
        raise ConfigError(
            f"--run_dir {run.location} holds checkpoints without their "
            "config.json, perhaps of an earlier version of keras_rtd: use "
            "another --run_dir"
        )
    done = checkpoint.restore(pretrainer)
    strategy.after_restore(pretrainer)
    with contextlib.ExitStack() as stack:
        writer = None
        if strategy.is_chief:
            run.rewind(done)
            writer = TensorBoardWriter(run.tensorboard, start_step=done)
            stack.callback(writer.close)
        stop = stack.enter_context(StopOnSignal(strategy))
        trainer = PhaseTrainer(
            settings,
            run,
            strategy,
            pretrainer,
            unigram,
            checkpoint,
            writer,
            stop,
        )
        for phase in settings.phases():
            if checkpoint.step < phase.last_step and not stop.received:
                trainer.train(phase)
    if stop.received:
        print(
            f"stopped by signal at step {checkpoint.step:,}; the state is "
            "saved, the same command continues"
        )
    return pretrainer, checkpoint.step == settings.run.train_steps


def _profile(pretrainer, settings, run, strategy):
    phase = settings.phases()[0]
    training, _ = datasets(settings, phase, pretrainer, strategy)
    folder = run.path / "profile"
    seconds = profile(pretrainer, map(as_numpy, iterate(training)), folder)
    print(table(seconds))
    run.publish(folder)
    print(f"trace: tensorboard --logdir {run.shown(folder)}")


def _write_results(pretrainer, run):
    run.replace_folder(run.preset, pretrainer.save_to_preset)
    try:
        export.saved_model(str(run.preset), str(run.saved_model))
        print(f"SavedModel: {run.shown(run.saved_model)}")
    except ImportError as e:
        print(f"warning: no SavedModel written. {e}")
    write_report(run.path)
    run.finish({"preset": "preset", "report": "report.html"})
    print(f"preset: {run.shown(run.preset)}\nreport: {run.shown(run.report)}")
