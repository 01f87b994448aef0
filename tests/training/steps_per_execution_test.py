"""Several steps a call are the same steps."""

import keras
import numpy as np
import pytest
import tiny

from keras_rtd.training import Checkpoint
from keras_rtd.training import get_strategy

BACKEND = keras.config.backend()
needs_programs = pytest.mark.skipif(
    BACKEND == "torch", reason="PyTorch refuses it, as the last test shows"
)
STEPS = 6


class Seen(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.batches, self.losses = [], []

    def on_train_batch_end(self, batch, logs=None):
        self.batches.append(batch)
        self.losses.append(float(logs["loss"]))


def batches(count=2 * STEPS):
    return get_strategy().batches([tiny.batch(i) for i in range(count)])


def trained(each, callbacks=(), data=None):
    keras.utils.set_random_seed(0)
    # Dropout and the generator's samples have seeds that must go on alike.
    model = tiny.pretrainer(dropout=0.1)
    model.compile(steps_per_execution=each)
    history = model.fit(
        batches() if data is None else data,
        steps_per_epoch=STEPS,
        callbacks=list(callbacks),
        verbose=0,
    )
    return model, history.history


def state(model):
    variables = [*model.variables, *model.optimizer.variables]
    return [np.asarray(keras.ops.convert_to_numpy(v)) for v in variables]


@pytest.fixture(scope="module")
def whole():
    seen = Seen()
    return *trained(3, [seen]), seen


@needs_programs
def test_steps_are_the_same_in_calls_of_three(whole):
    one, single = trained(1)
    three, several, seen = whole
    for a, b in zip(state(one), state(three), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert int(keras.ops.convert_to_numpy(three.step)) == STEPS
    assert single.keys() == several.keys()
    for name, values in single.items():
        np.testing.assert_allclose(values, several[name], rtol=1e-5)
    # Callbacks see every third step.
    assert seen.batches == [2, 5]


@needs_programs
def test_a_stopped_fit_goes_on(whole, tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 2

    def go_on(*callbacks):
        checkpoint = Checkpoint(tmp_path, every=3)
        # Where the data can start at any step.
        data = tf_batches()
        return trained(3, [checkpoint, *callbacks], data)[0], checkpoint

    _, checkpoint = go_on(Stop())
    assert [p.name for p in checkpoint.paths()] == [
        "step-0000000003.checkpoint.npz"
    ]
    rest, _ = go_on()
    for a, b in zip(state(whole[0]), state(rest), strict=True):
        np.testing.assert_array_equal(a, b)


def tf_batches():
    tf = pytest.importorskip("tensorflow")
    rows = [tiny.batch(i) for i in range(2 * STEPS)]
    stacked = {k: np.stack([row[k] for row in rows]) for k in rows[0]}
    return tf.data.Dataset.from_tensor_slices(stacked)


@needs_programs
def test_evaluating_reads_all_batches(whole):
    model = whole[0]
    together = model.evaluate(batches(4), steps=4, verbose=0, return_dict=True)
    model.compile(steps_per_execution=1)
    apart = model.evaluate(batches(4), steps=4, verbose=0, return_dict=True)
    assert together == pytest.approx(apart, rel=1e-5)


@needs_programs
def test_what_would_train_longer_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`steps_per_epoch` must be a multip"):
        trained(4)
    with pytest.raises(ValueError, match="Checkpoint.* must be a multiple of"):
        trained(3, [Checkpoint(tmp_path, every=2)])


def test_only_where_a_step_is_a_program():
    model = tiny.pretrainer()
    with pytest.raises(ValueError, match="int of at least 1"):
        model.compile(steps_per_execution=0)
    if BACKEND == "torch":
        with pytest.raises(ValueError, match="is for TensorFlow and JAX"):
            model.compile(steps_per_execution=2)
    else:
        model.compile(steps_per_execution=2)
