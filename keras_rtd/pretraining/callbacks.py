"""What a run shows and records while it trains."""

import time
from typing import Any

import keras
import numpy as np

from keras_rtd.keras_internals import rate_or_schedule
from keras_rtd.pretraining.health import Health
from keras_rtd.pretraining.probe import probe_batches
from keras_rtd.pretraining.report import read_metrics
from keras_rtd.pretraining.samples import make_samples
from keras_rtd.pretraining.samples import samples_markdown
from keras_rtd.pretraining.tensorboard import TensorBoardWriter
from keras_rtd.training.step_interface import sync_state

SAMPLES_KEPT = 24

# What is printed of an objective's metrics, where it has them: (name, label,
# format).
IN_A_LINE = (
    ("generator_loss", "generator", ".3f"),
    ("masked_lm_loss", "masked LM", ".3f"),
    ("discriminator_loss", "discriminator", ".4f"),
    ("discriminator_auc", "auc", ".3f"),
    ("replaced_rate", "replaced", ".1%"),
)
HELD_OUT = (
    ("val_generator_loss", "generator loss", ".3f"),
    ("val_generator_accuracy", "its accuracy", ".1%"),
    ("val_masked_lm_loss", "masked LM loss", ".3f"),
    ("val_masked_lm_accuracy", "its accuracy", ".1%"),
    ("val_discriminator_auc", "discriminator auc", ".3f"),
    ("probe_auc", "probe auc", ".3f"),
    ("probe_average_precision", "average precision", ".3f"),
)


class ProgressLine(keras.callbacks.Callback):
    """Prints losses, AUC, rate, speed and time left, every few seconds.

    Reading a number waits for the device, so it is done seldom.

    Args:
        first_step: int. Where training starts or goes on.
        train_steps: int.
        tokens_per_step: int.
        flops_per_token: float, see `keras_rtd.utils.flops`.
        matmul_rate: float. FLOP/s of one device's matrix product.
        replicas: int. Devices that share the work. Defaults to 1.
        every: float. Seconds between lines. Defaults to 10.
    """

    def __init__(
        self,
        first_step,
        train_steps,
        tokens_per_step,
        flops_per_token,
        matmul_rate,
        replicas=1,
        every=10.0,
    ):
        super().__init__()
        self.step = first_step
        self.train_steps = train_steps
        self.tokens_per_step = tokens_per_step
        self.flops_per_token = flops_per_token
        self.matmul_rate = matmul_rate
        self.replicas = replicas
        self.every = every
        self.tokens_per_second = None
        # (step, time) of the newest line.
        self._last = (first_step, 0.0)
        self._started = False

    def on_train_begin(self, logs=None):
        # Not at every step: on JAX a look at `model` syncs all its state.
        self._steps_a_call = self.model.steps_per_execution

    def on_train_batch_begin(self, batch, logs=None):
        if not self._started:
            self._started = True
            self._last = (self.step, time.perf_counter())

    def on_train_batch_end(self, batch, logs=None):
        steps = self._steps_a_call
        self.step += steps
        step, since = self._last
        if step == self.step - steps and batch == steps - 1:
            # Wait for it: compiling is not training speed.
            float(logs["loss"])
            self._last = (self.step, time.perf_counter())
            print(
                f"first step after {self._last[1] - since:.1f} s of compiling",
                flush=True,
            )
            return
        if time.perf_counter() - since >= self.every:
            self.show(logs)

    def pause(self):
        """Leave out the time since the last line: it was not training."""
        self._last = (self.step, time.perf_counter())

    def show(self, logs):
        """Print a line of what was learned since the last evaluation."""
        values = {name: float(value) for name, value in logs.items()}
        step, since = self._last
        now = time.perf_counter()
        steps = self.step - step
        if steps:
            rate = steps * self.tokens_per_step / (now - since)
            self.tokens_per_second = rate
        self._last = (self.step, now)
        rate = self.tokens_per_second or 0.0
        left = self.train_steps - self.step
        seconds = left * self.tokens_per_step / rate if rate else 0.0
        each = rate / self.replicas
        share = each * self.flops_per_token / self.matmul_rate
        shared = f" ({each:,.0f} a device)" if self.replicas > 1 else ""
        print(
            f"step {self.step:,}/{self.train_steps:,}  "
            f"loss {values['loss']:.3f}{_described(values, IN_A_LINE)}  "
            f"lr {learning_rate(self.model):.2e}  "
            f"{rate:,.0f} tokens/s{shared}  {share:.0%} of matmul peak  "
            f"{duration(seconds)} left",
            flush=True,
        )


