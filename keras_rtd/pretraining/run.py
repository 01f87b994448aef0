"""A pre-training run from settings to preset, SavedModel and report."""

import contextlib
import functools
import io
import os
import sys
from collections.abc import Sequence
from typing import Any

import keras

from keras_rtd import export
from keras_rtd.data.dataset import iterate
from keras_rtd.models import ElectraPretrainer
from keras_rtd.pretraining.callbacks import Evaluation
from keras_rtd.pretraining.callbacks import ProgressLine
from keras_rtd.pretraining.continuation import DATA
from keras_rtd.pretraining.continuation import check_data
from keras_rtd.pretraining.continuation import check_length
from keras_rtd.pretraining.description import description
from keras_rtd.pretraining.description import facts
from keras_rtd.pretraining.ingredients import Corpus
from keras_rtd.pretraining.ingredients import check_lengths
from keras_rtd.pretraining.ingredients import compile_pretrainer
from keras_rtd.pretraining.ingredients import pretrainer_arguments
from keras_rtd.pretraining.profile import show_profile
from keras_rtd.pretraining.remote_run_directory import open_run_directory
from keras_rtd.pretraining.report import write_report
from keras_rtd.pretraining.resolution import OLD
from keras_rtd.pretraining.resolution import resolve
from keras_rtd.pretraining.run_directory import RunDirectoryError
from keras_rtd.pretraining.settings import PretrainSettings
from keras_rtd.pretraining.settings import flags
from keras_rtd.pretraining.stop_on_signal import StopOnSignal
from keras_rtd.training import Checkpoint
from keras_rtd.training import CheckpointError
from keras_rtd.training import get_strategy
from keras_rtd.training.strategy import LostWorkerError
from keras_rtd.training.strategy import start_processes
from keras_rtd.utils.command_line import parse
from keras_rtd.utils.flops import matmul_rate
from keras_rtd.utils.setting import ConfigError


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
    except MemoryError as e:
        return _fail(
            f"not enough memory: {e}. Take smaller batches, rows or files"
        )
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
    phases, devices = settings.phases(), settings.devices
    with contextlib.ExitStack() as stack:
        strategy = get_strategy(
            devices.strategy,
            tpu=devices.tpu,
            model_devices=devices.model_devices,
        )
        stack.callback(strategy.close)
        if not strategy.is_chief:
            stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        directory = open_run_directory(settings.run.run_dir)
        stack.callback(directory.release)
        directory.check()
        stored = directory.read_settings()
        # Only now: the processes of several hosts have connected.
        settings = settings.on_devices(stored, strategy)
        settings.devices.check_rows(strategy, [p.batch_size for p in phases])
        if settings.run.profile and strategy.replicas > 1:
            raise ConfigError(
                "--profile measures the step of one device: use it with "
                "--strategy=single"
            )
        binding = {**settings.binding(), "backend": keras.config.backend()}
        if stored is not None:
            # Settings of a later keras_rtd had their defaults.
            younger = {name: flag.default for name, flag in flags().items()}
            stored = {**younger, **stored}
            directory.check_same(binding, stored)
        if directory.finished:
            print(f"{directory.location} is finished: nothing to do")
            return None
        if strategy.is_chief:
            directory.acquire()
            directory.clean()
        print(
            f"keras_rtd on {keras.config.backend()}, {settings.devices.dtype}: "
            f"{settings.model.preset}, {settings.objective.name}"
        )
        print(settings.summary())
        with strategy.scope(), strategy.watch():
            keras.utils.set_random_seed(settings.run.seed)
            pretrainer = ElectraPretrainer.from_preset(
                compile=False,
                **pretrainer_arguments(
                    settings.model,
                    settings.generator,
                    settings.objective,
                    settings.devices,
                    settings.run,
                    settings.of_preset,
                    max(phase.sequence_length for phase in phases),
                ),
            )
            check_lengths(pretrainer, phases)
            compile_pretrainer(
                pretrainer, settings.optimizer, settings.devices, settings.run
            )
            identity = check_data(settings, stored, strategy.is_chief)
            corpus = Corpus(
                settings.data, pretrainer.tokenizer, settings.run.seed
            )
            corpus.check_replacements(pretrainer, phases[0])
            unigram = corpus.unigram(phases[0])
            pretrainer.set_unigram(unigram)
            if settings.run.profile:
                batches = iterate(corpus.training(phases[0], strategy))
                show_profile(pretrainer, batches, directory)
                return None
            checkpoint = Checkpoint(
                directory.checkpoints,
                every=settings.run.checkpoint_every,
                keep=settings.run.keep_checkpoints,
                best=pretrainer.objective.best_metric(),
                config=binding,
                writes=strategy.is_chief,
            )
            if stored is None and checkpoint.paths():
                raise ConfigError(
                    f"--run_dir {directory.location} holds checkpoints "
                    "without their config.json, perhaps of an earlier version "
                    "of keras_rtd: use another --run_dir"
                )
            if stored is not None:
                done = checkpoint.restore(pretrainer)
                check_length(settings, stored, done)
            evaluation = Evaluation(
                strategy,
                directory,
                checkpoint,
                unigram,
                train_steps=settings.run.train_steps,
                every=settings.run.eval_every,
                batches=settings.run.eval_batches,
            )
            remember = functools.partial(
                directory.write_settings,
                settings.to_dict(),
                {**facts(), DATA: identity},
            )
            _train(pretrainer, corpus, phases, evaluation, remember)
        if checkpoint.step == settings.run.train_steps:
            # Averages change places in every process: weights are global.
            with pretrainer.averaged_weights(), strategy.alone():
                if strategy.is_chief:
                    _write_results(pretrainer, directory)
        return pretrainer


