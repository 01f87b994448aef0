"""Layers that are frozen between two calls of `fit`."""

import keras
import numpy as np
import pytest
import tiny
import user_models


def train_classifier(model):
    model.fit(user_models.TEXTS, user_models.LABELS, verbose=0)


def train_pretrainer(model):
    model.train_on_batch(tiny.batch())


@pytest.mark.parametrize(
    "make, train",
    [
        (user_models.classifier, train_classifier),
        (tiny.pretrainer, train_pretrainer),
    ],
)
def test_without_compile(make, train):
    model = make()
    train(model)
    layer = model.backbone.transformer_layers[0]
    layer.trainable = False
    if keras.config.backend() != "torch":
        with pytest.raises(ValueError, match="call compile\\(\\) again"):
            train(model)
        model.compile()
    before = layer.get_weights()
    train(model)
    for a, b in zip(layer.get_weights(), before):
        np.testing.assert_array_equal(a, b)
