"""ELECTRA's Transformer layer."""

import keras

from keras_rtd.kernels import gelu_dense
from keras_rtd.layers.encoder_block import EncoderBlock


@keras.saving.register_keras_serializable(package="keras_rtd")
class ElectraEncoderBlock(EncoderBlock):
    """Self-attention and feed-forward, each with post-LayerNorm (BERT's).

    Source: google-research/electra, model/modeling.py, `transformer_model`.

    Args:
        **kwargs: as for `EncoderBlock`.

    Call arguments:
        x: (batch, length, hidden_dim).
        bias: float32, see `attention_bias`.

    Returns:
        (batch, length, hidden_dim).
    """

    def build(self, x_shape, shared_shape=None):
        width, inner = x_shape[-1], self.intermediate_dim
        self.query = self._dense("query", width, width)
        self.key = self._dense("key", width, width)
        self.value = self._dense("value", width, width)
        self.attention_output = self._dense("attention_output", width, width)
        self.attention_norm = self._layer_norm("attention_norm", width)
        self.intermediate = self._dense("intermediate", width, inner)
        self.output_dense = self._dense("output_dense", inner, width)
        self.output_norm = self._layer_norm("output_norm", width)
        self.built = True

    def body(self, x, bias, training=None):
        attended = self.attention_output(
            self._self_attention(x, bias, training)
        )
        attended = self.hidden_dropout(attended, training=training)
        x = self.attention_norm(x + attended)
        hidden = gelu_dense(
            self.intermediate(x),
            self.output_dense,
            approximate=self.activation == "gelu_approximate",
        )
        hidden = self.hidden_dropout(hidden, training=training)
        return self.output_norm(x + hidden)
