"""Checkpoints that survive a kill at any moment, and `fit` that resumes."""

import json
import os
import threading
from typing import Any

import keras
import numpy as np

from keras_rtd.training.checkpoint_files import SUFFIX
from keras_rtd.training.checkpoint_files import checkpoint_files
from keras_rtd.training.checkpoint_files import load_checkpoint
from keras_rtd.training.step_interface import sync_state
from keras_rtd.utils.setting import check_int
from keras_rtd.utils.types import Path


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be written, read or used."""


class Checkpoint(keras.callbacks.Callback):
    """Saves the whole training state, and lets `fit` continue from it.

    One file a checkpoint: weights, optimiser, schedule position, random
    state, metrics and data position. A kill at any moment leaves the last one
    whole; the copy to memory stops training, the writing does not. Weights
    that are not finite are never written.

    Among the callbacks of `ElectraPretrainer.fit`, it makes the same call
    continue where the last one was killed, to the same weights, bit for bit.
    The dataset must give the same batches each time, as
    `keras_rtd.data.pretraining_dataset` does.

    Args:
        directory: string. Made if absent; `gs://` and other `://` paths
            through fsspec.
        every: int. Steps between checkpoints. Defaults to 1,000.
        keep: int. How many to keep, the newest. Defaults to 3.
        best: string or `None`. Name of a metric whose best checkpoint is kept
            too, see `note_metrics`. Defaults to `"probe_auc"`.
        config: dict or `None`. What must not change between a run and its
            continuation; stored, and compared when resuming.
        writes: bool. `False` in all processes of a distributed run but one:
            they read what that one wrote, so the directory must be the same
            for all. Defaults to `True`.

    Raises:
        CheckpointError: resuming with another model, optimiser or `config`
            (says what differs), or a disk that is full or a store that
            refuses (older checkpoints stay).
        ImportError: a `://` path whose package is not installed.
    """

    def __init__(
        self,
        directory: Path,
        every: int = 1000,
        keep: int = 3,
        best: str | None = "probe_auc",
        config: dict[str, Any] | None = None,
        writes: bool = True,
    ) -> None:
        super().__init__()
        check_int("every", every, 1)
        check_int("keep", keep, 1)
        self.files = checkpoint_files(directory)
        self.directory = self.files.directory
        self.every = every
        self.keep = keep
        self.best = best
        self.config = config
        self.writes = writes
        # Also saved: what callbacks want to find again after a kill.
        self.extra: dict[str, Any] = {}
        self.step = 0
        self._restored = False
        self._best_value = None
        self._best_step = None
        self._pending_metrics: Any = None
        self._metrics: list[Any] = []
        self._thread: Any = None
        self._error: Any = None
        # Of the newest checkpoint, where a store did not take it.
        self._unstored: Any = None

    # === Reading ===

    def paths(self) -> list[Any]:
        """Checkpoint files, oldest first: `pathlib.Path`s, or URLs."""
        return [self.files.path(name) for name in self.files.names()]

    def restore(self, model: Any) -> int:
        """Load the newest whole checkpoint into `model`.

        A damaged file, which only a damaged disk makes, is renamed to
        `….damaged` with a warning, and the one before it is taken.

        Returns:
            int. The step it was taken at, 0 if there is none. Asked again,
            the step it has come to.
        """
        if self._restored:
            return self.step
        self._restored = True
        if self.writes:
            self.files.clean()
        for name in reversed(self.files.names()):
            path = self.files.path(name)
            found = self._read(name)
            if found is None:
                continue
            arrays, meta = found
            self._assign(model, arrays, meta, path)
            self.step = meta["step"]
            self.extra = meta["extra"]
            self._best_value = meta["best_value"]
            self._best_step = meta["best_step"]
            return self.step
        return 0

    def _read(self, name):
        """(arrays, meta) of a checkpoint, `None` where it is damaged."""
        path = self.files.path(name)
        try:
            with self.files.local(name) as file:
                try:
                    return load_checkpoint(file)
                except PermissionError as e:
                    raise CheckpointError(f"{path} cannot be read: {e}") from e
                except Exception as e:
                    # Flipped bits end in errors of zip, zlib, NumPy and json.
                    reason = " ".join(str(e).split()) or type(e).__name__
        except FileNotFoundError:
            return None  # set aside by another process of the run
        print(
            f"warning: checkpoint {path} is damaged ({reason}); trying the one "
            "before it"
        )
        if self.writes:
            self.files.set_aside(name)
        return None

    def _assign(self, model, arrays, meta, path):
        old, new = meta["config"] or {}, self.config or {}
        differences = [
            f"{key}: {old[key]!r} -> {new[key]!r}"
            for key in sorted(set(old) & set(new))
            if old[key] != new[key]
        ]
        if differences:
            raise CheckpointError(
                f"The run in {self.directory} was started with another "
                f"configuration: {'; '.join(differences)}. Use the old one, "
                "or another directory."
            )
        variables = state_variables(model)
        shapes = [list(v.shape) for v in variables]
        if shapes != meta["shapes"]:
            wrong = [
                f"{name} {old} -> {new}"
                for name, old, new in zip(meta["names"], meta["shapes"], shapes)
                if old != new
            ]
            raise CheckpointError(
                f"{path} is of another model or optimizer: "
                f"{len(meta['shapes'])} variables there, {len(shapes)} here; "
                f"first differences: {wrong[:5]}"
            )
        for index, variable in enumerate(variables):
            variable.assign(arrays[str(index)])
        self._metrics = [arrays[f"metric-{i}"] for i in range(meta["metrics"])]

    # === Writing ===

    def note_metrics(self, step: int, metrics: dict[str, float]) -> None:
        """Tell held-out metrics, so that the best checkpoint is known."""
        self._pending_metrics = (step, metrics)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.saved_step = self.step
        # Not at every step: on JAX a look at `model` syncs all its state.
        self._steps_a_call = self.model.steps_per_execution

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        # Only now, because `fit` has just reset all metrics.
        metrics, self._metrics = self._metrics, []
        for variable, value in zip(self.model.metrics_variables, metrics):
            variable.assign(value)

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        self.step += self._steps_a_call
        if self.step % self.every == 0:
            self.save()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.step != self.saved_step:
            self.save()
        self.wait()
        if self._unstored is not None:
            raise self._unstored

    def save(self) -> None:
        """Copy the state now, write it behind training's back."""
        self.wait()
        self.saved_step = self.step
        if not self.writes:
            return
        sync_state(self.model)
        variables = state_variables(self.model)
        arrays = [_copy(v) for v in variables]
        metrics = [_copy(v) for v in self.model.metrics_variables]
        self._note_best()
        meta = {
            "step": self.step,
            "config": self.config,
            "extra": self.extra,
            "names": [v.path for v in variables],
            "shapes": [list(a.shape) for a in arrays],
            "metrics": len(metrics),
            "best_value": self._best_value,
            "best_step": self._best_step,
        }
        self._thread = threading.Thread(
            target=self._write, args=(self.step, arrays, metrics, meta)
        )
        self._thread.start()

    def wait(self) -> None:
        """Wait for the writing to end; raise what it raised."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _note_best(self):
        if self._pending_metrics is None or self.best is None:
            return
        step, metrics = self._pending_metrics
        value = metrics.get(self.best)
        if step != self.step or value is None:
            return
        if self._best_value is None or value > self._best_value:
            self._best_value, self._best_step = value, step

    def _write(self, step, arrays, metrics, meta):
        file_name = f"step-{step:010d}{SUFFIX}"
        try:
            for name, array in zip(meta["names"], arrays):
                if not np.all(np.isfinite(array)):
                    raise FloatingPointError(
                        f"The variable {name} is not finite at step {step}: "
                        f"no checkpoint written, the last one is of step "
                        f"{self._newest_step()}. Lower the learning rate, or "
                        "use bfloat16 instead of float16."
                    )
            payload = {str(i): a for i, a in enumerate(arrays)}
            payload |= {f"metric-{i}": a for i, a in enumerate(metrics)}
            payload["meta"] = np.frombuffer(
                json.dumps(meta).encode(), dtype=np.uint8
            )
            self.files.write(file_name, lambda file: np.savez(file, **payload))
            self._prune()
            self._unstored = None
        except OSError as e:
            reason = os.strerror(e.errno) if e.errno else e
            text = f"Could not write {self.files.path(file_name)}: {reason}."
            error = CheckpointError(
                f"{text} The checkpoints already there are whole; make room "
                "and run the same command."
            )
            if self.files.may_fail:
                self._unstored = error
                print(f"warning: {text} Training goes on")
            else:
                self._error = error
        except Exception as e:
            self._error = e

    def _newest_step(self):
        names = self.files.names()
        return _step_of(names[-1]) if names else "none"

    def _prune(self):
        names = self.files.names()
        kept = {_step_of(name) for name in names[-self.keep :]}
        kept.add(self._best_step)
        for name in names:
            if _step_of(name) not in kept:
                self.files.remove(name)


def state_variables(model):
    """Weights, random state and optimiser variables, each once, in order."""
    variables, seen = [], set()
    for variable in [*model.variables, *model.optimizer.variables]:
        if id(variable) not in seen:
            seen.add(id(variable))
            variables.append(variable)
    return variables


def _copy(variable):
    return np.array(keras.ops.convert_to_numpy(variable))


def _step_of(name):
    return int(name[len("step-") :].split(".")[0])
