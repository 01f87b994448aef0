"""What stands between an encoder and the last layer of a task."""

import keras

from keras_rtd import kernels
from keras_rtd.layers.basic import Dense
from keras_rtd.layers.basic import LayerNormalization
from keras_rtd.layers.initializers import TruncatedNormal


@keras.saving.register_keras_serializable(package="keras_rtd")
class PredictionHead(keras.layers.Layer):
    """dense -> gelu -> LayerNorm without bias, as ModernBERT's tasks have it.

    Source: transformers, modeling_modernbert.py, `ModernBertPredictionHead`.

    Args:
        units: int. Width of input and output.
        activation: `"gelu"` or `"gelu_approximate"`. Defaults to `"gelu"`.
        layer_norm_epsilon: float. Defaults to 1e-5.
        kernel_stddev: float. Defaults to 0.02.

    Call arguments:
        x: (..., units).

    Returns:
        (..., units).
    """

    def __init__(
        self,
        units,
        activation="gelu",
        layer_norm_epsilon=1e-5,
        kernel_stddev=0.02,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units = units
        self.activation = activation
        self.layer_norm_epsilon = layer_norm_epsilon
        self.kernel_stddev = kernel_stddev
        self.dense = Dense(
            units,
            kernel_initializer=TruncatedNormal(kernel_stddev),
            dtype=self.dtype_policy,
            name="dense",
        )
        self.layer_norm = LayerNormalization(
            epsilon=layer_norm_epsilon,
            center=False,
            dtype=self.dtype_policy,
            name="layer_norm",
        )
        self.dense.build((None, units))
        self.layer_norm.build((None, units))
        self.built = True

    def call(self, x):
        tanh = self.activation == "gelu_approximate"
        return self.layer_norm(kernels.gelu(self.dense(x), approximate=tanh))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "activation": self.activation,
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "kernel_stddev": self.kernel_stddev,
        }
