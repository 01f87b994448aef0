"""A run directory in an object store, such as gs://."""

import json
import os
import platform
import tempfile

from keras_rtd.pretraining.run_directory import NAMES
from keras_rtd.pretraining.run_directory import RunDirectory
from keras_rtd.pretraining.run_directory import RunDirectoryError
from keras_rtd.utils.remote import RemoteFolder
from keras_rtd.utils.remote import is_remote


def open_run_directory(path):
    """`RunDirectory`, or `RemoteRunDirectory` for a path with `://`."""
    return RemoteRunDirectory(path) if is_remote(path) else RunDirectory(path)


class RemoteRunDirectory(RunDirectory):
    """Holds a run's files where they outlive the machine.

    Files are made in a scratch folder and copied when whole; what a
    continuation reads is copied back first. Checkpoints go to the store by
    themselves. The lock of a folder has no counterpart: two live runs on one
    URL are not noticed.

    Args:
        path: string, a URL.

    Raises:
        RunDirectoryError: the store cannot be reached.
        ImportError, ValueError: see `keras_rtd.utils.remote.file_system`.
    """

    def __init__(self, path):
        self._scratch = tempfile.TemporaryDirectory(prefix="keras_rtd-")
        self._unpublished = {}  # in order
        super().__init__(self._scratch.name)
        self.location = path.rstrip("/")
        self.checkpoints = f"{self.location}/checkpoints"
        try:
            self._folder = RemoteFolder(self.location)
            there = self._folder.names()
            for file in (
                self.config,
                self.metrics,
                self.samples,
                self._finished,
            ):
                if file.name in there:
                    self._folder.get(file.name, file)
        except OSError as e:
            raise RunDirectoryError(
                f"--run_dir {path} cannot be used: {e}"
            ) from e

    def acquire(self):
        """Note who writes here; what cannot be written shows at once."""
        super().acquire()
        writer = {"host": platform.node(), "process": os.getpid()}
        try:
            self._folder.write("writer.json", json.dumps(writer).encode())
        except OSError as e:
            raise RunDirectoryError(
                f"--run_dir {self.location} cannot be used: {e}"
            ) from e

    def check(self):
        names = self._folder.names()
        if self.config.name in names and not self._is_run(self.path):
            raise RunDirectoryError(
                f"--run_dir {self.location} holds a {self.config.name} that is "
                "no run's. Write to another folder."
            )
        found = sorted(set(names) & set(NAMES))
        if found and not {self.config.name, "writer.json"} & set(names):
            raise RunDirectoryError(
                f"--run_dir {self.location} is not a run directory, but holds "
                f"{found[0]}, which would be overwritten. Write to another "
                "folder."
            )

    def shown(self, path):
        return f"{self.location}/{path.relative_to(self.path).as_posix()}"

    def publish(self, path):
        """Copy a file or folder to the store; where that fails, warn, and try
        again with the next one."""
        self._unpublished[path] = None
        try:
            self._publish_all()
        except OSError as e:
            print(
                f"warning: {e}. The run goes on; what is missing in "
                f"{self.location} is copied with the next file"
            )

    def _publish_all(self):
        for path in list(self._unpublished):
            self._folder.put(path, path.relative_to(self.path).as_posix())
            del self._unpublished[path]

    def release(self):
        super().release()
        self._scratch.cleanup()

    def write_text(self, path, text):
        super().write_text(path, text)
        self.publish(path)

    def append_metrics(self, row):
        super().append_metrics(row)
        self.publish(self.metrics)

    def replace_folder(self, path, write):
        super().replace_folder(path, write)
        self.publish(path)

    def finish(self, summary):
        for path in (self.saved_model, self.report, self.tensorboard):
            if path.exists():
                self.publish(path)
        # Last: it says that all else is there.
        self._publish_all()
        super().finish(summary)
        self._publish_all()
