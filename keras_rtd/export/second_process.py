"""Exporting by TensorFlow, whatever the backend."""

import os
import subprocess
import sys


def run_in_tensorflow(module, preset, *arguments):
    """Run a module of this package in a Python process with TensorFlow.

    Args:
        module: string. Its name, as for `python -m`.
        preset: string. Its first argument.
        *arguments: strings. The others.

    Raises:
        RuntimeError: it failed.
    """
    command = [sys.executable, "-m", module, str(preset), *arguments]
    result = subprocess.run(
        command,
        env={**os.environ, "KERAS_BACKEND": "tensorflow"},
        capture_output=True,
        text=True,
    )
    if result.returncode:
        raise RuntimeError(
            f"Exporting {preset} failed:\n{result.stderr[-2000:]}"
        )
