"""The DeBERTaV3 encoder."""

import functools
from collections.abc import Sequence
from typing import Any

import keras

from keras_rtd import kernels
from keras_rtd.layers.basic import Dense
from keras_rtd.layers.initializers import Normal
from keras_rtd.models.deberta_v3 import huggingface
from keras_rtd.models.deberta_v3 import keras_hub
from keras_rtd.models.deberta_v3.block import DebertaV3Block
from keras_rtd.models.deberta_v3.citation import CITATION
from keras_rtd.models.deberta_v3.facts import DebertaV3Facts
from keras_rtd.models.deberta_v3.heads import DebertaV3DetectionHead
from keras_rtd.models.deberta_v3.heads import DebertaV3MaskedLMHead
from keras_rtd.models.deberta_v3.layers import DebertaV3Embedding
from keras_rtd.models.deberta_v3.layers import DecoderPositions
from keras_rtd.models.deberta_v3.layers import EmbeddingsProjection
from keras_rtd.models.deberta_v3.layers import RelativeEmbedding
from keras_rtd.models.deberta_v3.positions import table_rows
from keras_rtd.models.deberta_v3.presets import PRESETS
from keras_rtd.models.encoder_backbone import RtdBackbone
from keras_rtd.utils.setting import check_int
from keras_rtd.utils.types import Tensor

# The terms of a score beside that of query and key.
POSITION_TERMS = ("c2p", "p2c")


