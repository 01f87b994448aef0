"""What the encoders of all families share."""

import os
from typing import Any
from typing import Self

import keras
import keras_hub

from keras_rtd.layers.attention import DIRECTIONS
from keras_rtd.layers.local_attention import AttentionBias
from keras_rtd.models.encoder_family import EncoderFamily
from keras_rtd.models.encoder_family import FamilyType
from keras_rtd.models.preset_files import check_configs
from keras_rtd.models.preset_files import check_weights
from keras_rtd.models.preset_files import store_plain_dtype
from keras_rtd.models.text_task import PlainWeights
from keras_rtd.tokenizers.electra_tokenizer import ElectraTokenizer
from keras_rtd.utils.setting import check_int
from keras_rtd.utils.types import Path
from keras_rtd.utils.types import Tensor

FORMAT_VERSION = 1

SIZES = (
    "vocabulary_size",
    "num_layers",
    "num_heads",
    "hidden_dim",
    "embedding_dim",
    "intermediate_dim",
    "max_sequence_length",
    "num_segments",
)


class RtdBackbone(
    PlainWeights,
    EncoderFamily,
    keras_hub.models.Backbone,
    metaclass=FamilyType,
):
    """An encoder: embeddings, projection, Transformer layers.

    A family is a subclass with a `family` name, registered with
    `keras_rtd.models.families.register`. It makes its layers in `make_layer`
    and overrides what else of `EncoderFamily` and `EncoderFacts` differs.

    Args:
        vocabulary_size: int. Number of tokens.
        num_layers: int. Number of Transformer layers.
        num_heads: int. Attention heads; divides `hidden_dim`.
        hidden_dim: int. Width of the encoder.
        embedding_dim: int or `None`. Width of the embeddings; a projection
            follows where it differs from `hidden_dim`. `None` takes that.
        intermediate_dim: int. Width of the feed-forward layers.
        dropout: float. Dropout rate everywhere. Defaults to 0.1.
        max_sequence_length: int. Number of positions. Defaults to 512.
        num_segments: int. Number of segments. 0 for none: `segment_ids` are
            then ignored. Defaults to 2.
        activation: `"gelu"` (erf) or `"gelu_approximate"` (tanh, as KerasHub
            computes it). Defaults to `"gelu"`.
        layer_norm_epsilon: float. Defaults to 1e-12.
        kernel_stddev: float. Standard deviation of the kernels' initial
            values. Defaults to 0.02, the reference's; narrow encoders learn
            sooner with more.
        direction: `"bidirectional"`, `"left_to_right"` (a token gathers from
            itself and the tokens before it) or `"right_to_left"`. Defaults
            to `"bidirectional"`.
        embeddings: an `ElectraEmbedding` to share, or `None` to make one.
            Not part of the config: who shares it says so again.
        format_version: int. The layout of the weights on disk.
        remat: bool. In training, keep only the tensors between layers and
            compute the rest again for the gradient: much less memory, a third
            more work. Not part of the config. Defaults to `False`.
        dtype: dtype policy of the computation, e.g. `"mixed_bfloat16"`.

    Inputs: dict of `token_ids`, `segment_ids` (int32) and `padding_mask`
    (int32 or bool), each (batch, length). `document_ids` int32 (batch,
    length) may be among them: where several documents share a row, tokens
    attend to those of the same number, and positions count within.

    Outputs: dict of `sequence_output` (batch, length, hidden_dim) and
    `pooled_output` (batch, hidden_dim), the vector of [CLS] as it is.

    Raises:
        ValueError: a size that is not a positive int, `hidden_dim` not
            divisible by `num_heads`, or shared embeddings of another kind.

    Example:
    ```python
    class MyBackbone(RtdBackbone):
        family = "mine"

        def make_layer(self, index, **arguments):
            return MyBlock(**arguments)  # a `keras_rtd.layers` EncoderBlock
    ```
    """

    pipeline_tag = "feature-extraction"

    def __init__(
        self,
        vocabulary_size: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        embedding_dim: int | None,
        intermediate_dim: int,
        dropout: float = 0.1,
        max_sequence_length: int = 512,
        num_segments: int = 2,
        activation: str = "gelu",
        layer_norm_epsilon: float = 1e-12,
        kernel_stddev: float = 0.02,
        direction: str = "bidirectional",
        embeddings: keras.layers.Layer | None = None,
        format_version: int = FORMAT_VERSION,
        remat: bool = False,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        embedding_dim = hidden_dim if embedding_dim is None else embedding_dim
        arguments = locals()
        for name in SIZES:
            least = 0 if name == "num_segments" else 1
            check_int(name, arguments[name], least)
        if hidden_dim % num_heads:
            raise ValueError(
                "`hidden_dim` must be divisible by `num_heads`. Received: "
                f"hidden_dim={hidden_dim}, num_heads={num_heads}"
            )
        if direction not in DIRECTIONS:
            raise ValueError(
                f"`direction` must be one of {', '.join(DIRECTIONS)}. "
                f"Received: direction={direction!r}"
            )
        if format_version != FORMAT_VERSION:
            raise ValueError(
                f"These weights are of format_version={format_version}; this "
                f"keras_rtd reads {FORMAT_VERSION}. Install the keras_rtd "
                "that wrote them."
            )
        self._check_embeddings(embeddings, num_segments)
        self.vocabulary_size = vocabulary_size
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.hidden_dim = hidden_dim
        self.embedding_dim = embedding_dim
        self.intermediate_dim = intermediate_dim
        self.dropout = dropout
        self.max_sequence_length = max_sequence_length
        self.num_segments = num_segments
        self.activation = activation
        self.layer_norm_epsilon = layer_norm_epsilon
        self.kernel_stddev = kernel_stddev
        self.direction = direction
        self.format_version = format_version

        # === Layers ===
        self.embeddings = embeddings or self.make_embeddings(
            vocabulary_size=vocabulary_size,
            embedding_dim=embedding_dim,
            max_sequence_length=max_sequence_length,
            num_segments=num_segments,
            dropout=dropout,
            layer_norm_epsilon=layer_norm_epsilon,
            use_positions=self.uses_positions,
            use_bias=self.use_bias,
            dtype=dtype,
            name="embeddings",
        )
        self.embeddings_projection = self.make_embeddings_projection(dtype)
        self.transformer_layers = [
            self.make_layer(
                i,
                name=f"transformer_layer_{i}",
                num_heads=num_heads,
                intermediate_dim=intermediate_dim,
                dropout=dropout,
                activation=activation,
                layer_norm_epsilon=layer_norm_epsilon,
                kernel_stddev=kernel_stddev,
                remat=remat,
                dtype=dtype,
            )
            for i in range(num_layers)
        ]
        self.final_norm = self.make_final_norm(dtype)
        self.attention_bias = AttentionBias(direction, name="attention_bias")
        # Shared embeddings have one rate; an encoder without dropout has none
        # there either.
        self._drops_embeddings = dropout > 0
        self.make_shared_layers(dtype)

        # === Functional model ===
        inputs = {
            name: keras.Input((None,), dtype="int32", name=name)
            for name in ("token_ids", "segment_ids", "padding_mask")
        }
        super().__init__(
            inputs=inputs,
            outputs=self._encode(**inputs),
            dtype=dtype,
            **kwargs,
        )

    def _check_embeddings(self, embeddings, num_segments):
        if embeddings is None:
            return
        for name, wanted in (
            ("use_positions", self.uses_positions),
            ("use_bias", self.use_bias),
            ("num_segments", num_segments),
        ):
            found = getattr(embeddings, name)
            if found != wanted:
                raise ValueError(
                    f"Shared `embeddings` have {name}={found}. The family "
                    f"{self.family!r} needs here: {wanted}"
                )

    # === Forward pass ===

    def _encode(
        self,
        token_ids,
        segment_ids,
        padding_mask,
        document_ids=None,
        training=None,
    ):
        shared = self.shared_tensors(padding_mask, document_ids, training)
        x = self.embeddings(
            token_ids,
            segment_ids,
            document_ids,
            training=training,
            drop=self._drops_embeddings,
        )
        if self.embeddings_projection is not None:
            x = self.embeddings_projection(x, training=training)
        x = self.run_layers(x, shared, document_ids, training)
        if self.final_norm is not None:
            x = self.final_norm(x)
        return {"sequence_output": x, "pooled_output": x[:, 0, :]}

    def call(
        self, inputs: Any, training: bool | None = None, mask: Any = None
    ) -> dict[str, Tensor]:
        # An input of the functional model is one of every SavedModel and task
        # too; documents share rows in pre-training only.
        if "document_ids" in inputs:
            return self._encode(**inputs, training=training)
        return super().call(inputs, training=training, mask=mask)

    @classmethod
    def from_preset(
        cls, preset: str, load_weights: bool = True, **kwargs: Any
    ) -> Self:
        """As `keras_hub.models.Backbone.from_preset`.

        Raises:
            ValueError: a preset without weights and `load_weights=True`.
        """
        if os.path.isdir(preset):
            check_configs(preset)
        if load_weights:
            check_weights(cls, preset)
        return super().from_preset(preset, load_weights, **kwargs)

    def save_to_preset(
        self, preset_dir: Path, max_shard_size: float = 10
    ) -> None:
        """As `keras_hub.models.Backbone.save_to_preset`.

        A mixed dtype policy is written as float32, the dtype of its weights:
        it is a matter of the machine, and KerasHub loads no task whose encoder
        has one. `from_preset(..., dtype=...)` chooses again.
        """
        super().save_to_preset(preset_dir, max_shard_size=max_shard_size)
        store_plain_dtype(preset_dir)

    @property
    def token_embedding(self) -> keras.layers.Layer:
        """The shared `ElectraEmbedding` layer."""
        return self.embeddings

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.update({name: getattr(self, name) for name in self.arguments()})
        return config

    @classmethod
    def arguments(cls) -> tuple[str, ...]:
        """Names of the arguments that the config holds."""
        return (*SIZES, *_OPTIONS, *cls.own_arguments)


_OPTIONS = (
    "dropout",
    "activation",
    "layer_norm_epsilon",
    "kernel_stddev",
    "direction",
    "format_version",
)


# KerasHub finds the tokenizer of a preset by this; see `FamilyType`.
ElectraTokenizer.backbone_cls = RtdBackbone