class Evaluation(keras.callbacks.Callback):
    """Measures on held-out text, and records what it sees.

    Args:
        strategy: `keras_rtd.training.Strategy`. All its processes evaluate,
            one of them writes.
        directory: `RunDirectory`.
        checkpoint: `Checkpoint`, told what is best, and the time trained.
        unigram: float (vocabulary_size,), what the probe samples from.
        train_steps: int. Of the whole run.
        every: int. Steps between evaluations.
        batches: int. How many held-out batches are read.
    """

    def __init__(
        self,
        strategy,
        directory,
        checkpoint,
        unigram,
        *,
        train_steps,
        every,
        batches,
    ):
        super().__init__()
        self.strategy = strategy
        self.directory = directory
        self.checkpoint = checkpoint
        self.unigram = unigram
        self.train_steps = train_steps
        self.every = every
        self.batches = batches
        self.writer: Any = None

    def __enter__(self):
        """Go on from the restored checkpoint: forget what came after it."""
        if self.strategy.is_chief:
            step = self.checkpoint.step
            self.directory.rewind(step)
            self.writer = TensorBoardWriter(self.directory.tensorboard, step)
        self.samples = self.directory.read_samples()
        # Seconds of training, those before a kill included.
        self._before = self.checkpoint.extra.get("seconds", 0.0)
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_):
        if self.writer is not None:
            self.writer.close()

    def begin(self, pretrainer, phase, held_out, progress):
        """What is trained next.

        Args:
            pretrainer: `ElectraPretrainer`.
            phase: `Phase`, whose end is evaluated too.
            held_out: list of batches.
            progress: `ProgressLine`.
        """
        objective = pretrainer.objective
        self.phase = phase
        self.held_out = held_out
        self.progress = progress
        self.health = Health(objective, self.unigram, self.train_steps)
        self.probe = None
        if objective.has_detector():
            special_ids = pretrainer.tokenizer.special_token_ids
            self.probe = probe_batches(held_out, self.unigram, special_ids)

    @property
    def seconds(self):
        return self._before + time.perf_counter() - self._start

    def on_train_batch_end(self, batch, logs=None):
        step = self.progress.step
        if step % self.every == 0 or step == self.phase.last_step:
            self.evaluate(step, logs)
        self.checkpoint.extra["seconds"] = self.seconds

    def evaluate(self, step, logs):
        """One evaluation; a row of metrics.jsonl."""
        model = self.model
        self.progress.show(logs)
        rate = learning_rate(model)
        row = {
            "step": step,
            "tokens": self.phase.tokens(step),
            "seconds": round(self.seconds, 1),
            "tokens_per_second": round(self.progress.tokens_per_second or 0.0),
            "learning_rate": rate,
        }
        row.update({name: float(value) for name, value in logs.items()})
        sync_state(model)
        if model.dtype_policy.compute_dtype == "float16":
            row["skipped_steps"] = model.skipped_steps()
        with model.averaged_weights():
            held_out = evaluate_batches(model, self.held_out, self.strategy)
            probe, samples = {}, []
            if self.probe is not None:
                probe = evaluate_batches(model, self.probe, self.strategy)
                samples = make_samples(model, self.held_out[0], step)
        for name in ("auc", "average_precision"):
            if probe:
                row[f"probe_{name}"] = probe[f"discriminator_{name}"]
        row.update({f"val_{k}": v for k, v in held_out.items()})
        self.samples = (self.samples + samples)[-SAMPLES_KEPT:]
        if self.strategy.is_chief:
            self._write(step, row, samples)
        self.checkpoint.note_metrics(step, row)
        model.reset_metrics()
        print(
            f"held out at step {step:,}{_described(row, HELD_OUT)}"
            + (
                f"; {row['skipped_steps']:,} steps skipped for overflow"
                if row.get("skipped_steps")
                else ""
            ),
            flush=True,
        )
        for line in self.health.warnings(read_metrics(self.directory.metrics)):
            print(f"warning: {line}", flush=True)
        self.progress.pause()

    def _write(self, step, row, samples):
        directory = self.directory
        directory.write_json(directory.samples, self.samples)
        directory.append_metrics(row)
        numbers = {k: v for k, v in row.items() if k not in ("step", "seconds")}
        self.writer.scalars(step, numbers)
        if samples:
            self.writer.text(step, "samples", samples_markdown(samples))
        self.writer.flush()
        directory.publish(directory.tensorboard)


def _described(values, metrics):
    return "".join(
        f", {label} {values[name]:{form}}"
        for name, label, form in metrics
        if name in values
    )


def evaluate_batches(model, batches, strategy):
    """`model.evaluate` over a list of batches, as floats."""
    model.reset_metrics()
    values = model.evaluate(
        strategy.batches(batches),
        verbose=0,
        return_dict=True,
        steps=len(batches),
    )
    return {name: float(value) for name, value in values.items()}


def learning_rate(model):
    """The rate of the newest step."""
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    step = int(np.asarray(keras.ops.convert_to_numpy(optimizer.iterations)))
    schedule = rate_or_schedule(optimizer)
    if callable(schedule):
        schedule = schedule(max(0, step - 1))
    return float(keras.ops.convert_to_numpy(schedule))


def duration(seconds):
    """Seconds as h:mm:ss or m:ss."""
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{seconds:02d}"
    return f"{minutes}:{seconds:02d}"
