"""Checkpoints in an object store, which knows no renaming."""

import pathlib
import signal
import subprocess
import sys

import fsspec
import numpy as np
import pytest
import remote_checkpoint_case as case
from keras import ops

from keras_rtd.training import Checkpoint
from keras_rtd.training import CheckpointError
from keras_rtd.training.checkpoint import state_variables
from keras_rtd.utils import remote

CASE = pathlib.Path(case.__file__)


def state(model):
    return [np.array(ops.convert_to_numpy(v)) for v in state_variables(model)]


@pytest.fixture
def memory():
    files = fsspec.filesystem("memory")
    yield files
    files.rm("/run", recursive=True)


def names(files):
    return [entry.rsplit("/", 1)[-1] for entry in files.ls("/run", False)]


def test_a_fit_killed_in_mid_save_goes_on_bit_for_bit(tmp_path, memory):
    straight = case.model()
    case.fit(straight, "memory://run")
    # A process that dies when half of the bytes of step 6 are there.
    killed = subprocess.run(
        [sys.executable, str(CASE), f"half://{tmp_path}", "6"],
        capture_output=True,
        text=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    left = sorted(path.name for path in tmp_path.iterdir())
    whole = [f"step-000000000{n}.checkpoint.npz" for n in (2, 4)]
    assert whole[0] + ".whole" in left and whole[1] + ".whole" in left
    assert "step-0000000006.checkpoint.npz" in left
    resumed = case.model(seed=9)
    checkpoint = Checkpoint(f"file://{tmp_path}", every=2)
    assert checkpoint.paths() == [f"file://{tmp_path}/{n}" for n in whole]
    assert checkpoint.restore(resumed) == 4
    # The half is gone; what is not a checkpoint would have stayed.
    assert sorted(path.name for path in tmp_path.iterdir()) == left[:-1]
    case.fit(resumed, f"file://{tmp_path}")
    for a, b in zip(state(straight), state(resumed)):
        np.testing.assert_array_equal(a, b)


def test_old_ones_go_with_their_marks_and_nothing_else(memory):
    memory.pipe_file("/run/notes.txt", b"mine")
    memory.pipe_file("/run/step-0000000001.checkpoint.npz", b"half")
    case.fit(case.model(), "memory://run", keep=1)
    newest = "step-0000000010.checkpoint.npz"
    assert sorted(names(memory)) == ["notes.txt", newest, newest + ".whole"]


def test_a_store_that_fails_for_a_while_gets_it_later(memory, monkeypatch):
    put, failures = type(memory).put_file, iter([OSError("503"), OSError()])

    def sometimes(*arguments, **options):
        for error in failures:
            raise error
        return put(*arguments, **options)

    monkeypatch.setattr(remote, "WAITS", (0.0, 0.0))
    monkeypatch.setattr(type(memory), "put_file", sometimes)
    case.fit(case.model(), "memory://run", keep=1)
    assert "step-0000000010.checkpoint.npz.whole" in names(memory)


def test_a_store_that_refuses_is_told(memory, monkeypatch, capsys):
    class Refused(Exception):
        """Neither an `OSError` nor known to us, as gcsfs's errors are."""

    def refuse(*_, **__):
        raise Refused("403: no write access")

    model = case.model()
    case.fit(model, "memory://run")
    before = names(memory)
    monkeypatch.setattr(remote, "WAITS", (0.0,))
    monkeypatch.setattr(type(memory), "put_file", refuse)
    checkpoint = Checkpoint("memory://run")
    checkpoint.set_model(model)
    checkpoint.step = 99
    # Training goes on, and its end says that the newest is not there.
    checkpoint.save()
    checkpoint.wait()
    assert (
        "warning: Could not write memory://run/step" in capsys.readouterr().out
    )
    with pytest.raises(CheckpointError, match="memory://run/step.*403.*whole"):
        checkpoint.on_train_end()
    assert names(memory) == before


def test_what_cannot_be_opened_is_refused_at_once():
    with pytest.raises(ValueError, match="nosuch://x cannot be opened"):
        Checkpoint("nosuch://x")


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    # As if nothing had opened gs:// before.
    known = sys.modules["fsspec.registry"]._registry
    monkeypatch.delitem(known, "gs", raising=False)
    with pytest.raises(ImportError, match=r"pip install 'keras_rtd\[gcs\]'"):
        Checkpoint("gs://bucket/run")
