"""Exporting by TensorFlow, whatever the backend."""

import os
import subprocess
import sys

from keras_rtd.utils.writing import FULL


def run_in_tensorflow(module, preset, *arguments):
    """Run a module of this package in a Python process with TensorFlow.

    Args:
        module: string. Its name, as for `python -m`.
        preset: string. Its first argument.
        *arguments: strings. The others.

    Raises:
        OSError: the disk is full.
        RuntimeError: it failed otherwise.
    """
    command = [sys.executable, "-m", module, str(preset), *arguments]
    result = subprocess.run(
        command,
        env={**os.environ, "KERAS_BACKEND": "tensorflow"},
        capture_output=True,
        text=True,
    )
    lines = result.stderr.splitlines()
    if result.returncode == 2 and lines and lines[-1].startswith("error: "):
        line = lines[-1].removeprefix("error: ")
        raise (OSError if FULL in line else RuntimeError)(
            f"Exporting {preset} failed: {line}"
        )
    if result.returncode:
        raise RuntimeError(
            f"Exporting {preset} failed:\n{result.stderr[-2000:]}"
        )
