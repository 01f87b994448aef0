"""A pre-training run from settings to preset, SavedModel and report."""

import contextlib
import importlib.metadata
import io
import os
import platform
import sys

import keras
import numpy as np

from keras_rtd import export
from keras_rtd.pretraining import probe
from keras_rtd.pretraining.callbacks import Clock
from keras_rtd.pretraining.callbacks import Evaluation
from keras_rtd.pretraining.callbacks import NoteTime
from keras_rtd.pretraining.callbacks import ProgressLine
from keras_rtd.pretraining.config import ConfigError
from keras_rtd.pretraining.config import parse_arguments
from keras_rtd.pretraining.ingredients import build_pretrainer
from keras_rtd.pretraining.ingredients import datasets
from keras_rtd.pretraining.ingredients import iterate
from keras_rtd.pretraining.profile import profile
from keras_rtd.pretraining.profile import table
from keras_rtd.pretraining.report import write_report
from keras_rtd.pretraining.run_directory import RunDirectory
from keras_rtd.pretraining.run_directory import RunDirectoryError
from keras_rtd.pretraining.samples import as_numpy
from keras_rtd.pretraining.stop_on_signal import StopOnSignal
from keras_rtd.pretraining.tensorboard import TensorBoardWriter
from keras_rtd.training import Checkpoint
from keras_rtd.training import CheckpointError
from keras_rtd.training import get_strategy
from keras_rtd.training.strategy import LostWorkerError
from keras_rtd.utils.flops import matmul_rate
from keras_rtd.utils.flops import training_flops
from keras_rtd.utils.hardware import fast_dtype


def main(config_class, description, argv=None):
    """A recipe's `main`: the command line, then the run.

    Returns:
        int, the exit status. What a person can mend ends with one line.
    """
    config = parse_arguments(config_class, description, argv)
    try:
        pretrain(config)
    except (ConfigError, RunDirectoryError, CheckpointError) as e:
        return _fail(e)
    except FloatingPointError as e:
        return _fail(e, status=3)
    except LostWorkerError as e:
        return _fail(e, status=4)
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
    run = RunDirectory(config.run_dir)
    settings = {**config.binding(), "backend": keras.config.backend()}
    _check_same_run(run, settings, config.defaults())
    if run.finished:
        print(f"{run.path} is finished: nothing to do")
        return None
    if strategy.is_chief:
        run.acquire()
        run.clean()
    try:
        with strategy.scope(), strategy.watch():
            pretrainer, complete = _train(config, run, settings, strategy)
        if complete and strategy.is_chief:
            _write_results(pretrainer, run)
        return pretrainer
    finally:
        run.release()


def _check_parts(config, strategy):
    rows = strategy.per_replica(config.batch_size)
    if rows % config.accumulate_steps:
        raise ConfigError(
            f"--accumulate_steps must divide the {rows} windows of a device "
            f"(--batch_size over {strategy.replicas} devices). Received: "
            f"{config.accumulate_steps}"
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
            f"--run_dir {run.path} holds a run with other settings "
            f"({'; '.join(differences)}). Use those, or another --run_dir."
        )


