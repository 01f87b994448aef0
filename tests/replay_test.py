"""What the reference computed, computed again."""

import json
import pathlib

import numpy as np
import pytest
import replay_reference
import replay_traces

TRACE = pathlib.Path(__file__).parent / "data_files" / "trace.npz"
ELECTRIC = TRACE.with_name("electric_trace.npz")
DEBERTA = TRACE.with_name("deberta_trace.npz")


@pytest.mark.parametrize("name", ["golden_small.npz", "deberta_small.npz"])
def test_the_reference_is_replayed(name):
    path = replay_reference.find(name)
    if not path.is_file():
        pytest.skip(f"no {path}")
    rows = replay_reference.replay(path)
    assert replay_reference.failures(rows) == [], rows
    assert rows["generator logits"][0] < 1e-5
    assert rows["labels"][0] == 0


# Made by tests/make_trace.py, tests/make_electric_trace.py and
# tests/make_deberta_trace.py, which share no code with the package.
@pytest.mark.parametrize(
    "path", [TRACE, ELECTRIC, DEBERTA], ids=lambda p: p.stem
)
def test_our_own_traces_are_replayed(path):
    rows = replay_reference.replay(path)
    assert replay_reference.failures(rows) == [], rows
    if path != DEBERTA:
        assert rows["learning rate"][0] < 1e-6
    assert rows["generator logits"][0] < 1e-5
    assert rows["labels"][0] == 0


@pytest.mark.run_once
def test_joint_training_is_not_deberta(monkeypatch):
    arguments = replay_traces.DebertaTrace.optimizer_arguments

    def joint(*args):
        return {**arguments(*args), "decoupled_training": False}

    monkeypatch.setattr(
        replay_traces.DebertaTrace, "optimizer_arguments", joint
    )
    failed = replay_reference.failures(replay_reference.replay(DEBERTA))
    assert "discriminator loss" in failed
    assert "final weights" in failed


def changed(tmp_path, **arrays):
    with np.load(TRACE) as archive:
        trace = {name: archive[name] for name in archive.files}
    path = tmp_path / "changed.npz"
    np.savez(path, **{**trace, **arrays})
    return path


@pytest.mark.run_once
def test_a_wrong_loss_fails(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KERAS_BACKEND", backend())
    path = changed(tmp_path, **{"step3/total_loss": np.float32(20.0)})
    assert replay_reference.main([str(path)]) == 1
    assert "FAILED: total loss" in capsys.readouterr().out


def test_a_trace_of_another_model_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KERAS_BACKEND", backend())
    with np.load(TRACE) as archive:
        config = json.loads(str(archive["config_json"]))
    config["uniform_generator"] = True
    path = changed(tmp_path, config_json=np.array(json.dumps(config)))
    assert replay_reference.main([str(path)]) == 2
    assert "uniform_generator" in capsys.readouterr().err


def backend():
    import keras

    return keras.config.backend()