def _train(pretrainer, corpus, phases, evaluation, remember):
    """Go on from the newest checkpoint to the end, or to a signal.

    Args:
        pretrainer: compiled `ElectraPretrainer`.
        corpus: `Corpus`.
        phases: list of `Phase`.
        evaluation: `Evaluation`, which knows where all is written.
        remember: function that writes `config.json`.
    """
    strategy, checkpoint = evaluation.strategy, evaluation.checkpoint
    checkpoint.restore(pretrainer)
    strategy.after_restore(pretrainer)
    with evaluation, StopOnSignal(strategy) as stop:
        for phase in phases:
            if checkpoint.step >= phase.last_step or stop.received:
                continue
            training = corpus.training(phase, strategy)
            held_out = corpus.held_out(phase, evaluation.batches)
            if strategy.is_chief:
                # Only now that the data was found good: it binds later runs.
                remember()
            flops = pretrainer.objective.flops_per_token(
                pretrainer,
                phase.sequence_length,
                held_out[0]["mask_positions"].shape[1],
                given_samples=corpus.replacements is not None,
            )
            progress = ProgressLine(
                checkpoint.step,
                phases[-1].last_step,
                phase.tokens_per_step,
                flops,
                matmul_rate(pretrainer.dtype_policy.compute_dtype),
                strategy.replicas,
            )
            evaluation.begin(pretrainer, phase, held_out, progress)
            print(
                description(
                    pretrainer,
                    phases,
                    phase,
                    flops,
                    held_out,
                    checkpoint.step,
                    strategy,
                )
            )
            # TensorFlow would trace the last phase's graph again, with shapes
            # that are no longer static.
            pretrainer.train_function = pretrainer.test_function = None
            pretrainer.predict_function = None
            pretrainer.fit(
                training,
                steps_per_epoch=phase.last_step,
                callbacks=[progress, evaluation, checkpoint, stop],
                verbose=0,
            )
    if stop.received:
        print(
            f"stopped by signal at step {checkpoint.step:,}; the state is "
            "saved, the same command continues"
        )


def _write_results(pretrainer, directory):
    directory.replace_folder(directory.preset, pretrainer.save_to_preset)
    try:
        export.saved_model(str(directory.preset), str(directory.saved_model))
        print(f"SavedModel: {directory.shown(directory.saved_model)}")
    except ImportError as e:
        print(f"warning: no SavedModel written. {e}")
    write_report(directory.path)
    directory.finish({"preset": "preset", "report": "report.html"})
    print(
        f"preset: {directory.shown(directory.preset)}\n"
        f"report: {directory.shown(directory.report)}"
    )
