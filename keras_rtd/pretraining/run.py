"""A pre-training run from settings to preset, SavedModel and report."""

import contextlib
import io
import os
import sys

import keras

from keras_rtd import export
from keras_rtd.pretraining import probe
from keras_rtd.pretraining.description import facts
from keras_rtd.pretraining.ingredients import build_pretrainer
from keras_rtd.pretraining.ingredients import datasets
from keras_rtd.pretraining.ingredients import iterate
from keras_rtd.pretraining.ingredients import token_counts
from keras_rtd.pretraining.phase_trainer import PhaseTrainer
from keras_rtd.pretraining.profile import profile
from keras_rtd.pretraining.remote_run_directory import open_run_directory
from keras_rtd.pretraining.report import write_report
from keras_rtd.pretraining.run_directory import RunDirectoryError
from keras_rtd.pretraining.samples import as_numpy
from keras_rtd.pretraining.settings import ConfigError
from keras_rtd.pretraining.settings import parse_arguments
from keras_rtd.pretraining.stop_on_signal import StopOnSignal
from keras_rtd.pretraining.tensorboard import TensorBoardWriter
from keras_rtd.training import Checkpoint
from keras_rtd.training import CheckpointError
from keras_rtd.training import get_strategy
from keras_rtd.training.strategy import LostWorkerError
from keras_rtd.training.strategy import start_processes
from keras_rtd.utils.step_times import table


def main(config_class, description, argv=None):
    """A recipe's `main`: the command line, then the run.

    Returns:
        int, the exit status. What a person can mend ends with one line.
    """
    config = parse_arguments(config_class, description, argv)
    status = start_processes(config.strategy)
    return run_safely(pretrain, config) if status is None else status


def run_safely(work, config):
    """`work(config)`, with one line for what a person can mend.

    Returns:
        int, the exit status. When another process of the run is lost, this
        one ends here: JAX's own way out waits for the lost one, and aborts.
    """
    try:
        work(config)
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
    return 0


def _fail(error, status=2):
    message = " ".join(str(error).split())
    print(f"error: {message}", file=sys.stderr)
    return status


def pretrain(config):
    """Run, or continue, a pre-training.

    Args:
        config: `PretrainConfig`.

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
    strategy = get_strategy(
        config.strategy, tpu=config.tpu, model_devices=config.model_devices
    )
    with contextlib.ExitStack() as stack:
        stack.callback(strategy.close)
        if config.profile and strategy.replicas > 1:
            raise ConfigError(
                "--profile measures the step of one device: use it with "
                "--strategy=single"
            )
        if not strategy.is_chief:
            stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        return _pretrain(config, strategy)


def _pretrain(config, strategy):
    _check_parts(config, strategy)
    run = open_run_directory(config.run_dir)
    run.check()
    settings = {**config.binding(), "backend": keras.config.backend()}
    _check_same_run(run, settings, config.defaults())
    if run.finished:
        print(f"{run.location} is finished: nothing to do")
        return None
    if strategy.is_chief:
        run.acquire()
        run.clean()
    try:
        with strategy.scope(), strategy.watch():
            pretrainer, complete = _train(config, run, settings, strategy)
        if complete:
            # Averages change places in every process: weights are global.
            with pretrainer.averaged_weights(), strategy.alone():
                if strategy.is_chief:
                    _write_results(pretrainer, run)
        return pretrainer
    finally:
        run.release()


def _check_parts(config, strategy):
    for phase in config.phases():
        rows = strategy.per_replica(phase.batch_size)
        if rows % config.accumulate_steps:
            raise ConfigError(
                f"--accumulate_steps must divide the {rows} windows of a "
                f"device ({phase.batch_size} a step, {strategy.replicas} "
                f"devices). Received: {config.accumulate_steps}"
            )


def _check_same_run(run, settings, younger):
    """`younger`: values of what a run of an earlier keras_rtd lacks."""
    before = run.read_config()
    if before is None:
        return
    before = {**younger, **before}
    differences = [
        f"{name}: {before.get(name)!r} there, {value!r} now"
        for name, value in settings.items()
        if before.get(name) != value
    ]
    if differences:
        raise ConfigError(
            f"--run_dir {run.location} holds a run with other settings "
            f"({'; '.join(differences)}). Use those, or another --run_dir."
        )


def _train(config, run, settings, strategy):
    """(the pretrainer or `None`, whether its training is complete)."""
    print(
        f"keras_rtd on {keras.config.backend()}, {config.dtype}: "
        f"{config.preset}, {config.objective}"
    )
    pretrainer = build_pretrainer(config)
    unigram = probe.unigram_distribution(
        token_counts(config, pretrainer), pretrainer.tokenizer.special_token_ids
    )
    pretrainer.set_unigram(unigram)
    if config.profile:
        _profile(pretrainer, config, run, strategy)
        return None, False
    checkpoint = Checkpoint(
        run.checkpoints,
        every=config.checkpoint_every,
        keep=config.keep_checkpoints,
        best=pretrainer.objective.best_metric(),
        config=settings,
        writes=strategy.is_chief,
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
            config,
            run,
            {**config.to_dict(), **facts(), **settings},
            strategy,
            pretrainer,
            unigram,
            checkpoint,
            writer,
            stop,
        )
        for phase in config.phases():
            if checkpoint.step < phase.last_step and not stop.received:
                trainer.train(phase)
    if stop.received:
        print(
            f"stopped by signal at step {checkpoint.step:,}; the state is "
            "saved, the same command continues"
        )
    return pretrainer, checkpoint.step == config.train_steps


def _profile(pretrainer, config, run, strategy):
    phase = config.phases()[0]
    training, _ = datasets(config, phase, pretrainer, strategy)
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
