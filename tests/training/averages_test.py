import keras
import numpy as np
import tiny
from keras import ops

from keras_rtd.training import Checkpoint
from keras_rtd.training.checkpoint import state_variables

OPTIMIZER = {"learning_rate": 1e-2, "warmup_steps": 2, "ema_momentum": 0.8}


def model(**kwargs):
    keras.utils.set_random_seed(5)
    return tiny.pretrainer(dropout=0.1, optimizer_config=OPTIMIZER, **kwargs)


def values(variables):
    return [np.array(ops.convert_to_numpy(v)) for v in variables]


def test_the_average_is_that_of_the_steps_weights():
    trained = model()
    trained.compile(accumulate_steps=2)
    average = None
    for step in range(4):
        trained.train_on_batch(tiny.batch(step))
        weights = values(trained.trainable_variables)
        if average is None:
            average = [w.astype("float64") for w in weights]
        else:
            average = [0.8 * a + 0.2 * w for a, w in zip(average, weights)]

    def loss():
        logs = trained.test_on_batch(tiny.batch(9), return_dict=True)
        return float(logs["loss"])

    outside = loss()
    with trained.averaged_weights():
        trained.reset_metrics()
        assert loss() != outside
        for a, b in zip(average, values(trained.trainable_variables)):
            np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-8)
    # Back to the last bit.
    for a, b in zip(weights, values(trained.trainable_variables)):
        np.testing.assert_array_equal(a, b)


def test_a_step_that_float16_skips_is_not_averaged():
    trained = model(dtype="mixed_float16")
    trained.optimizer.dynamic_scale.assign(1.0)
    poisoned = tiny.batch(0)
    poisoned["mask_weights"][-1] = np.inf
    trained.train_on_batch(poisoned)
    weights = values(trained.trainable_variables)
    with trained.averaged_weights():
        for a, b in zip(weights, values(trained.trainable_variables)):
            np.testing.assert_array_equal(a, b)
    trained.train_on_batch(tiny.batch(1))
    weights = values(trained.trainable_variables)
    with trained.averaged_weights():
        for a, b in zip(weights, values(trained.trainable_variables)):
            np.testing.assert_array_equal(a, b)


def fit(trained, directory, *callbacks):
    trained.fit(
        tiny.Batches(),
        steps_per_epoch=3,
        epochs=2,
        callbacks=[Checkpoint(directory, every=100), *callbacks],
        verbose=0,
    )


def test_weights_and_averages_survive_a_stop_apart(tmp_path):
    straight = model()
    fit(straight, tmp_path / "straight")

    class Stop(keras.callbacks.Callback):
        """As a signal does: `fit` ends, its last checkpoint is written."""

        seen = 0

        def on_train_batch_end(self, batch, logs=None):
            self.seen += 1
            self.model.stop_training |= self.seen == 4

    stopped = model()
    fit(stopped, tmp_path / "stopped", Stop())
    resumed = tiny.pretrainer(dropout=0.1, optimizer_config=OPTIMIZER)
    fit(resumed, tmp_path / "stopped")
    for a, b in zip(
        values(state_variables(straight)), values(state_variables(resumed))
    ):
        np.testing.assert_array_equal(a, b)
    weights = values(resumed.trainable_variables)
    with resumed.averaged_weights():
        averages = values(resumed.trainable_variables)
    assert any((a != b).any() for a, b in zip(weights, averages))
