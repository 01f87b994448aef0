import keras
import numpy as np
import pytest
import tiny
from keras import ops

from keras_rtd.training.programs import compile_function

ROWS = 8
# Slow enough that rounding noise is not amplified to chaos.
OPTIMIZER = {"learning_rate": 1e-3, "warmup_steps": 2}


def batch(step, given_samples=True):
    result = tiny.batch(step, rows=ROWS)
    if given_samples:
        result["sampled_ids"] = result["mask_ids"][:, ::-1].copy()
    return result


def model(accumulate_steps, optimizer=OPTIMIZER, **kwargs):
    keras.utils.set_random_seed(3)
    result = tiny.pretrainer(optimizer_config=optimizer, **kwargs)
    result.compile(accumulate_steps=accumulate_steps)
    return result


def values(variables):
    return [np.array(ops.convert_to_numpy(v)) for v in variables]


def train(trained, steps=5, **kwargs):
    """Metrics of each step."""
    rows = []
    for step in range(steps):
        trained.reset_metrics()
        logs = trained.train_on_batch(batch(step, **kwargs), return_dict=True)
        rows.append({name: float(value) for name, value in logs.items()})
    return rows


# One without a detector, whose histogram is empty.
@pytest.mark.parametrize("objective", ["electra", "mlm"])
def test_micro_batches_equal_the_whole_batch(objective):
    whole, divided = (model(parts, objective=objective) for parts in (1, 4))
    before = values(whole.trainable_variables)
    for one, other in zip(train(whole), train(divided)):
        for name, value in one.items():
            # Areas under curves jump where two logits change places.
            ranks = "auc" in name or "average" in name
            assert other[name] == pytest.approx(
                value, rel=1e-5, abs=1e-3 if ranks else 1e-6
            ), name
    differs = moved = 0.0
    for a, b, a0 in zip(
        values(whole.trainable_variables),
        values(divided.trainable_variables),
        before,
    ):
        differs += np.square(a - b, dtype=np.float64).sum()
        moved += np.square(a - a0, dtype=np.float64).sum()
    assert np.sqrt(differs) / np.sqrt(moved) < 1e-4
    # The schedule, its position and the objective's see one step each.
    for trained in (whole, divided):
        assert int(trained.step) == int(trained.optimizer.iterations) == 5


def test_the_batches_above_are_clipped():
    trained = model(4)
    gradients = compile_function(trained, trained.gradients)(batch(0))
    norm = np.sqrt(sum(np.square(g).sum() for g in values(gradients)))
    # Else the test above would not see a clip.
    assert norm > 2.0


def test_micro_batches_have_their_own_random_numbers_and_a_run_repeats():
    runs = []
    for _ in range(2):
        trained = model(4, dropout=0.1)
        train(trained, 3, given_samples=False)
        runs.append(values(trained.variables))
    for a, b in zip(*runs):
        np.testing.assert_array_equal(a, b)
    # All rows and slots alike, so that only the samples differ.
    same = batch(0, given_samples=False)
    same = {name: np.repeat(v[1:2], ROWS, axis=0) for name, v in same.items()}
    trained = model(ROWS, dropout=0.5)
    before = np.array(ops.convert_to_numpy(trained.sampling_seed.state))
    trained.train_on_batch(same)
    after = np.array(ops.convert_to_numpy(trained.sampling_seed.state))
    assert not np.array_equal(before, after)
    assert after[1] - before[1] >= ROWS


def test_an_overflow_in_one_micro_batch_skips_the_step():
    trained = model(4, dtype="mixed_float16")
    trained.optimizer.dynamic_scale.assign(1.0)
    poisoned = batch(0)
    poisoned["mask_weights"][-1] = np.inf
    before = values(trained.trainable_variables)
    trained.train_on_batch(poisoned)
    for a, b in zip(before, values(trained.trainable_variables)):
        np.testing.assert_array_equal(a, b)
    assert int(trained.optimizer.iterations) == 0
    assert trained.skipped_steps() == 1
    trained.train_on_batch(batch(1))
    assert int(trained.optimizer.iterations) == 1


def test_what_cannot_be_divided_is_refused():
    for wrong in (0, 1.5, True):
        with pytest.raises(ValueError, match="accumulate_steps"):
            model(wrong)
    with pytest.raises(ValueError, match="accumulate_steps=3.*8 rows"):
        model(3).train_on_batch(batch(0))
