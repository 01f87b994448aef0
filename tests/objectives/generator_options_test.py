"""A generator's own size and dropout, and the temperature of its samples."""

import numpy as np
import pytest
import tiny
from keras import ops

from keras_rtd import objectives
from keras_rtd.models import ElectraPretrainer


def numpy(x):
    return np.asarray(ops.convert_to_numpy(x), np.float64)


def test_the_generators_own_arguments():
    model = ElectraPretrainer.from_preset(
        "electra_tiny_uncased_en",
        load_weights=False,
        dropout=0.1,
        generator_num_layers=2,
        generator_hidden_dim=128,
        generator_dropout=0.0,
    )
    generator = model.generator
    assert (generator.num_layers, generator.hidden_dim) == (2, 128)
    assert (generator.num_heads, generator.intermediate_dim) == (2, 512)
    assert (generator.dropout, model.backbone.dropout) == (0.0, 0.1)
    with pytest.raises(ValueError, match="no generator: leave out generator_d"):
        ElectraPretrainer.from_preset(
            "electra_tiny_uncased_en", objective="mlm", generator_dropout=0.1
        )


def test_a_generator_without_dropout_samples_without():
    model = ElectraPretrainer.from_preset(
        "electra_tiny_uncased_en", dropout=0.5, generator_dropout=0.0
    )
    ids = np.arange(32, dtype="int32").reshape(2, 16)
    batch = {
        "segment_ids": np.zeros_like(ids),
        "padding_mask": np.ones_like(ids),
    }
    vectors = [
        numpy(model.generator_encode(batch, ids, training=training))
        for training in (True, False)
    ]
    np.testing.assert_allclose(*vectors, atol=1e-5)
    encoded = [
        numpy(model.encode(batch, ids, training=training))
        for training in (True, False)
    ]
    assert np.abs(encoded[0] - encoded[1]).max() > 0.1


def test_temperature_goes_in_a_straight_line():
    objective = objectives.get(
        "electra", temperature=2.0, final_temperature=1.0, temperature_steps=10
    )
    found = [float(objective.temperature_at(s)) for s in (0, 5, 10, 1000)]
    assert found == pytest.approx([2.0, 1.5, 1.0, 1.0])
    with pytest.raises(ValueError, match="go together"):
        objectives.get("electra", final_temperature=1.0)


def test_samples_follow_the_temperature():
    # So cold at the end that only the likeliest token is sampled.
    model = tiny.pretrainer(
        objective_config={
            "temperature": 5.0,
            "final_temperature": 1e-4,
            "temperature_steps": 4,
        }
    )

    def share_of_the_likeliest():
        outputs = model.predict_on_batch(tiny.batch(rows=32, seed=5))
        best = np.asarray(outputs["generator_logits"]).argmax(-1)
        return (best == np.asarray(outputs["sampled_ids"])).mean()

    assert share_of_the_likeliest() < 0.5
    model.step.assign(4)
    assert share_of_the_likeliest() == 1.0
