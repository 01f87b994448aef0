"""The ModernBERT encoder."""

from typing import Any

import keras

from keras_rtd.layers import local_attention
from keras_rtd.layers.basic import LayerNormalization
from keras_rtd.layers.local_attention import AttentionBias
from keras_rtd.models.encoder_backbone import RtdBackbone
from keras_rtd.models.encoder_facts import EncoderFacts
from keras_rtd.models.modernbert import huggingface
from keras_rtd.models.modernbert.block import ElectraModernBlock
from keras_rtd.models.modernbert.citation import CITATION
from keras_rtd.models.modernbert.conversion import GLOBAL_EVERY
from keras_rtd.models.modernbert.presets import PRESETS
from keras_rtd.utils.types import Tensor


class ModernBertFacts(EncoderFacts):
    """No biases, three kernels in a feed-forward layer, local attention."""

    uses_positions = False
    use_bias = False
    feed_forward_kernels = 3
    first_attention_norm: bool
    final_norm_scale: bool
    local_attention_window: int | None

    @property
    def scale_input(self) -> bool:
        return not self.final_norm_scale

    @property
    def norm_in_heads(self) -> bool:
        return self.final_norm_scale

    def is_global(self, index: int) -> bool:
        """Whether the layer of this number attends to all tokens."""
        return self.local_attention_window is None or index % GLOBAL_EVERY == 0

    def keys_of_query(self, index: int, sequence_length: int) -> int:
        """Of a local layer of a long row, three chunks."""
        window = self.local_attention_window or 0
        if self.is_global(index) or not local_attention.is_chunked(
            sequence_length, window
        ):
            return sequence_length
        return 3 * (window // 2)

    def encoder_parameters(self) -> int:
        total = super().encoder_parameters()
        if not self.first_attention_norm:
            total -= self.hidden_dim
        # The final norm's scale; without, each head has one.
        return total + (self.hidden_dim if self.final_norm_scale else 0)


@keras.saving.register_keras_serializable(package="keras_rtd")
class ModernBertBackbone(ModernBertFacts, RtdBackbone):
    """The ModernBERT encoder (https://arxiv.org/abs/2412.13663, §2.1).

    With its default arguments it computes what `transformers`'
    `ModernBertModel` computes: LayerNorm before the sublayers (none before the
    first attention) and once more after the last, rotary positions, GeGLU, no
    biases, no segments, local attention in two layers of three.

    Args:
        vocabulary_size, num_layers, num_heads, hidden_dim: see `RtdBackbone`.
        intermediate_dim: int. Width of the feed-forward layers, which have
            three kernels of it.
        embedding_dim: int or `None`. As for `RtdBackbone`; `transformers` has
            `hidden_dim` only. Defaults to `None`.
        dropout: float. Defaults to 0.
        max_sequence_length: int. The longest rows that it is meant for; longer
            ones are computed too. Defaults to 8192.
        num_segments: int. `transformers` has none. Defaults to 0.
        layer_norm_epsilon: float. Defaults to 1e-5.
        kernel_stddev: float. Standard deviation of the kernels' initial
            values. Defaults to 0.02.
        output_stddev: float or `None`. The same of the two kernels of a layer
            that write to the residual. `None` takes
            `kernel_stddev / sqrt(2 * num_layers)`. Defaults to `None`.
        local_attention_window: int or `None`. Layers 1, 2, 4, 5, … attend to
            half this many tokens on either side. `None`: all layers attend to
            all tokens. Defaults to 128.
        global_rope_base, local_rope_base: float. Base of the rotary positions
            in layers that attend to all tokens, and in local ones. Default to
            160000 and 10000.
        first_attention_norm: bool. Whether the first layer normalises before
            its attention too. Defaults to `False`.
        final_norm_scale: bool. Whether the final norm has a scale. Without,
            each head scales its input: detection, one direction, drives most
            of its scale to zero; in the encoder, a task that is fine-tuned
            later would not see those channels. Defaults to `True`.
        activation, direction, embeddings, format_version, remat, dtype: see
            `RtdBackbone`.

    Inputs and outputs are those of `RtdBackbone`.

    Raises:
        ValueError: as `RtdBackbone`, and a window that is not an int of at
            least 2.

    Example:
    ```python
    encoder = keras_rtd.models.ModernBertBackbone(
        vocabulary_size=50368,
        num_layers=22,
        num_heads=12,
        hidden_dim=768,
        intermediate_dim=1152,
    )
    vectors = encoder(batch)["sequence_output"]
    ```
    """

    family = "modernbert"
    facts_cls = ModernBertFacts
    bundled_presets = PRESETS
    huggingface = huggingface
    citation = CITATION
    own_arguments = (
        "output_stddev",
        "local_attention_window",
        "global_rope_base",
        "local_rope_base",
        "first_attention_norm",
        "final_norm_scale",
    )
    tensor_parallel = {
        **RtdBackbone.tensor_parallel,
        "gate": RtdBackbone.tensor_parallel["intermediate"],
    }

    def __init__(
        self,
        vocabulary_size: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        intermediate_dim: int,
        embedding_dim: int | None = None,
        dropout: float = 0.0,
        max_sequence_length: int = 8192,
        num_segments: int = 0,
        activation: str = "gelu",
        layer_norm_epsilon: float = 1e-5,
        kernel_stddev: float = 0.02,
        output_stddev: float | None = None,
        local_attention_window: int | None = 128,
        global_rope_base: float = 160_000.0,
        local_rope_base: float = 10_000.0,
        first_attention_norm: bool = False,
        final_norm_scale: bool = True,
        **kwargs: Any,
    ) -> None:
        window = local_attention_window
        if window is not None and (not isinstance(window, int) or window < 2):
            raise ValueError(
                "`local_attention_window` must be an int of at least 2 or "
                f"None. Received: local_attention_window={window!r}"
            )
        self.output_stddev = output_stddev
        self.local_attention_window = window
        self.global_rope_base = global_rope_base
        self.local_rope_base = local_rope_base
        self.first_attention_norm = first_attention_norm
        self.final_norm_scale = final_norm_scale
        super().__init__(
            vocabulary_size=vocabulary_size,
            num_layers=num_layers,
            num_heads=num_heads,
            hidden_dim=hidden_dim,
            intermediate_dim=intermediate_dim,
            embedding_dim=embedding_dim,
            dropout=dropout,
            max_sequence_length=max_sequence_length,
            num_segments=num_segments,
            activation=activation,
            layer_norm_epsilon=layer_norm_epsilon,
            kernel_stddev=kernel_stddev,
            **kwargs,
        )

    def make_layer(self, index: int, **arguments: Any) -> keras.layers.Layer:
        everywhere = self.is_global(index)
        stddev = self.output_stddev
        if stddev is None:
            stddev = self.kernel_stddev / (2 * self.num_layers) ** 0.5
        return ElectraModernBlock(
            local_attention_window=(
                None if everywhere else self.local_attention_window
            ),
            normalize_attention_input=index > 0 or self.first_attention_norm,
            rope_base=(
                self.global_rope_base if everywhere else self.local_rope_base
            ),
            output_stddev=stddev,
            **arguments,
        )

    def make_final_norm(self, dtype: Any) -> keras.layers.Layer | None:
        return LayerNormalization(
            epsilon=self.layer_norm_epsilon,
            center=False,
            scale=self.final_norm_scale,
            dtype=dtype,
            name="final_norm",
        )

    def make_shared_layers(self, dtype: Any) -> None:
        self.local_attention_bias = None
        if self.local_attention_window is not None:
            self.local_attention_bias = AttentionBias(
                self.direction,
                self.local_attention_window,
                name="local_attention_bias",
            )

    def shared_tensors(
        self,
        padding_mask: Tensor,
        document_ids: Tensor | None = None,
        training: bool | None = None,
    ) -> dict[str, Tensor]:
        shared = super().shared_tensors(padding_mask, document_ids, training)
        if self.local_attention_bias is not None:
            shared["local_bias"] = self.local_attention_bias(
                padding_mask, document_ids
            )
        return shared

    def shared_by_layer(
        self, index: int, shared: dict[str, Tensor]
    ) -> tuple[Tensor, ...]:
        return (shared["bias" if self.is_global(index) else "local_bias"],)
