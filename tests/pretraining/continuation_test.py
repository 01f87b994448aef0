"""What a continued run may change: its length on a plateau, and no data."""

import shutil

import numpy as np
import pytest

from keras_rtd.models import ElectraPretrainer
from keras_rtd.pretraining import pretrain
from keras_rtd.pretraining import resolve
from keras_rtd.pretraining.stop_on_signal import StopOnSignal
from keras_rtd.utils.setting import ConfigError


@pytest.fixture
def train(world, tmp_path, monkeypatch):
    """Trains to the end, or to a signal after `stop` steps more."""

    def run(run_dir, stop=None, **given):
        with monkeypatch.context() as patch:

            def signalled(self, batch, logs=None):
                self._step += 1
                if self._step == stop:
                    self.received = self.model.stop_training = True

            if stop is not None:
                patch.setattr(StopOnSignal, "on_train_batch_end", signalled)
            return pretrain(
                resolve(
                    given={
                        "preset": str(world / "preset"),
                        "data": str(world / "prepared"),
                        "run_dir": str(tmp_path / run_dir),
                        "train_steps": 20,
                        "batch_size": 4,
                        "sequence_length": 16,
                        "eval_every": 10,
                        "eval_batches": 2,
                        "checkpoint_every": 4,
                        "dtype": "float32",
                        "schedule": "stable",
                        "warmup_steps": 2,
                        **given,
                    }
                )
            )

    return run


def weights(run_dir):
    model = ElectraPretrainer.from_preset(str(run_dir / "preset"))
    return [np.asarray(w) for w in model.get_weights()]


def test_a_run_on_its_plateau_may_end_at_another_step(train, tmp_path):
    train("straight")
    train("shortened", stop=8, train_steps=1000)
    train("shortened")
    for a, b in zip(
        weights(tmp_path / "straight"), weights(tmp_path / "shortened")
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "given, message",
    [
        # Its plateau would have ended at step 8.
        ({"train_steps": 10}, "train_steps: 1000 there, 10 now"),
        ({"train_steps": 7}, "train_steps: 1000 there, 7 now"),
        ({"batch_size": 8}, "batch_size: 4 there, 8 now"),
        ({"schedule": "cosine"}, "schedule: 'stable' there, 'cosine' now"),
    ],
)
def test_steps_that_would_have_been_others_are_named(train, given, message):
    train("run", stop=9, train_steps=1000)
    with pytest.raises(ConfigError, match=message):
        train("run", **{"train_steps": 20, **given})


def test_a_schedule_that_falls_has_one_length(train):
    train("run", stop=4, schedule="cosine")
    with pytest.raises(ConfigError, match="train_steps: 20 there, 30 now"):
        train("run", schedule="cosine", train_steps=30)


@pytest.mark.parametrize("kind", ["prepared", "text"])
def test_changed_data_is_refused_unless_allowed(
    train, world, tmp_path, kind, capsys
):
    if kind == "text":
        data = tmp_path / "corpus.txt"
        shutil.copy(world / "corpus.txt", data)
        changed = data
    else:
        data = tmp_path / "prepared"
        shutil.copytree(world / "prepared", data)
        changed = data / "manifest.json"
    train("run", stop=4, data=str(data))
    text = changed.read_text("utf-8")
    old, new = "the", "one"
    if kind == "prepared":
        old, new = '"documents": "blank_line"', '"documents": "line"'
    assert old in text
    changed.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(ConfigError, match="data .* changed since.*--allow"):
        train("run", data=str(data))
    train("run", data=str(data), allow_changed_data=True)
    assert "warning: the data changed" in capsys.readouterr().out
