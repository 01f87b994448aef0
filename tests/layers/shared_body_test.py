import keras
import numpy as np
import pytest
import tiny
from keras import ops

from keras_rtd.layers import shared_body


def weights_after(steps, shared, monkeypatch, freeze=False):
    with monkeypatch.context() as patch:
        if not shared:
            patch.setattr(shared_body, "helps", lambda: False)
        keras.utils.set_random_seed(0)
        model = tiny.pretrainer(dropout=0.3)
        if freeze:
            model.backbone.transformer_layers[0].trainable = False
            model.compile()
        for step in range(steps):
            model.train_on_batch(tiny.batch(step))
    return model


@pytest.mark.parametrize("freeze", [False, True])
def test_a_shared_body_changes_nothing(monkeypatch, freeze):
    models = [
        weights_after(3, shared, monkeypatch, freeze)
        for shared in (True, False)
    ]
    for one, other in zip(*(model.variables for model in models)):
        np.testing.assert_allclose(
            ops.convert_to_numpy(one),
            ops.convert_to_numpy(other),
            rtol=1e-4,
            atol=1e-6,
            err_msg=one.path,
        )


def test_a_frozen_layer_stays(monkeypatch):
    before = weights_after(0, True, monkeypatch, freeze=True)
    after = weights_after(2, True, monkeypatch, freeze=True)
    frozen, free = (
        [
            np.abs(ops.convert_to_numpy(a) - ops.convert_to_numpy(b)).max()
            for a, b in zip(
                before.backbone.transformer_layers[i].query.variables,
                after.backbone.transformer_layers[i].query.variables,
            )
        ]
        for i in (0, 1)
    )
    assert max(frozen) == 0
    assert max(free) > 1e-4


def test_layers_sample_different_dropout(monkeypatch):
    model = weights_after(1, True, monkeypatch)
    states = [
        tuple(ops.convert_to_numpy(v))
        for layer in model.backbone.transformer_layers
        for v in shared_body._random_states(layer)
    ]
    # Two dropouts a layer, each with a seed of its own.
    assert len(states) == len(set(states)) == 4
