import types

import numpy as np
import pytest
import tiny

from keras_rtd.models import families
from keras_rtd.pretraining import scaling


@pytest.mark.parametrize(
    "family, options",
    [
        ("electra", {}),
        ("modernbert", {}),
        ("modernbert", families.OLD_MODERN),
        ("deberta_v3", {}),
        ("deberta_v3", {"share_attention_key": False}),
    ],
)
def test_parameters_are_those_of_a_real_model(family, options):
    model = tiny.pretrainer(family=family, encoder_options=options)
    count = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    assert scaling.parameter_count(model) == count


# What is published counts the discriminator alone.
@pytest.mark.parametrize(
    "name, millions", [("small", 14), ("base", 110), ("large", 335)]
)
def test_the_discriminators_are_of_the_published_size(name, millions):
    sizes = scaling.preset_sizes(f"electra_{name}_uncased_en")
    nothing = type(sizes.generator).of(
        {**vars(sizes.generator), "num_layers": 0, "hidden_dim": 0}
    )
    alone = types.SimpleNamespace(backbone=sizes.backbone, generator=nothing)
    count = scaling.parameter_count(alone) / 1e6
    assert count == pytest.approx(millions, rel=0.04)


def test_a_ring_sends_everything_twice_but_a_devices_own_part():
    assert scaling.ring_bytes(100.0, 1) == 0.0
    assert scaling.ring_bytes(100.0, 2) == 100.0
    assert scaling.ring_bytes(100.0, 4) == 150.0


def test_an_estimate_by_hand():
    device = scaling.Device("fast", 1e15, 1e11, 1e9)
    one = scaling.estimate(scaling.BASE, device, 1, utilisation=0.5)
    sizes = scaling.preset_sizes(scaling.BASE.preset)
    flops = 256 * 512 * sizes.objective.flops_per_token(sizes, 512, 79)
    assert one["step_seconds"] == pytest.approx(flops / 0.5e15)
    assert one["traffic_bytes"] == 0.0
    two = scaling.estimate(scaling.BASE, device, 2, utilisation=0.5)
    # Half the work, and every gradient over a link of 1 GB/s.
    sent = 4.0 * one["parameters"]
    assert two["step_seconds"] == pytest.approx(flops / 1e15 + sent / 1e9)
    hidden = scaling.estimate(
        scaling.BASE, device, 2, utilisation=0.5, overlap=1.0
    )
    assert hidden["tokens_per_second"] == pytest.approx(
        2 * one["tokens_per_second"]
    )
    assert hidden["hours"] == pytest.approx(766_000 * flops / 1e15 / 3600)
    assert one["memory_bytes"] > 2 * (
        two["memory_bytes"] - 18 * one["parameters"]
    )


def test_devices_that_cannot_share_the_batch_are_refused():
    with pytest.raises(ValueError, match="must divide the batch of 256"):
        scaling.estimate(scaling.BASE, scaling.H100, 7)
