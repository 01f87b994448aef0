import json
import re

import keras
import numpy as np
import pytest
import tiny
from keras import ops

from keras_rtd.training import Checkpoint
from keras_rtd.training import CheckpointError
from keras_rtd.training import checkpoint as checkpoint_module


def model():
    keras.utils.set_random_seed(5)
    return tiny.pretrainer(dropout=0.1)


def state(trained):
    return [
        np.array(ops.convert_to_numpy(v))
        for v in checkpoint_module.state_variables(trained)
    ]


class Stop(keras.callbacks.Callback):
    """Dies in the middle of the training step `at`."""

    def __init__(self, at):
        super().__init__()
        self.at, self.seen = at, 0

    def on_train_batch_end(self, batch, logs=None):
        self.seen += 1
        if self.seen == self.at:
            raise KeyboardInterrupt


def fit(trained, directory, stop=None, every=2):
    callbacks = [Checkpoint(directory, every=every)]
    if stop:
        callbacks.append(Stop(stop))
    return trained.fit(
        tiny.Batches(),
        steps_per_epoch=5,
        epochs=2,
        callbacks=callbacks,
        verbose=0,
    )


@pytest.mark.parametrize("stop", [3, 7])
def test_a_stopped_fit_goes_on_bit_for_bit(tmp_path, stop):
    straight = model()
    history = fit(straight, tmp_path / "straight").history
    stopped = model()
    with pytest.raises(KeyboardInterrupt):
        fit(stopped, tmp_path / "stopped", stop=stop)
    resumed = tiny.pretrainer(dropout=0.1)  # other weights, other seeds
    again = fit(resumed, tmp_path / "stopped")
    for a, b in zip(state(straight), state(resumed)):
        np.testing.assert_array_equal(a, b)
    # The metrics of the epoch cut in two are those of the whole epoch.
    assert history["loss"][-1] == again.history["loss"][-1]
    assert int(resumed.optimizer.iterations) == 10


def test_a_finished_fit_does_nothing_more(tmp_path):
    trained = model()
    fit(trained, tmp_path)
    other = tiny.pretrainer(dropout=0.1)
    fit(other, tmp_path)
    for a, b in zip(state(trained), state(other)):
        np.testing.assert_array_equal(a, b)


