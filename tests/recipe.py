"""A recipe's command line in this process, without a new one's imports."""

import contextlib
import io
import runpy
import sys
import types

import pytest


def run_here(command):
    """`[python, recipe, *arguments]`, for what ends before it trains.

    Returns:
        `returncode`, `stdout` and `stderr`, as `subprocess.run` has them.
    """
    out, errors = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
        pytest.raises(SystemExit) as end,
    ):
        patch.setattr(sys, "argv", command[1:])
        runpy.run_path(command[1], run_name="__main__")
    return types.SimpleNamespace(
        returncode=end.value.code,
        stdout=out.getvalue(),
        stderr=errors.getvalue(),
    )
