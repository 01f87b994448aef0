import keras
import numpy as np
import pytest
import tiny
from keras import ops

from keras_rtd import kernels
from keras_rtd.layers import shared_body
from keras_rtd.models import ElectraBackbone
from keras_rtd.models import ElectraPretrainer


def trained(remat, dropout=0.3, dtype=None):
    keras.utils.set_random_seed(0)
    model = tiny.pretrainer(dropout=dropout, dtype=dtype)
    for encoder in (model.backbone, model.generator):
        for layer in encoder.transformer_layers:
            layer.remat = remat
    for step in range(3):
        model.train_on_batch(tiny.batch(step))
    return model


@pytest.mark.parametrize(
    "dtype, tolerance",
    [
        ("float32", 1e-6),
        pytest.param("mixed_bfloat16", 1e-3, marks=pytest.mark.run_once),
    ],
)
def test_recomputing_changes_nothing(dtype, tolerance):
    kept, recomputed = (trained(remat, dtype=dtype) for remat in (False, True))
    for a, b in zip(kept.variables, recomputed.variables):
        a, b = (ops.convert_to_numpy(v) for v in (a, b))
        # Dropout's random states among them: the masks were the same.
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=tolerance)


def test_a_layer_is_computed_twice_in_training_only(monkeypatch):
    calls = []

    def counted(function):
        def run(values, *tensors):
            ops.shape(tensors[0])
            calls.append(1)
            return function(values, *tensors)

        return original(run)

    original = kernels.recomputed
    monkeypatch.setattr(kernels, "recomputed", counted)
    shared_body._bodies.clear()
    model = tiny.pretrainer()
    for layer in model.backbone.transformer_layers:
        layer.remat = True
    model.evaluate(tiny.Batches(), steps=1, verbose=0)
    assert not calls
    model.train_on_batch(tiny.batch())
    layers = len(model.backbone.transformer_layers)
    # JAX repeats what it traced once for all layers, without Python.
    again = 1 if keras.config.backend() == "jax" else 2 * layers
    assert len(calls) == again
    shared_body._bodies.clear()


def test_it_reaches_both_encoders_and_stays_out_of_the_config(tmp_path):
    tiny.pretrainer(with_tokenizer=True).save_to_preset(str(tmp_path))
    model = ElectraPretrainer.from_preset(str(tmp_path), remat=True)
    for encoder in (model.backbone, model.generator):
        assert all(layer.remat for layer in encoder.transformer_layers)
    config = model.backbone.get_config()
    assert "remat" not in config
    copy = ElectraBackbone.from_config(config)
    assert not any(layer.remat for layer in copy.transformer_layers)
