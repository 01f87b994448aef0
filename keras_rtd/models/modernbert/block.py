"""ModernBERT's Transformer layer."""

import keras

from keras_rtd.kernels import gelu
from keras_rtd.layers import local_attention
from keras_rtd.layers.encoder_block import EncoderBlock
from keras_rtd.models.modernbert.rotary import rotate


# The class's name is in the weight files of older presets.
@keras.saving.register_keras_serializable(package="keras_rtd")
class ElectraModernBlock(EncoderBlock):
    """Self-attention and gated feed-forward, each after its LayerNorm.

    Pre-norm, rotary positions, GeGLU (https://arxiv.org/abs/2002.05202), no
    biases: ModernBERT's layer (https://arxiv.org/abs/2412.13663, §2.1). The
    output of the last layer is not normalised.

    Args:
        num_heads: int. Attention heads; the width of each is even.
        intermediate_dim: int. Inner width of the feed-forward layer, of which
            there are two, one through GELU, multiplied with each other.
        local_attention_window: int or `None`. With one, a token attends to
            the `local_attention_window // 2` tokens on either side of it and
            to itself; the bias is then `local_attention.local_bias`. `None`
            attends to all. Defaults to `None`.
        normalize_attention_input: bool. `False` leaves out the LayerNorm before
            the attention, as in the first layer of ModernBERT. Defaults to
            `True`.
        rope_base: float. Base of the rotary positions' wavelengths. Defaults to
            10000.
        output_stddev: float or `None`. Initial standard deviation of the two
            kernels that write to the residual. `None` takes `kernel_stddev`.
            Defaults to `None`.
        **kwargs: as for `EncoderBlock`.

    Call arguments:
        x: (batch, length, hidden_dim).
        bias: float32, of `attention_bias`, or of `local_bias` with a window.

    Returns:
        (batch, length, hidden_dim).

    Raises:
        ValueError: heads of odd width.
    """

    use_bias = False

    def __init__(
        self,
        num_heads,
        intermediate_dim,
        local_attention_window=None,
        normalize_attention_input=True,
        rope_base=10_000.0,
        output_stddev=None,
        **kwargs,
    ):
        super().__init__(num_heads, intermediate_dim, **kwargs)
        self.local_attention_window = local_attention_window
        self.normalize_attention_input = normalize_attention_input
        self.rope_base = rope_base
        self.output_stddev = output_stddev

    def build(self, x_shape, shared_shape=None):
        width, inner = x_shape[-1], self.intermediate_dim
        if width // self.num_heads % 2:
            raise ValueError(
                "Rotary positions turn pairs of numbers: `hidden_dim / "
                f"num_heads` must be even. Received: {width} / {self.num_heads}"
            )
        self.attention_norm = None
        if self.normalize_attention_input:
            self.attention_norm = self._layer_norm("attention_norm", width)
        self.query = self._dense("query", width, width)
        self.key = self._dense("key", width, width)
        self.value = self._dense("value", width, width)
        self.attention_output = self._dense(
            "attention_output", width, width, self.output_stddev
        )
        self.intermediate_norm = self._layer_norm("intermediate_norm", width)
        self.gate = self._dense("gate", width, inner)
        self.intermediate = self._dense("intermediate", width, inner)
        self.output_dense = self._dense(
            "output_dense", inner, width, self.output_stddev
        )
        self.built = True

    def trace_key(self):
        return (
            *super().trace_key(),
            self.local_attention_window,
            self.normalize_attention_input,
            self.rope_base,
        )

    def body(self, x, bias, training=None):
        normed = x if self.attention_norm is None else self.attention_norm(x)
        attended = self.attention_output(
            self._self_attention(normed, bias, training)
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
            rotate(query, self.rope_base),
            rotate(key, self.rope_base),
            value,
            bias,
            self.attention_dropout,
            training,
        )

    def get_config(self):
        return {
            **super().get_config(),
            "local_attention_window": self.local_attention_window,
            "normalize_attention_input": self.normalize_attention_input,
            "rope_base": self.rope_base,
            "output_stddev": self.output_stddev,
        }