def test_keeps_the_newest_and_the_best(tmp_path):
    trained = model()
    checkpoint = Checkpoint(tmp_path, every=1, keep=2, best="probe_auc")

    class Note(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            step = batch + 1
            checkpoint.note_metrics(step, {"probe_auc": 1 / step})

    trained.fit(
        tiny.Batches(),
        steps_per_epoch=6,
        callbacks=[Note(), checkpoint],
        verbose=0,
    )
    steps = [int(re.findall(r"\d+", p.name)[0]) for p in checkpoint.paths()]
    assert steps == [1, 5, 6]


def test_a_damaged_checkpoint_is_passed_over(tmp_path, capsys):
    fit(model(), tmp_path)
    paths = sorted(tmp_path.glob("*.npz"))
    paths[-1].write_bytes(paths[-1].read_bytes()[:1000])
    (tmp_path / "notes.tmp").write_bytes(b"mine")
    restored = Checkpoint(tmp_path)
    assert restored.restore(tiny.pretrainer(dropout=0.1)) == 8
    assert paths[-1].name in capsys.readouterr().out
    assert not paths[-1].exists()
    assert paths[-1].with_name(paths[-1].name + ".damaged").exists()
    assert (tmp_path / "notes.tmp").read_bytes() == b"mine"


def test_damage_of_any_kind_is_passed_over(tmp_path, capsys):
    small = keras.Sequential([keras.layers.Dense(2)])
    small.build((None, 3))
    small.compile(optimizer="adam")
    small.optimizer.build(small.trainable_variables)
    arrays = {"0": np.zeros(3), "1": np.ones(2)}
    meta = {"step": 2, "shapes": [[3], [2]], "metrics": 0, "extra": {}}
    meta |= dict.fromkeys(("config", "names", "best_value", "best_step"))
    encoded = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    path = tmp_path / "step-0000000002.checkpoint.npz"
    np.savez(path, **arrays, meta=encoded)
    whole = path.read_bytes()
    assert Checkpoint(tmp_path)._read(path.name)[1] == meta

    def restored():
        found = Checkpoint(tmp_path, keep=1).restore(small)
        lines = capsys.readouterr().out.splitlines()
        assert found == 0 and len(lines) == 1 and "is damaged" in lines[0]
        assert [p.name for p in tmp_path.iterdir()] == [path.name + ".damaged"]

    rng = np.random.default_rng(0)
    directory = whole.rindex(b"PK\x01\x02")
    for place in [*range(directory, directory + 46, 3), *range(40, 400, 29)]:
        damaged = bytearray(whole)
        damaged[place] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            same = Checkpoint(tmp_path)._read(path.name)
        finally:
            capsys.readouterr()
        if same is None:
            path.write_bytes(damaged)
            restored()
        else:
            # Bytes that say nothing, such as a date.
            assert same[1] == meta
            for name, array in arrays.items():
                np.testing.assert_array_equal(same[0][name], array)
    for damaged in (b"", whole[:100], whole[:-10], b"\x93NUMPY"):
        path.write_bytes(damaged)
        restored()
    for left_out in ("0", "meta"):
        values = {**arrays, "meta": encoded}
        del values[left_out]
        np.savez(path, **values)
        restored()


def test_a_damaged_checkpoint_does_not_count(tmp_path):
    fit(model(), tmp_path)
    newest = sorted(tmp_path.glob("*.npz"))[-1]
    newest.write_bytes(b"")
    trained = model()
    checkpoint = Checkpoint(tmp_path, every=1, keep=1, best=None)
    trained.fit(
        tiny.Batches(),
        steps_per_epoch=9,
        callbacks=[checkpoint],
        verbose=0,
    )
    assert [p.name for p in tmp_path.glob("*.npz")] == [
        "step-0000000009.checkpoint.npz"
    ]


def test_another_model_is_refused(tmp_path):
    fit(model(), tmp_path)
    other = tiny.pretrainer(optimizer_config={"learning_rate": 0.1})
    other.compile(optimizer="sgd")
    with pytest.raises(CheckpointError, match="another model or optimizer"):
        Checkpoint(tmp_path).restore(other)


def test_another_configuration_is_refused(tmp_path):
    trained = model()
    checkpoint = Checkpoint(tmp_path, every=1, config={"mask_rate": 0.15})
    trained.fit(
        tiny.Batches(), steps_per_epoch=1, callbacks=[checkpoint], verbose=0
    )
    with pytest.raises(CheckpointError, match="mask_rate: 0.15 -> 0.3"):
        Checkpoint(tmp_path, config={"mask_rate": 0.3}).restore(model())


def test_a_full_disk_leaves_older_checkpoints_whole(tmp_path, monkeypatch):
    trained = model()
    fit(trained, tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def full(file, **arrays):
        file.write(b"some of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    checkpoint = Checkpoint(tmp_path)
    checkpoint.set_model(trained)
    checkpoint.step = 99
    checkpoint.save()
    with pytest.raises(CheckpointError, match="No space left.*whole"):
        checkpoint.wait()
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_weights_that_are_not_finite_are_never_written(tmp_path):
    trained = model()
    fit(trained, tmp_path)
    names = sorted(p.name for p in tmp_path.iterdir())
    variable = trained.trainable_variables[3]
    variable.assign(np.full(variable.shape, np.nan, "float32"))
    checkpoint = Checkpoint(tmp_path)
    checkpoint.set_model(trained)
    checkpoint.step = 99
    checkpoint.save()
    with pytest.raises(FloatingPointError, match="step 99.*last one.*10"):
        checkpoint.wait()
    assert sorted(p.name for p in tmp_path.iterdir()) == names


@pytest.mark.parametrize(
    "every, message", [(2, "not finite at step 4"), (3, "since step 5")]
)
def test_nan_stops_and_says_when(tmp_path, every, message):
    trained = model()

    class Poison(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 3:
                if keras.config.backend() == "jax":
                    self.model.jax_state_sync()
                variable = self.model.trainable_variables[3]
                variable.assign(np.full(variable.shape, np.nan, "float32"))

    with pytest.raises(FloatingPointError, match=message):
        trained.fit(
            tiny.Batches(),
            steps_per_epoch=6,
            callbacks=[Poison(), Checkpoint(tmp_path, every=every)],
            verbose=0,
        )
    paths = sorted(tmp_path.glob("*.npz"))
    with np.load(paths[-1]) as archive:
        meta = json.loads(bytes(archive["meta"]).decode())
    assert meta["step"] <= 4


def test_arguments_are_checked(tmp_path):
    with pytest.raises(ValueError, match="`every`"):
        Checkpoint(tmp_path, every=0)
    with pytest.raises(ValueError, match="steps_per_epoch"):
        model().fit(tiny.Batches(), callbacks=[Checkpoint(tmp_path)])
