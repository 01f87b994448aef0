"""The folder of one run: its lock, settings, metrics and finished mark."""

import fcntl
import json
import os
import pathlib
import re

from keras_rtd.utils import json_file
from keras_rtd.utils.reading import read_utf8
from keras_rtd.utils.remote import is_remote
from keras_rtd.utils.setting import ConfigError
from keras_rtd.utils.settings import ENVIRONMENT
from keras_rtd.utils.targets import PRESET
from keras_rtd.utils.targets import check_folder
from keras_rtd.utils.targets import has_keys
from keras_rtd.utils.writing import new_path
from keras_rtd.utils.writing import remove_leftovers
from keras_rtd.utils.writing import write_text

# What a pre-training or a fine-tuning writes into its directory.
NAMES = (
    "best",
    "best.json",
    "checkpoints",
    "config.json",
    "finished.json",
    "metrics.jsonl",
    "preset",
    "profile",
    "report.html",
    "results.json",
    "results.md",
    "run.lock",
    "samples.json",
    "saved_model",
    "seed-*",
    "tensorboard",
)


class RunDirectoryError(RuntimeError):
    """A run directory that cannot be used now."""


def local_folder(path):
    """`path`, where only a folder of this machine will do.

    Raises:
        RunDirectoryError: a URL, or nothing.
    """
    if is_remote(path):
        raise RunDirectoryError(
            f"--run_dir {path} must be a folder of this machine here; "
            "pre-training recipes write to object stores"
        )
    if not os.fspath(path):
        raise RunDirectoryError(
            "--run_dir is empty. Use --run_dir=. for the current folder."
        )
    return path


class RunDirectory:
    """Holds a run's files; one process at a time.

    Args:
        path: string. Made if absent.

    Raises:
        RunDirectoryError: another process is using it, it cannot be made,
            it holds files of others under the names of a run's, or it is a
            URL where only folders are written to.
    """

    def __init__(self, path):
        self.path = pathlib.Path(local_folder(path))
        self.location = str(path)
        self.checkpoints: pathlib.Path | str = self.path / "checkpoints"
        self.tensorboard = self.path / "tensorboard"
        self.preset = self.path / "preset"
        self.saved_model = self.path / "saved_model"
        self.metrics = self.path / "metrics.jsonl"
        self.samples = self.path / "samples.json"
        self.report = self.path / "report.html"
        self.config = self.path / "config.json"
        self._finished = self.path / "finished.json"
        self._lock = None

    @property
    def finished(self):
        """Whether a run ended here, everything written."""
        return self._finished.exists()

    def shown(self, path):
        """Where people find a file of the run."""
        return str(path)

    def publish(self, path):
        """Bring a file or folder to where it stays; here it is there."""

    def check(self):
        """Refuse a directory where a run would overwrite others' files."""
        try:
            check_folder(self.path, NAMES, self._is_run, "a run directory")
        except ValueError as e:
            raise RunDirectoryError(f"--run_dir {e}") from e

    def _is_run(self, folder):
        if (folder / self.config.name).exists():
            path = folder / self.config.name
            return has_keys(path, ENVIRONMENT) or has_keys(path, "backend")
        # A run that was killed before it had anything else.
        lock = folder / "run.lock"
        return lock.is_file() and re.fullmatch(rb"\d*", lock.read_bytes())

    def acquire(self):
        """Take the lock; the system frees a dead process's."""
        self.check()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = open(self.path / "run.lock", "a+")
        except OSError as e:
            raise RunDirectoryError(
                f"--run_dir {self.path} cannot be used: {e.strerror}"
            ) from e
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            self._lock.seek(0)
            owner = self._lock.read().strip() or "unknown"
            self._lock.close()
            raise RunDirectoryError(
                f"--run_dir {self.path} is in use by process {owner}. Wait "
                "for it, stop it, or choose another directory."
            ) from e
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()

    def release(self):
        """Give the lock back."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def clean(self):
        """Remove what a killed process left half-written."""
        remove_leftovers(self.path)

    def write_settings(self, settings, environment):
        """Write `config.json`.

        Args:
            settings: dict of group to dict of settings.
            environment: dict of what else the numbers depend on, for people.
        """
        self.write_json(self.config, {**settings, ENVIRONMENT: environment})

    def read_settings(self):
        """The settings of the run that was started here.

        Returns:
            flat dict, with the environment's; `None` where none was started,
            or where an earlier keras_rtd finished it.

        Raises:
            ConfigError: an earlier keras_rtd started it.
        """
        config = self.read_json(self.config)
        if config is None:
            return None
        if ENVIRONMENT in config:
            return {k: v for part in config.values() for k, v in part.items()}
        if self.finished:
            return None
        raise ConfigError(
            f"--run_dir {self.location} holds a run that an earlier version "
            "of keras_rtd started: finish it with that version, or start "
            f"again with --config={self.location}/config.json and another "
            "--run_dir"
        )

    def check_same(self, binding, before):
        """Refuse a run with other settings than the one that is here.

        Args:
            binding: flat dict of what must not change.
            before: what `read_settings` returned, with the defaults of what
                it lacks, or `None`.

        Raises:
            ConfigError: names what differs.
        """
        differences = [
            f"{name}: {before.get(name)!r} there, {value!r} now"
            for name, value in binding.items()
            if before is not None and before.get(name) != value
        ]
        if differences:
            raise ConfigError(
                f"--run_dir {self.location} holds runs with other settings "
                f"({'; '.join(differences)}). Use those, or another --run_dir."
            )

    def read_finished(self):
        """What `finish` was told, or `None`."""
        return self.read_json(self._finished)

    @staticmethod
    def read_json(path):
        """What a JSON file holds, `None` where there is none."""
        if not path.exists():
            return None
        return json_file.read_object(path)

    def write_json(self, path, value):
        """Write a JSON file whole or not at all."""
        text = json.dumps(value, indent=2, ensure_ascii=False)
        self.write_text(path, text + "\n")

    def write_text(self, path, text):
        """Write a text file whole or not at all."""
        write_text(path, text)

    def append_metrics(self, row):
        """Add one evaluation to metrics.jsonl."""
        with open(self.metrics, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def rewind(self, step):
        """Forget what was written after `step`: it will happen again."""
        if self.metrics.exists():
            kept = []
            lines = read_utf8(self.metrics).splitlines()
            for number, line in enumerate(lines, 1):
                try:
                    row = json.loads(line)
                except json.JSONDecodeError:
                    continue  # the line a kill cut short
                where = f"{self.metrics}, line {number}"
                if json_file.Node(row, where)["step"].of(int) <= step:
                    kept.append(line + "\n")
            self.write_text(self.metrics, "".join(kept))
        samples = [s for s in self.read_samples() if s["step"] <= step]
        if self.samples.exists():
            self.write_json(self.samples, samples)

    def read_samples(self):
        """The samples recorded so far, oldest first."""
        if not self.samples.exists():
            return []
        samples = json_file.Node(json_file.read(self.samples), self.samples)
        for sample in samples.items():
            sample["step"].of(int)
        return samples.value

    def replace_folder(self, path, write):
        """Make the preset `path` by `write(temporary)`, whole or not."""
        with new_path(path, PRESET) as temporary:
            write(temporary)

    def finish(self, summary):
        """Mark the run as done."""
        self.write_json(self._finished, summary)
