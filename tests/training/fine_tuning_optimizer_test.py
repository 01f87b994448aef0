"""Rates of single layers, read off the first step, which is as long as the
rate wherever Adam sees a gradient far above epsilon."""

import numpy as np
import pytest
import tiny

from keras_rtd.models import ElectraBackbone
from keras_rtd.models import ElectraTextClassifier
from keras_rtd.training import make_fine_tuning_optimizer

ROWS = {
    name: value
    for name, value in tiny.batch().items()
    if name in ("token_ids", "segment_ids", "padding_mask")
}


def rates(model, **options):
    """The longest first step in the head, each layer from the last, the
    embeddings and their projection; per unit of rate."""
    options.setdefault("learning_rate", 1e-3)
    optimizer = make_fine_tuning_optimizer(
        model,
        warmup_steps=0,
        weight_decay=0.0,
        epsilon=1e-12,
        bias_correction=True,
        **options,
    )
    model.compile(optimizer)
    backbone = model.backbone
    layers = [
        model.output_dense,
        *reversed(backbone.transformer_layers),
        backbone.embeddings,
        backbone.embeddings_projection,
    ]
    before = [layer.get_weights() for layer in layers]
    model.train_on_batch(ROWS, np.array([0, 1, 2, 1]))
    return np.array(
        [
            max(
                np.abs(new - old).max()
                for new, old in zip(layer.get_weights(), weights, strict=True)
            )
            for layer, weights in zip(layers, before, strict=True)
        ]
    )


def task():
    return ElectraTextClassifier(
        tiny.pretrainer().backbone, num_classes=3, dropout=0.0
    )


def test_a_layers_rate_is_the_decay_to_its_distance():
    found = rates(task(), layer_decay=0.5)
    head = found[0]
    np.testing.assert_allclose(
        found / head, [1, 0.5, 0.25, 0.125, 0.125], rtol=1e-2
    )


def test_the_references_distance_is_one_more_below_the_head():
    found = rates(task(), layer_decay=0.5, reference_exponent=True)
    np.testing.assert_allclose(
        found / found[0], [1, 0.25, 0.125, 0.0625, 0.0625], rtol=1e-2
    )


@pytest.mark.parametrize(
    ("hidden_dim", "rate", "decay"),
    [(128, 3e-4, 1.0), (768, 1e-4, 0.8), (1024, 5e-5, 0.9)],
)
def test_defaults_are_the_published_ones_of_a_size(hidden_dim, rate, decay):
    backbone = ElectraBackbone(
        vocabulary_size=70,
        num_layers=1,
        num_heads=1,
        hidden_dim=hidden_dim,
        intermediate_dim=8,
        embedding_dim=8,
        max_sequence_length=16,
        dropout=0.0,
    )
    model = ElectraTextClassifier(backbone, num_classes=3, dropout=0.0)
    found = rates(model, learning_rate=None)
    np.testing.assert_allclose(found[0], rate, rtol=1e-2)
    np.testing.assert_allclose(found[1] / found[0], decay, rtol=1e-2)


def test_a_decay_that_grows_is_refused():
    with pytest.raises(ValueError, match="layer_decay=1.5"):
        make_fine_tuning_optimizer(task(), layer_decay=1.5)
