"""Keras's Dense, LayerNormalization and Dropout with our own computation."""

import keras

from keras_rtd import kernels
from keras_rtd.layers.initializers import new_seed
from keras_rtd.utils.replicas import SeedGenerator


@keras.saving.register_keras_serializable(package="keras_rtd")
class Dense(keras.layers.Dense):
    """`keras.layers.Dense` with `kernels.project`. Keras's LoRA reaches it."""

    def call(self, inputs, training=None):
        x = kernels.project(inputs, self.kernel, self.bias)
        return x if self.activation is None else self.activation(x)


@keras.saving.register_keras_serializable(package="keras_rtd")
class LayerNormalization(keras.layers.LayerNormalization):
    """`keras.layers.LayerNormalization` over the last axis.

    Statistics are float32 whatever the compute dtype.
    """

    def call(self, inputs):
        return kernels.layer_norm(inputs, self.gamma, self.beta, self.epsilon)


@keras.saving.register_keras_serializable(package="keras_rtd")
class Dropout(keras.layers.Layer):
    """`keras.layers.Dropout` with other random numbers on every replica.

    Its random state is a variable that checkpoints hold: Keras takes
    PyTorch's global state unless a seed is given.

    Args:
        rate: float, from 0 up to 1.
        seed: int or `None` for one from Keras's global seed.

    Call arguments:
        inputs: tensor.
        training: bool. Nothing is dropped otherwise.
    """

    def __init__(self, rate, seed=None, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(
                f"`rate` must be from 0 up to 1. Received: rate={rate}"
            )
        self.rate = rate
        self.seed = seed
        if rate > 0:
            self.seed_generator = SeedGenerator(
                new_seed() if seed is None else seed
            )
        self.supports_masking = True
        self.built = True

    def call(self, inputs, training=None):
        if training and self.rate > 0:
            return keras.random.dropout(
                inputs, self.rate, seed=self.seed_generator
            )
        return inputs

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
