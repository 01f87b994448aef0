"""The Transformer layer of newer encoders."""

import keras

from keras_rtd.kernels import gelu
from keras_rtd.layers import local_attention
from keras_rtd.layers.encoder_block import ElectraEncoderBlock
from keras_rtd.layers.rotary import rotate


@keras.saving.register_keras_serializable(package="keras_rtd")
class ElectraModernBlock(ElectraEncoderBlock):
    """Self-attention and gated feed-forward, each after its LayerNorm.

    Pre-norm, rotary positions, GeGLU (https://arxiv.org/abs/2002.05202), no
    biases: ModernBERT's layer (https://arxiv.org/abs/2412.13663, §2.1), but
    that the first layer of an encoder normalises too, so that all are alike.
    What leaves the last layer is not normalised.

    Args:
        num_heads: int. Attention heads; the width of each is even.
        intermediate_dim: int. Inner width of the feed-forward layer, of which
            there are two, one through GELU, multiplied with each other.
        local_attention_window: int or `None`. With one, a token attends to
            the `local_attention_window // 2` tokens on either side of it and
            to itself; the bias is then `local_attention.local_bias`. `None`
            attends to all. Defaults to `None`.
        **kwargs: as for `ElectraEncoderBlock`.

    Call arguments, returns: as of `ElectraEncoderBlock`.

    Raises:
        ValueError: heads of odd width.
    """

    use_bias = False

    def __init__(
        self, num_heads, intermediate_dim, local_attention_window=None, **kwargs
    ):
        super().__init__(num_heads, intermediate_dim, **kwargs)
        self.local_attention_window = local_attention_window

    def build(self, x_shape, bias_shape=None):
        width, inner = x_shape[-1], self.intermediate_dim
        if width // self.num_heads % 2:
            raise ValueError(
                "Rotary positions turn pairs of numbers: `hidden_dim / "
                f"num_heads` must be even. Received: {width} / {self.num_heads}"
            )
        self.attention_norm = self._layer_norm("attention_norm", width)
        self.query = self._dense("query", width, width)
        self.key = self._dense("key", width, width)
        self.value = self._dense("value", width, width)
        self.attention_output = self._dense("attention_output", width, width)
        self.intermediate_norm = self._layer_norm("intermediate_norm", width)
        self.gate = self._dense("gate", width, inner)
        self.intermediate = self._dense("intermediate", width, inner)
        self.output_dense = self._dense("output_dense", inner, width)
        self.built = True

    def likeness(self):
        return (*super().likeness(), self.local_attention_window)

    def body(self, x, bias, training=None):
        attended = self.attention_output(
            self._self_attention(self.attention_norm(x), bias, training)
        )
        x = x + self.hidden_dropout(attended, training=training)
        normed = self.intermediate_norm(x)
        opening = gelu(
            self.gate(normed),
            approximate=self.activation == "gelu_approximate",
        )
        hidden = self.output_dense(opening * self.intermediate(normed))
        return x + self.hidden_dropout(hidden, training=training)

    def _attend(self, query, key, value, bias, training):
        return local_attention.attend_within(
            self.local_attention_window,
            rotate(query),
            rotate(key),
            value,
            bias,
            self.attention_dropout,
            training,
        )

    def get_config(self):
        return {
            **super().get_config(),
            "local_attention_window": self.local_attention_window,
        }
