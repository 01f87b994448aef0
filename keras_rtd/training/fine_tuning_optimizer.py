"""AdamW with a rate of its own for each layer, for fine-tuning."""

from typing import Any

import keras

from keras_rtd.training.optimizers import make_optimizer

# (largest hidden_dim, peak rate, layer decay) by the encoder's size: the
# published ones from small on (paper, appendix B), tiny's as measured in
# docs/finetuning.md.
DEFAULTS = (
    (128, 3e-4, 1.0),
    (768, 1e-4, 0.8),
    (float("inf"), 5e-5, 0.9),
)


def make_fine_tuning_optimizer(
    model: Any,
    learning_rate: float | None = None,
    layer_decay: float | None = None,
    reference_exponent: bool = False,
    train_steps: int | None = None,
    warmup_steps: int | None = None,
    **kwargs: Any,
) -> keras.optimizers.Optimizer:
    """The optimizer ELECTRA is fine-tuned with.

    The rate of a layer is `learning_rate * layer_decay ** distance`, where the
    distance from the head is 0 for the head, 1 for the last Transformer layer,
    and `num_layers + 1` for the embeddings and their projection (paper,
    appendix B). The reference counts one more for all but the head
    (google-research/electra, model/optimization.py `_get_layer_lrs`, issue 51),
    which makes the whole encoder's rate smaller by `layer_decay`.

    Args:
        model: a task with a `backbone`, an `RtdBackbone`.
        learning_rate: float or `None`. Peak rate of the head. Defaults to 3e-4
            for encoders as narrow as tiny, 1e-4 up to base, 5e-5 beyond.
        layer_decay: float in (0, 1] or `None`. Defaults to 1.0, 0.8 and 0.9
            for these.
        reference_exponent: bool. Count distances as the reference does.
            Defaults to `False`.
        train_steps: int or `None`. Linear decay to 0 at this step; `None` for
            none.
        warmup_steps: int or `None`. Defaults to a tenth of `train_steps`, or
            100 where that is `None`.
        **kwargs: for `keras_rtd.training.AdamW`, e.g. `weight_decay`.

    Returns:
        `keras_rtd.training.AdamW`.

    Raises:
        ValueError: `layer_decay` outside (0, 1].
    """
    rate, decay = _defaults(model.backbone.hidden_dim)
    learning_rate = rate if learning_rate is None else learning_rate
    layer_decay = decay if layer_decay is None else layer_decay
    if not 0.0 < layer_decay <= 1.0:
        raise ValueError(
            "`layer_decay` must be above 0 and at most 1. "
            f"Received: layer_decay={layer_decay}"
        )
    if warmup_steps is None:
        warmup_steps = 100 if train_steps is None else train_steps // 10
    optimizer = make_optimizer(
        learning_rate=learning_rate,
        train_steps=train_steps,
        warmup_steps=warmup_steps,
        **kwargs,
    )
    extra = 1 if reference_exponent else 0
    optimizer.set_rate_factors(
        (variable, layer_decay ** (distance + extra))
        for distance, layer in _distances(model.backbone)
        for variable in layer.variables
    )
    return optimizer


def _defaults(hidden_dim):
    """(peak rate, layer decay) for an encoder of this width."""
    return next(
        (rate, decay) for width, rate, decay in DEFAULTS if hidden_dim <= width
    )


def _distances(backbone):
    """(distance from the head, layer) of each layer of an encoder."""
    yield from enumerate(reversed(backbone.transformer_layers), start=1)
    bottom = len(backbone.transformer_layers) + 1
    yield from ((bottom, layer) for layer in backbone.input_layers())
