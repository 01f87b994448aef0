import itertools

import numpy as np
import pytest
import tiny
from keras import ops

from keras_rtd.pretraining.profile import profile
from keras_rtd.training.programs import compile_function
from keras_rtd.utils.step_times import table


def test_parts_of_a_step_and_a_trace(tmp_path):
    model = tiny.pretrainer()
    batches = itertools.cycle([tiny.batch(seed) for seed in range(3)])
    seconds = profile(model, batches, tmp_path, repeats=2)
    assert list(seconds) == [
        "generator",
        "vocabulary_head_and_sampling",
        "discriminator",
        "losses",
        "backward",
        "optimizer_and_metrics",
        "input_wait",
        "step",
    ]
    assert all(np.isfinite(v) and v >= 0 for v in seconds.values())
    for name in ("generator", "discriminator", "step"):
        assert seconds[name] > 0
    traces = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert traces and all(path.stat().st_size for path in traces)
    lines = table(seconds).splitlines()
    assert len(lines) == 1 + len(seconds)
    assert "generator" in lines[1] and "100.0%" in lines[-1]


def test_gradients_of_the_profile_are_those_of_the_step():
    model = tiny.pretrainer(objective_config={"discriminator_weight": 2.0})
    batch = tiny.batch()
    # No sample of its own: the loss is then a function of the weights alone.
    batch["sampled_ids"] = batch["mask_ids"][:, ::-1].copy()
    variable = model.detection_head.logits.bias
    place = [v is variable for v in model.trainable_variables].index(True)
    gradient = compile_function(
        model, lambda batch: model.gradients(batch)[place]
    )(batch)
    gradient = float(ops.convert_to_numpy(gradient)[0])

    def loss(shift):
        variable.assign(np.full(1, shift, "float32"))
        return model.test_on_batch(batch, return_dict=True)["loss"]

    step = 1e-2
    expected = (float(loss(step)) - float(loss(-step))) / (2 * step)
    assert gradient == pytest.approx(expected, rel=1e-2)