@keras.saving.register_keras_serializable(package="keras_rtd")
class DebertaV3Backbone(DebertaV3Facts, RtdBackbone):
    """The DeBERTaV3 encoder (https://arxiv.org/abs/2111.09543).

    With its default arguments it computes what Microsoft's code computes:
    BERT's layers with disentangled attention (https://arxiv.org/abs/2006.03654,
    §3.1), no absolute positions, no segments. Vectors of padding mean nothing.

    Args:
        vocabulary_size, num_layers, num_heads, hidden_dim, intermediate_dim:
            see `RtdBackbone`.
        embedding_dim: int or `None`. Width of the embeddings, which are
            projected before their LayerNorm where it differs from
            `hidden_dim`. Defaults to `None`: `hidden_dim`.
        dropout: float. Dropout rate everywhere. Defaults to 0.1.
        max_sequence_length: int. Number of absolute positions; without them,
            the longest rows that the encoder is meant for. Defaults to 512.
        num_segments: int. Defaults to 0: no segments.
        layer_norm_epsilon: float. Defaults to 1e-7.
        bucket_size: int or `None`. Buckets of distances on either side: half
            of them hold one distance each, the others ever more. `None`: each
            distance has a row of its own. Defaults to 256.
        max_relative_positions: int or `None`. Distances from here on are
            clipped. `None` takes `max_sequence_length`. Defaults to `None`.
        position_attention: sequence of `"c2p"` (the query's content with the
            key's position) and `"p2c"` (the query's position with the key's
            content). Defaults to both.
        share_attention_key: bool. Whether relative positions are projected by
            the kernels of query and key. Defaults to `True`.
        normalize_relative_embedding: bool. Whether a LayerNorm follows the
            table of relative positions. Defaults to `True`.
        absolute_positions: bool. Whether absolute positions are added to the
            embeddings. Defaults to `False`.
        enhanced_mask_decoder: bool. For generators: absolute positions are
            added to the output of the last layer but one; the sum attends to
            that output through the last layer, and the result once more. It
            changes nothing with `absolute_positions`. Defaults to `False`;
            `from_preset` makes generators with `True`.
        activation, kernel_stddev, direction, embeddings, format_version,
            remat, dtype: see `RtdBackbone`. `embeddings` is a
            `DebertaV3Embedding`.

    Inputs and outputs are those of `RtdBackbone`.

    Raises:
        ValueError: as `RtdBackbone`; `position_attention` that is empty or
            holds another term; fewer than 2 layers with
            `enhanced_mask_decoder`; fewer than 2 buckets.

    Example:
    ```python
    encoder = keras_rtd.models.DebertaV3Backbone(
        vocabulary_size=32000,
        num_layers=12,
        num_heads=6,
        hidden_dim=384,
        intermediate_dim=1536,
    )
    vectors = encoder(batch)["sequence_output"]
    ```
    """

    family = "deberta_v3"
    facts_cls = DebertaV3Facts
    bundled_presets = PRESETS
    exports_to = ("keras_hub",)
    huggingface = huggingface
    keras_hub = keras_hub
    citation = CITATION
    generator_arguments = {"enhanced_mask_decoder": True}
    spare_tokens = 127
    own_arguments = (
        "bucket_size",
        "max_relative_positions",
        "position_attention",
        "share_attention_key",
        "normalize_relative_embedding",
        "absolute_positions",
        "enhanced_mask_decoder",
    )
    tensor_parallel = {
        **RtdBackbone.tensor_parallel,
        "position_query": RtdBackbone.tensor_parallel["query"],
        "position_key": RtdBackbone.tensor_parallel["key"],
    }

    def __init__(
        self,
        vocabulary_size: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        intermediate_dim: int,
        embedding_dim: int | None = None,
        dropout: float = 0.1,
        max_sequence_length: int = 512,
        num_segments: int = 0,
        activation: str = "gelu",
        layer_norm_epsilon: float = 1e-7,
        kernel_stddev: float = 0.02,
        bucket_size: int | None = 256,
        max_relative_positions: int | None = None,
        position_attention: Sequence[str] = POSITION_TERMS,
        share_attention_key: bool = True,
        normalize_relative_embedding: bool = True,
        absolute_positions: bool = False,
        enhanced_mask_decoder: bool = False,
        **kwargs: Any,
    ) -> None:
        if max_relative_positions is None:
            max_relative_positions = max_sequence_length
        check_int("max_relative_positions", max_relative_positions, 2)
        if bucket_size is not None:
            check_int("bucket_size", bucket_size, 2)
        terms = list(position_attention)
        if not terms or not set(terms) <= set(POSITION_TERMS):
            raise ValueError(
                "`position_attention` must hold one or both of "
                f"{', '.join(POSITION_TERMS)}. Received: {terms}"
            )
        if enhanced_mask_decoder and num_layers < 2:
            raise ValueError(
                "`enhanced_mask_decoder` needs at least 2 layers. Received: "
                f"num_layers={num_layers}"
            )
        self.bucket_size = bucket_size
        self.max_relative_positions = max_relative_positions
        self.position_attention = terms
        self.share_attention_key = share_attention_key
        self.normalize_relative_embedding = normalize_relative_embedding
        self.absolute_positions = absolute_positions
        self.enhanced_mask_decoder = enhanced_mask_decoder
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

    @classmethod
    def generator_config(cls, config: dict[str, Any]) -> dict[str, Any]:
        """As wide as the encoder, and half as deep."""
        return {**config, "num_layers": max(2, config["num_layers"] // 2)}

    def make_layer(self, index: int, **arguments: Any) -> keras.layers.Layer:
        return DebertaV3Block(
            bucket_size=self.bucket_size,
            max_relative_positions=self.max_relative_positions,
            position_attention=self.position_attention,
            share_attention_key=self.share_attention_key,
            **arguments,
        )

    def make_embeddings(self, **arguments: Any) -> keras.layers.Layer:
        return DebertaV3Embedding(**arguments)

    def make_embeddings_projection(
        self, dtype: Any
    ) -> keras.layers.Layer | None:
        return EmbeddingsProjection(
            self.hidden_dim,
            dropout=self.dropout,
            layer_norm_epsilon=self.layer_norm_epsilon,
            kernel_stddev=self.kernel_stddev,
            dtype=dtype,
            name="embeddings_projection",
        )

    def make_shared_layers(self, dtype: Any) -> None:
        self.relative_embedding = RelativeEmbedding(
            table_rows(self.bucket_size, self.max_relative_positions),
            self.hidden_dim,
            normalize=self.normalize_relative_embedding,
            layer_norm_epsilon=self.layer_norm_epsilon,
            kernel_stddev=self.kernel_stddev,
            dtype=dtype,
            name="relative_embedding",
        )
        self.decoder_positions = None
        if self.decodes:
            self.decoder_positions = DecoderPositions(
                self.max_sequence_length,
                self.hidden_dim,
                kernel_stddev=self.kernel_stddev,
                dtype=dtype,
                name="decoder_positions",
            )

    def input_layers(self) -> list[keras.layers.Layer]:
        return [*super().input_layers(), self.relative_embedding]

    def shared_tensors(
        self,
        padding_mask: Tensor,
        document_ids: Tensor | None = None,
        training: bool | None = None,
    ) -> dict[str, Tensor]:
        shared = super().shared_tensors(padding_mask, document_ids, training)
        return {**shared, "relative": self.relative_embedding(padding_mask)}

    def shared_by_layer(
        self, index: int, shared: dict[str, Tensor]
    ) -> tuple[Tensor, ...]:
        return shared["bias"], shared["relative"]

    def run_layers(
        self,
        x: Tensor,
        shared: dict[str, Tensor],
        document_ids: Tensor | None = None,
        training: bool | None = None,
    ) -> Tensor:
        if self.decoder_positions is None:
            return super().run_layers(x, shared, document_ids, training)
        *first, last = self.transformer_layers
        given = self.shared_by_layer(0, shared)
        for layer in first:
            x = layer(x, *given, training=training)
        query = self.decoder_positions(x, document_ids)
        for _ in range(2):
            query = last(x, *given, query, training=training)
        return query

    def make_masked_lm_head(
        self, width: int | None = None, name: str = "masked_lm_head"
    ) -> DebertaV3MaskedLMHead:
        return DebertaV3MaskedLMHead.of(self, width, name)

    def make_text_head(self, dtype: Any = None) -> keras.layers.Layer:
        """transformers' `ContextPooler`."""
        tanh = self.activation == "gelu_approximate"
        head = Dense(
            self.hidden_dim,
            activation=functools.partial(kernels.gelu, approximate=tanh),
            kernel_initializer=Normal(self.kernel_stddev),
            dtype=dtype or self.dtype_policy,
            name="prediction_head",
        )
        head.build((None, self.hidden_dim))
        return head

    def make_detection_head(self) -> DebertaV3DetectionHead:
        head = DebertaV3DetectionHead(
            activation=self.activation,
            kernel_stddev=self.kernel_stddev,
            layer_norm_epsilon=self.layer_norm_epsilon,
            dtype=self.dtype_policy,
            name="detection_head",
        )
        head.build((None, None, self.hidden_dim))
        return head