def _train(config, run, settings, strategy):
    """(the pretrainer or `None`, whether its training is complete)."""
    print(
        f"keras_rtd on {keras.config.backend()}, {config.dtype}: "
        f"{config.preset}, {config.objective}"
    )
    pretrainer = build_pretrainer(config)
    training, held_out, counts = datasets(config, pretrainer, strategy)
    special = pretrainer.tokenizer.special_token_ids
    unigram = probe.unigram_distribution(counts, special)
    pretrainer.set_unigram(unigram)
    if config.profile:
        _profile(pretrainer, training, run)
        return None, False
    if strategy.is_chief:
        facts = {**config.to_dict(), **_facts(), **settings}
        run.write_json(run.config, facts)

    checkpoint = Checkpoint(
        run.checkpoints,
        every=config.checkpoint_every,
        keep=config.keep_checkpoints,
        config=settings,
        writes=strategy.is_chief,
    )
    done = checkpoint.restore(pretrainer)
    strategy.after_restore(pretrainer)
    if strategy.is_chief:
        run.rewind(done)
    clock = Clock(checkpoint.extra.get("seconds", 0.0))
    tokens = config.batch_size * config.sequence_length
    flops = training_flops(
        pretrainer,
        config.sequence_length,
        held_out[0]["mask_positions"].shape[1],
    )
    compute = pretrainer.dtype_policy.compute_dtype
    progress = ProgressLine(
        done,
        config.train_steps,
        tokens,
        flops,
        matmul_rate(compute),
        strategy.replicas,
    )
    writer = None
    if strategy.is_chief:
        writer = TensorBoardWriter(run.tensorboard, start_step=done)
    evaluation = Evaluation(
        run=run,
        held_out=held_out,
        probe=probe.probe_batches(held_out, unigram, special),
        writer=writer,
        checkpoint=checkpoint,
        progress=progress,
        clock=clock,
        strategy=strategy,
        every=config.eval_every,
        train_steps=config.train_steps,
        tokens_per_step=tokens,
    )
    evaluation.samples = run.read_samples()
    print(_description(pretrainer, config, flops, held_out, done))
    if strategy.replicas > 1:
        print(
            f"{strategy.devices()}, {strategy.per_replica(config.batch_size)} "
            f"of {config.batch_size} windows each"
        )
    stop = StopOnSignal(strategy)
    with stop:
        pretrainer.fit(
            training,
            steps_per_epoch=config.train_steps,
            callbacks=[
                progress,
                evaluation,
                NoteTime(checkpoint, clock),
                checkpoint,
                stop,
            ],
            verbose=0,
        )
    if writer is not None:
        writer.close()
    if stop.received:
        print(
            f"stopped by signal at step {checkpoint.step:,}; the state is "
            "saved, the same command continues"
        )
    return pretrainer, not stop.received


def _profile(pretrainer, training, run):
    folder = run.path / "profile"
    seconds = profile(pretrainer, map(as_numpy, iterate(training)), folder)
    print(table(seconds))
    print(f"trace: tensorboard --logdir {folder}")


def _write_results(pretrainer, run):
    with pretrainer.averaged_weights():
        run.replace_folder(run.preset, pretrainer.save_to_preset)
    try:
        export.saved_model(str(run.preset), str(run.saved_model))
        print(f"SavedModel: {run.saved_model}")
    except ImportError as e:
        print(f"warning: no SavedModel written. {e}")
    report = write_report(run.path)
    run.finish({"preset": "preset", "report": "report.html"})
    print(f"preset: {run.preset}\nreport: {report}")


def _facts():
    versions = {}
    for name in ("keras_rtd", "keras", "keras-hub", keras.config.backend()):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "versions": versions,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
    }


def _description(pretrainer, config, flops, held_out, done):
    windows = sum(int(b["padding_mask"].any(axis=1).sum()) for b in held_out)
    parameters = pretrainer.backbone.count_params()
    generator = sum(
        int(np.prod(v.shape)) for v in pretrainer.generator_variables
    )
    lines = [
        f"discriminator {parameters:,} parameters, generator {generator:,} "
        f"more; {flops / 1e6:.1f} MFLOP a token",
        f"batch {config.batch_size} x {config.sequence_length} tokens"
        + (
            f" in {config.accumulate_steps} parts"
            if config.accumulate_steps > 1
            else ""
        )
        + f", {config.train_steps:,} steps; {windows:,} windows held out",
    ]
    if config.unigram_warmup_steps:
        lines.append(
            "note: unigram warm-up, "
            f"the first {config.unigram_warmup_steps:,} steps replace tokens "
            "partly by word frequency, as the probe does: compare its AUC "
            "only with runs of the same warm-up"
        )
    if config.dtype == "float32" and fast_dtype() != "float32":
        lines.append(
            "note: these devices multiply bfloat16 in hardware; "
            "--dtype=mixed_bfloat16 would train faster"
        )
    if done:
        lines.append(f"continuing at step {done:,}")
    return "\n".join(lines)
