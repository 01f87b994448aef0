import keras
import numpy as np
import pytest
import tiny

from keras_rtd.training import AdamW
from keras_rtd.training import WarmupCosineDecay
from keras_rtd.training import WarmupPolynomialDecay
from keras_rtd.training import WarmupStableDecay
from keras_rtd.training import make_optimizer


def updates(optimizer, gradients, name="kernel"):
    variable = keras.Variable(np.ones(3, "float32") * 2, name=name)
    optimizer.build([variable])
    for gradient in gradients:
        value = keras.ops.convert_to_tensor(np.array(gradient, "float32"))
        optimizer.apply([value], [variable])
    return keras.ops.convert_to_numpy(variable)


GRADIENTS = [[0.1, -0.2, 0.3], [0.3, 0.1, -0.1], [-0.2, 0.05, 0.4]]


def reference(rate, decay, correct, eps=1e-6, clip=1.0, b1=0.9, b2=0.999):
    """google-research/electra, model/optimization.py, in float64."""
    x, m, v = np.ones(3) * 2, np.zeros(3), np.zeros(3)
    for step, gradient in enumerate(np.array(GRADIENTS), 1):
        norm = np.sqrt((gradient**2).sum())
        gradient = gradient * min(1.0, clip / norm)
        m = b1 * m + (1 - b1) * gradient
        v = b2 * v + (1 - b2) * gradient**2
        update = m / (np.sqrt(v) + eps)
        if correct:
            update *= np.sqrt(1 - b2**step) / (1 - b1**step)
        x = x - rate * (update + decay * x)
    return x


@pytest.mark.parametrize("correct", [False, True])
@pytest.mark.parametrize("clip", [1.0, 0.2])
def test_updates_equal_the_reference(correct, clip):
    optimizer = AdamW(0.01, bias_correction=correct, global_clipnorm=clip)
    np.testing.assert_allclose(
        updates(optimizer, GRADIENTS),
        reference(0.01, 0.01, correct, clip=clip),
        rtol=1e-6,
    )


@pytest.mark.parametrize("name", ["bias", "gamma", "beta"])
def test_biases_and_norms_do_not_decay(name):
    np.testing.assert_allclose(
        updates(AdamW(0.01, weight_decay=0.5), GRADIENTS, name),
        reference(0.01, 0.0, False),
        rtol=1e-6,
    )


def test_exempt_variables_of_a_model_are_those_of_the_reference():
    model = tiny.pretrainer()
    optimizer = model.optimizer
    exempt = {
        v.path
        for v, decays in zip(model.trainable_variables, optimizer._decays)
        if not decays
    }
    for variable in model.trainable_variables:
        one_dimensional = len(variable.shape) == 1
        assert (variable.path in exempt) == one_dimensional, variable.path


def test_generator_has_its_own_rate():
    model = tiny.pretrainer(
        optimizer_config={
            "learning_rate": 1e-2,
            "generator_learning_rate": 1e-9,
            "warmup_steps": 0,
            "weight_decay": 0.0,
        }
    )
    before = {
        id(v): keras.ops.convert_to_numpy(v).copy()
        for v in model.trainable_variables
    }
    model.train_on_batch(tiny.batch())
    own = {id(v) for v in model.generator_variables}
    assert own and len(own) < len(before)
    for variable in model.trainable_variables:
        moved = np.abs(
            keras.ops.convert_to_numpy(variable) - before[id(variable)]
        )
        if id(variable) in own:
            assert moved.max() < 1e-7, variable.path
    moved = [
        np.abs(keras.ops.convert_to_numpy(v) - before[id(v)]).max()
        for v in model.backbone.trainable_variables
    ]
    assert max(moved) > 1e-3


def test_config_round_trip():
    optimizer = make_optimizer(
        1e-3, generator_learning_rate=2e-3, train_steps=10, schedule="cosine"
    )
    copy = AdamW.from_config(optimizer.get_config())
    assert copy.get_config() == optimizer.get_config()
    assert copy.decay_rate == 0.01
    assert isinstance(copy.generator_learning_rate, WarmupCosineDecay)


def rates(schedule, steps):
    return [float(schedule(step)) for step in steps]


def test_polynomial_decays_during_the_warmup_and_counts_from_one():
    schedule = WarmupPolynomialDecay(1.0, warmup_steps=4, train_steps=10)
    expected = [(1 - t / 10) * min(1, t / 4) for t in range(1, 11)]
    assert rates(schedule, range(10)) == pytest.approx(expected, abs=1e-6)


def test_decay_power_by_hand():
    optimizer = make_optimizer(
        1.0, warmup_steps=1, train_steps=10, decay_power=2.0
    )
    for step in (0, 4, 8):
        optimizer.iterations.assign(step)
        expected = (1 - (step + 1) / 10) ** 2
        assert float(optimizer.learning_rate) == pytest.approx(expected)


def test_cosine_and_stable_by_hand():
    cosine = WarmupCosineDecay(2.0, warmup_steps=2, train_steps=10)
    assert rates(cosine, [0, 1, 5, 9]) == pytest.approx(
        [1.0, 2.0, 1.0, 0.0], abs=1e-6
    )
    stable = WarmupStableDecay(2.0, 2, train_steps=10, decay_steps=4)
    assert rates(stable, [0, 1, 5, 7, 9]) == pytest.approx(
        [1.0, 2.0, 2.0, 1.0, 0.0], abs=1e-6
    )


def test_without_train_steps_the_rate_stays():
    schedule = WarmupPolynomialDecay(1.0, warmup_steps=4)
    assert rates(schedule, [0, 3, 10_000]) == pytest.approx([0.25, 1.0, 1.0])


@pytest.mark.parametrize(
    "arguments",
    [
        {"learning_rate": 0.0},
        {"learning_rate": 1.0, "warmup_steps": -1},
        {"learning_rate": 1.0, "train_steps": 0},
    ],
)
def test_schedules_refuse_nonsense(arguments):
    with pytest.raises(ValueError, match=list(arguments)[-1]):
        WarmupPolynomialDecay(**arguments)


def test_unknown_schedule_names_the_known():
    with pytest.raises(ValueError, match="polynomial, cosine, stable"):
        make_optimizer(schedule="steps")


def test_the_generator_has_a_schedule_of_its_own():
    def rates(**options):
        optimizer = make_optimizer(
            4.0, warmup_steps=4, train_steps=8, schedule="stable", **options
        )
        return [
            [float(rate(step)) for step in range(8)]
            for rate in (
                optimizer._learning_rate,
                optimizer.generator_learning_rate or optimizer._learning_rate,
            )
        ]

    common, same = rates()
    assert same == common
    _, halved = rates(generator_learning_rate=2.0)
    assert halved == pytest.approx([rate / 2 for rate in common])
    with pytest.raises(ValueError, match="Unknown schedule 'linear'"):
        make_optimizer(schedule="linear")
