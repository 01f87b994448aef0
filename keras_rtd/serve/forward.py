"""A model as a fast function of NumPy arrays."""

import keras
import numpy as np


def forward(model):
    """What a model gives for a batch, compiled where the backend compiles.

    `keras.Model.predict_on_batch` would do, but on JAX it first runs a task
    layer by layer at every batch, because Keras takes its preprocessor for a
    layer that is not built.

    Args:
        model: a `keras.Model` that takes the inputs of an encoder.

    Returns:
        A function from a dict of `token_ids`, `segment_ids` and
        `padding_mask`, int32 arrays (batch, length), to NumPy arrays,
        nested as the model's output. On JAX every new shape is compiled.
    """
    run = _BACKENDS[keras.config.backend()](model)

    def call(batch):
        return keras.tree.map_structure(
            lambda x: np.asarray(keras.ops.convert_to_numpy(x)), run(batch)
        )

    return call


def _tensorflow(model):
    import tensorflow as tf

    signature = {
        name: tf.TensorSpec((None, None), tf.int32)
        for name in ("token_ids", "segment_ids", "padding_mask")
    }

    @tf.function(input_signature=[signature])
    def run(batch):
        return model(batch, training=False)

    return run


def _jax(model):
    import jax

    @jax.jit
    def run(trainable, non_trainable, batch):
        outputs, _ = model.stateless_call(
            trainable, non_trainable, batch, training=False
        )
        return outputs

    def call(batch):
        return run(
            [v.value for v in model.trainable_variables],
            [v.value for v in model.non_trainable_variables],
            batch,
        )

    return call


def _torch(model):
    import torch

    def call(batch):
        with torch.inference_mode():
            return model(
                {k: keras.ops.convert_to_tensor(v) for k, v in batch.items()},
                training=False,
            )

    return call


_BACKENDS = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
