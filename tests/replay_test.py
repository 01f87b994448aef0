"""What the reference computed, computed again."""

import json
import pathlib

import numpy as np
import pytest
import replay_reference

TRACE = pathlib.Path(__file__).parent / "data_files" / "trace.npz"
GOLDEN = pathlib.Path(__file__).parents[2] / "shared/reference/golden_small.npz"


def test_the_reference_is_replayed():
    if not GOLDEN.is_file():
        pytest.skip(f"no {GOLDEN}")
    rows = replay_reference.replay(GOLDEN)
    assert replay_reference.failures(rows) == [], rows
    assert rows["generator logits"][0] < 1e-5
    assert rows["labels"][0] == 0


def test_our_own_trace_is_replayed():
    # Made by tests/make_trace.py, which shares no code with the package.
    rows = replay_reference.replay(TRACE)
    assert replay_reference.failures(rows) == [], rows
    assert rows["learning rate"][0] < 1e-6


def changed(tmp_path, **arrays):
    with np.load(TRACE) as archive:
        trace = {name: archive[name] for name in archive.files}
    path = tmp_path / "changed.npz"
    np.savez(path, **{**trace, **arrays})
    return path


def test_a_wrong_loss_fails(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KERAS_BACKEND", backend())
    path = changed(tmp_path, **{"step3/total_loss": np.float32(20.0)})
    assert replay_reference.main([str(path)]) == 1
    assert "FAILED: total loss" in capsys.readouterr().out


def test_a_trace_of_electric_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KERAS_BACKEND", backend())
    with np.load(TRACE) as archive:
        config = json.loads(str(archive["config_json"]))
    config["electric_objective"] = True
    path = changed(tmp_path, config_json=np.array(json.dumps(config)))
    assert replay_reference.main([str(path)]) == 2
    assert "trace of Electric" in capsys.readouterr().err


def backend():
    import keras

    return keras.config.backend()
