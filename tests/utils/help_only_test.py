"""`--help` of every command, without Keras and its backends."""

import os
import pathlib
import subprocess
import sys

import pytest
from recipe import run_here

ROOT = pathlib.Path(__file__).parents[2]
RECIPES = sorted(path.name for path in (ROOT / "recipes").glob("*.py"))
MODULES = (
    "data.prepare",
    "data.vocabulary",
    "export.onnx_model",
    "export.tensorflow_saved_model",
    "interop",
    "pretraining.draw_replacements",
    "serve",
)


def help_of(program, folder, *arguments):
    """What a command prints where Keras cannot be imported."""
    for name in ("keras", "keras_hub", "tensorflow", "torch", "jax"):
        (folder / f"{name}.py").write_text("raise ImportError(__name__)")
    done = subprocess.run(
        [sys.executable, *program, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.run_once
@pytest.mark.parametrize(
    "program",
    [
        *([f"recipes/{name}"] for name in RECIPES),
        *(["-m", f"keras_rtd.{name}"] for name in MODULES),
    ],
    ids=lambda program: program[-1],
)
def test_help_needs_no_keras(program, tmp_path):
    assert "--" in help_of(program, tmp_path, "--help")


@pytest.mark.run_once
@pytest.mark.parametrize("name", ["pretrain_tiny", "finetune_glue"])
def test_help_is_the_same_with_keras(name, tmp_path):
    program = str(ROOT / "recipes" / f"{name}.py")
    shown = help_of([program], tmp_path, "--help=all")
    assert shown == run_here([sys.executable, program, "--help=all"]).stdout


def test_other_programs_get_keras(tmp_path):
    program = tmp_path / "program.py"
    program.write_text("import keras_rtd, keras; print(keras.Model.__mro__)")
    done = subprocess.run(
        [sys.executable, program, "--help"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert "keras.src" in done.stdout, done.stderr
