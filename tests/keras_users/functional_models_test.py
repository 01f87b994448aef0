"""A functional model with an encoder inside."""

import keras
import numpy as np
import pytest
import user_models


def nested(backbone):
    return backbone(backbone.input)["pooled_output"]


def flat(backbone):
    return backbone.output["pooled_output"]


@pytest.mark.parametrize("family", ["electra", "modernbert"])
@pytest.mark.parametrize("vectors", [nested, flat])
def test_it_is_saved_loaded_and_cloned(vectors, family, tmp_path):
    backbone = user_models.backbone(family)
    outputs = keras.layers.Dense(3)(vectors(backbone))
    model = keras.Model(backbone.input, outputs)
    path = tmp_path / "model.keras"
    model.save(path)
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    data = user_models.encoder_batch()
    expected = model.predict(data, verbose=0)
    for other in (keras.models.load_model(path), clone):
        found = other.predict(data, verbose=0)
        np.testing.assert_array_equal(found, expected)


def test_an_encoder_is_cloned():
    backbone = user_models.backbone()
    clone = keras.models.clone_model(backbone)
    clone.set_weights(backbone.get_weights())
    data = user_models.encoder_batch()
    found, expected = (m.predict(data, verbose=0) for m in (clone, backbone))
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)
