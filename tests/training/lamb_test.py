import keras
import numpy as np
import pytest
import tiny
from keras import ops

from keras_rtd.training import Lamb
from keras_rtd.training import make_optimizer

GRADIENTS = [[0.1, -0.2, 0.3], [0.3, 0.1, -0.1], [-0.2, 0.05, 0.4]]


def updates(optimizer, name="kernel"):
    variable = keras.Variable(np.ones(3, "float32") * 2, name=name)
    optimizer.build([variable])
    for gradient in GRADIENTS:
        value = ops.convert_to_tensor(np.array(gradient, "float32"))
        optimizer.apply([value], [variable])
    return ops.convert_to_numpy(variable)


def test_without_decay_it_is_keras():
    options = {"learning_rate": 0.01, "global_clipnorm": 0.2}
    expected = keras.optimizers.Lamb(epsilon=1e-12, **options)
    optimizer = Lamb(epsilon=1e-12, weight_decay=0.0, **options)
    np.testing.assert_allclose(updates(optimizer), updates(expected), rtol=1e-6)


@pytest.mark.parametrize("name", ["kernel", "bias", "gamma", "beta"])
def test_updates_are_those_of_the_paper(name):
    optimizer = Lamb(0.01, weight_decay=0.5, epsilon=1e-12)
    x, m, v = np.ones(3) * 2, np.zeros(3), np.zeros(3)
    for step, gradient in enumerate(np.array(GRADIENTS), 1):
        m = 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient**2
        update = (m / (1 - 0.9**step)) / np.sqrt(v / (1 - 0.999**step))
        if name == "kernel":
            update = update + 0.5 * x
            update *= np.linalg.norm(x) / np.linalg.norm(update)
        x = x - 0.01 * update
    np.testing.assert_allclose(updates(optimizer, name), x, rtol=1e-5)


def test_a_model_learns_and_its_zeros_stay_finite():
    model = tiny.pretrainer(
        optimizer_config={
            "optimizer": "lamb",
            "learning_rate": 1e-2,
            "warmup_steps": 2,
            "ema_momentum": 0.9,
        }
    )
    batch = tiny.batch()
    losses = []
    for _ in range(10):
        model.reset_metrics()
        logs = model.train_on_batch(batch, return_dict=True)
        losses.append(float(logs["loss"]))
    assert losses[-1] < losses[0]
    for variable in model.trainable_variables:
        assert np.isfinite(ops.convert_to_numpy(variable)).all()


def test_config_round_trip():
    optimizer = make_optimizer(1e-3, optimizer="lamb", train_steps=10)
    copy = Lamb.from_config(optimizer.get_config())
    assert copy.get_config() == optimizer.get_config()
    assert copy.bias_correction and copy.decay_rate == 0.01


def test_two_phases_each_warm_up_and_decay():
    optimizer = make_optimizer(
        4.0,
        generator_learning_rate=8.0,
        warmup_steps=4,
        train_steps=12,
        phase2_steps=4,
        phase2_learning_rate=1.0,
    )
    schedule = optimizer._learning_rate
    first = [4.0 * (1 - t / 8) * min(1, t / 4) for t in range(1, 9)]
    second = [1.0 * (1 - t / 4) * min(1, t / 2) for t in range(1, 5)]
    rates = [float(schedule(step)) for step in range(12)]
    assert rates == pytest.approx(first + second, abs=1e-6)
    generator = optimizer.generator_learning_rate
    assert float(generator(9)) == pytest.approx(2 * rates[9])
    copy = type(schedule).from_config(schedule.get_config())
    assert float(copy(9)) == pytest.approx(rates[9])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"optimizer": "adagrad"}, "Known: adamw, lamb, muon"),
        ({"phase2_learning_rate": 1.0}, "needs `phase2_steps`"),
    ],
)
def test_nonsense_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make_optimizer(**options)
