"""What the Transformer layers of all families share."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_rtd.kernels import attend
from keras_rtd.kernels import project
from keras_rtd.layers import shared_body
from keras_rtd.layers.basic import Dense
from keras_rtd.layers.basic import Dropout
from keras_rtd.layers.basic import LayerNormalization
from keras_rtd.layers.initializers import TruncatedNormal

ACTIVATIONS = ("gelu", "gelu_approximate")


class EncoderBlock(keras.layers.Layer):
    """A Transformer layer: subclasses make the weights in `build(x_shape,
    shared_shape=None)` and compute in `body(x, *shared, training=None)`.

    `body` is a pure function of its arguments and of this layer's variables:
    it is traced once for layers that agree in `trace_key`, and with `remat` it
    runs again for the gradient. `shared` are the tensors that the layers of
    one call share, as the backbone's `shared_by_layer` lists them: an attention
    bias, a table of relative positions.

    On disk query, key and value are separate 2-D kernels; at run time they
    are one matrix product. They are `keras.layers.Dense`, so Keras's LoRA
    reaches them.

    Args:
        num_heads: int. Attention heads; divides the width of the input.
        intermediate_dim: int. Width of the feed-forward layer.
        dropout: float. Dropout of both sublayers' outputs and of the
            attention weights. Defaults to 0.1.
        activation: `"gelu"` (erf, the reference's) or `"gelu_approximate"`
            (tanh, KerasHub's). Defaults to `"gelu"`.
        layer_norm_epsilon: float. Defaults to 1e-12.
        kernel_stddev: float. Of the kernels' initial values. Defaults to
            0.02.
        remat: bool. In training, compute the layer again for its gradient
            instead of keeping its activations. Not in the config: results do
            not depend on it. Defaults to `False`.

    Call arguments:
        x: (batch, length, hidden_dim).
        *shared: tensors; the first is the bias, float32, see `attention_bias`.

    Returns:
        (batch, length, hidden_dim).
    """

    use_bias = True
    initializer: type[TruncatedNormal] = TruncatedNormal
    # `call` itself.
    body: Callable[..., Any]

    def __init__(
        self,
        num_heads,
        intermediate_dim,
        dropout=0.1,
        activation="gelu",
        layer_norm_epsilon=1e-12,
        kernel_stddev=0.02,
        remat=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if activation not in ACTIVATIONS:
            raise ValueError(
                "`activation` must be 'gelu' or 'gelu_approximate'. "
                f"Received: activation={activation!r}"
            )
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.dropout = dropout
        self.activation = activation
        self.layer_norm_epsilon = layer_norm_epsilon
        self.kernel_stddev = kernel_stddev
        self.remat = remat
        self.attention_dropout = self._dropout("attention_dropout")
        self.hidden_dropout = self._dropout("hidden_dropout")

    def _dropout(self, name):
        return Dropout(self.dropout, dtype=self.dtype_policy, name=name)

    def _dense(self, name, input_dim, units, stddev=None):
        layer = Dense(
            units,
            use_bias=self.use_bias,
            kernel_initializer=self.initializer(stddev or self.kernel_stddev),
            dtype=self.dtype_policy,
            name=name,
        )
        layer.build((None, None, input_dim))
        return layer

    def _layer_norm(self, name, width):
        layer = LayerNormalization(
            epsilon=self.layer_norm_epsilon,
            center=self.use_bias,
            dtype=self.dtype_policy,
            name=name,
        )
        layer.build((None, None, width))
        return layer

    def call(self, x, *shared, training=None):
        recompute = bool(self.remat and training)
        if recompute or shared_body.helps():
            return shared_body.call(self, x, shared, training, recompute)
        return self.body(x, *shared, training=training)

    def trace_key(self):
        """A hashable: layers that agree in it share one traced body."""
        return (
            self.num_heads,
            self.dropout,
            self.activation,
            self.layer_norm_epsilon,
            self.compute_dtype,
        )

    def _self_attention(self, x, bias, training):
        parts = (self.query, self.key, self.value)
        kernel = ops.concatenate([p.kernel for p in parts], axis=1)
        qkv = project(x, kernel, self._offset() if self.use_bias else None)
        # A split, not slices: its gradient is one concatenation.
        query, key, value = map(self._heads, ops.split(qkv, 3, axis=-1))
        return self._joined(self._attend(query, key, value, bias, training))

    def _heads(self, x):
        """(batch, length, width) as (batch, heads, length, head_dim)."""
        shape = (-1, ops.shape(x)[1], self.num_heads)
        x = ops.reshape(x, (*shape, x.shape[-1] // self.num_heads))
        return ops.transpose(x, (0, 2, 1, 3))

    def _joined(self, x):
        """The inverse of `_heads`."""
        x = ops.transpose(x, (0, 2, 1, 3))
        return ops.reshape(x, (-1, ops.shape(x)[1], x.shape[2] * x.shape[3]))

    def _offset(self):
        """What is added to query, key and value."""
        # The softmax ignores what a key's bias adds, so its gradient is zero;
        # said here, because what rounding leaves of it is noise.
        key_bias = ops.stop_gradient(self.key.bias) + 0.0 * self.key.bias
        return ops.concatenate(
            [self.query.bias, key_bias, self.value.bias], axis=0
        )

    def _attend(self, query, key, value, bias, training):
        return attend(query, key, value, bias, self.attention_dropout, training)

    def compute_output_spec(self, x, *shared, training=None):
        return keras.KerasTensor(x.shape, dtype=self.compute_dtype)

    def get_config(self):
        config = super().get_config()
        config.update(
            {
                "num_heads": self.num_heads,
                "intermediate_dim": self.intermediate_dim,
                "dropout": self.dropout,
                "activation": self.activation,
                "layer_norm_epsilon": self.layer_norm_epsilon,
                "kernel_stddev": self.kernel_stddev,
            }
        )
        return config
