"""What the reference computed, computed again."""

import json
import pathlib

import numpy as np
import pytest
import replay_reference

TRACE = pathlib.Path(__file__).parent / "data_files" / "trace.npz"
ELECTRIC = TRACE.with_name("electric_trace.npz")
GOLDEN = pathlib.Path(__file__).parents[2] / "shared/reference/golden_small.npz"


def test_the_reference_is_replayed():
    if not GOLDEN.is_file():
        pytest.skip(f"no {GOLDEN}")
    rows = replay_reference.replay(GOLDEN)
    assert replay_reference.failures(rows) == [], rows
    assert rows["generator logits"][0] < 1e-5
    assert rows["labels"][0] == 0


# Made by tests/make_trace.py and tests/make_electric_trace.py, which share no
# code with the package.
@pytest.mark.parametrize("path", [TRACE, ELECTRIC], ids=["electra", "electric"])
def test_our_own_traces_are_replayed(path):
    rows = replay_reference.replay(path)
    assert replay_reference.failures(rows) == [], rows
    assert rows["learning rate"][0] < 1e-6
    assert rows["generator logits"][0] < 1e-5
    assert rows["labels"][0] == 0


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
