"""The package as users get it: the wheel, and without TensorFlow."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile

import pytest

ROOT = pathlib.Path(__file__).parent.parent

# The README's five lines, two steps long.
FIVE_LINES = """
import keras_rtd

pretrainer = keras_rtd.models.ElectraPretrainer.from_preset(
    "electra_small_uncased_en")
dataset = keras_rtd.data.pretraining_dataset(
    "corpus/*.txt", tokenizer=pretrainer.tokenizer, sequence_length=128,
    batch_size=2, seed=0)
pretrainer.fit(dataset, steps_per_epoch=2, epochs=1)
pretrainer.discriminator
pretrainer.save_to_preset("runs/mine")
keras_rtd.export.saved_model("runs/mine", "runs/mine/saved_model")
print(keras_rtd.__file__)
"""

# `None` is how Python says that a module cannot be imported.
WITHOUT_TENSORFLOW = """
import sys

sys.modules["tensorflow"] = None
sys.modules["tensorflow_text"] = None

import keras
import keras_rtd

assert keras.backend.backend() == {backend!r}
pretrainer = keras_rtd.models.ElectraPretrainer.from_preset(
    "electra_tiny_uncased_en", num_layers=1)
print(pretrainer.tokenizer("Made without it.").tolist())

# A corpus is prepared, read and trained on.
with open("text.txt", "w") as file:
    file.write("The cat sat on the mat. It looked at the moon.\\n\\n" * 200)
keras_rtd.data.prepare_corpus("text.txt", "prepared", pretrainer.tokenizer)
dataset = keras_rtd.data.pretraining_dataset(
    "prepared", tokenizer=pretrainer.tokenizer, sequence_length=16,
    batch_size=2, seed=0)
history = pretrainer.fit(dataset, steps_per_epoch=2, verbose=0).history
assert 0 < history["loss"][0] < 1e3
pretrainer.save_to_preset("mine")
keras_rtd.models.ElectraPretrainer.from_preset("mine")
assert "tensorflow" not in {{k for k, v in sys.modules.items() if v}}
print("trained")
"""


def run(python, code, cwd, **environment):
    """What a fresh interpreter prints, run in another folder."""
    environment = {**os.environ, **environment}
    environment.pop("PYTHONPATH", None)
    result = subprocess.run(
        [python, "-c", code],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stderr[-4000:]
    return result.stdout


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_without_tensorflow(backend, tmp_path):
    pytest.importorskip(backend)
    code = WITHOUT_TENSORFLOW.format(backend=backend)
    printed = run(sys.executable, code, tmp_path, KERAS_BACKEND=backend)
    *_, ids, trained = printed.splitlines()
    assert trained == "trained"
    ids = json.loads(ids)
    assert len(ids) >= 4 and all(isinstance(i, int) for i in ids)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Path of a wheel built from a copy, so that the clone stays clean."""
    work = tmp_path_factory.mktemp("wheel")
    source = work / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(
        ROOT / "keras_rtd",
        source / "keras_rtd",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation"]
        + ["--outdir", str(work), str(source)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (path,) = work.glob("*.whl")
    return path


@pytest.mark.slow
def test_wheel_holds_every_file(wheel):
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "keras_rtd").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        packed = {
            name for name in archive.namelist() if ".dist-info/" not in name
        }
    assert packed == expected


@pytest.mark.slow
def test_wheel_runs_outside_the_clone(wheel, tmp_path):
    home = tmp_path / "environment"
    venv.create(home, with_pip=True, symlinks=True)
    python = home / "bin" / "python"
    # Before the dependencies are lent, or pip would find the clone's own.
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
        + [str(wheel)],
        check=True,
    )
    paths = {"base": str(home), "platbase": str(home)}
    site_packages = pathlib.Path(sysconfig.get_path("purelib", vars=paths))
    # A path in a .pth file lends packages, but not what is installed there
    # by reference, such as the clone.
    lent = {sysconfig.get_path(kind) for kind in ("purelib", "platlib")}
    (site_packages / "lent.pth").write_text("\n".join(sorted(lent)) + "\n")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    sentence = "The cat sat on the mat, and then it looked at the moon. "
    (corpus / "a.txt").write_text((sentence * 20 + "\n\n") * 40)

    command = subprocess.run(
        [home / "bin" / "keras-rtd", "--help"], capture_output=True, text=True
    )
    assert "keras-rtd COMMAND" in command.stdout, command.stderr
    printed = run(python, FIVE_LINES, tmp_path)

    imported = pathlib.Path(printed.splitlines()[-1])
    assert imported.is_relative_to(home)
    assert (tmp_path / "runs/mine/saved_model/saved_model.pb").is_file()
