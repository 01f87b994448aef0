"""The ELECTRA encoder."""

import keras
import keras_hub

from keras_rtd.layers import blocks
from keras_rtd.layers.attention import DIRECTIONS
from keras_rtd.layers.basic import Dense
from keras_rtd.layers.basic import LayerNormalization
from keras_rtd.layers.embedding import ElectraEmbedding
from keras_rtd.layers.initializers import GlorotUniform
from keras_rtd.layers.local_attention import AttentionBias
from keras_rtd.models.preset_files import check_weights
from keras_rtd.models.stored_dtype import store_plain_dtype
from keras_rtd.tokenizers.electra_tokenizer import ElectraTokenizer
from keras_rtd.utils.writing import SavesPreset

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

OPTIONS = (
    "dropout",
    "activation",
    "layer_norm_epsilon",
    "kernel_stddev",
    "block",
    "local_attention_window",
)


@keras.saving.register_keras_serializable(package="keras_rtd")
class ElectraBackbone(SavesPreset, keras_hub.models.Backbone):
    """The ELECTRA encoder: embeddings, projection, Transformer layers.

    Equal to google-research/electra's `BertModel` with `embedding_size`
    (model/modeling.py): erf-gelu, post-LayerNorm, no pooler. With
    `block="modern"` the layers are ModernBERT's (`ElectraModernBlock`): rotary
    positions in place of learned ones, LayerNorm before the sublayers and once
    more after the last, GeGLU, and no biases.

    Args:
        vocabulary_size: int. Number of tokens.
        num_layers: int. Number of Transformer layers.
        num_heads: int. Attention heads; divides `hidden_dim`.
        hidden_dim: int. Width of the encoder.
        embedding_dim: int. Width of the embeddings; a projection follows
            where it differs from `hidden_dim`.
        intermediate_dim: int. Width of the feed-forward layers. A modern
            layer has two kernels of it where a classic one has one.
        dropout: float. Dropout rate everywhere. Defaults to 0.1.
        max_sequence_length: int. Number of positions; modern layers take
            longer rows too. Defaults to 512.
        num_segments: int. Number of segments. Defaults to 2.
        activation: `"gelu"` (erf) or `"gelu_approximate"` (tanh, as KerasHub
            computes it). Defaults to `"gelu"`.
        layer_norm_epsilon: float. Defaults to 1e-12.
        kernel_stddev: float. Of the kernels' initial values. Defaults to
            0.02, the reference's; narrow encoders learn sooner with more.
        block: `"classic"` or `"modern"`. Defaults to `"classic"`.
        local_attention_window: int or `None`. For long rows of modern layers:
            every third layer, from the first on, attends to everything, the
            others to this many tokens around each. `None`: all to everything.
            Defaults to `None`.
        direction: `"bidirectional"`, `"left_to_right"` (a token gathers from
            itself and what stands before it) or `"right_to_left"`. Defaults
            to `"bidirectional"`.
        embeddings: an `ElectraEmbedding` to share, or `None` to make one.
            Not part of the config: who shares it says so again.
        format_version: int. The layout of the weights on disk.
        remat: bool. In training, keep only what goes from layer to layer and
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
            divisible by `num_heads`, a window for classic layers, or shared
            embeddings made for other layers.

    Example:
    ```python
    encoder = keras_rtd.models.ElectraBackbone.from_preset("runs/mine")
    vectors = encoder(batch)["sequence_output"]
    ```
    """

    def __init__(
        self,
        vocabulary_size,
        num_layers,
        num_heads,
        hidden_dim,
        embedding_dim,
        intermediate_dim,
        dropout=0.1,
        max_sequence_length=512,
        num_segments=2,
        activation="gelu",
        layer_norm_epsilon=1e-12,
        kernel_stddev=0.02,
        block="classic",
        local_attention_window=None,
        direction="bidirectional",
        embeddings=None,
        format_version=FORMAT_VERSION,
        remat=False,
        dtype=None,
        **kwargs,
    ):
        arguments = locals()
        for name in SIZES:
            _check_size(name, arguments[name])
        if hidden_dim % num_heads:
            raise ValueError(
                "`hidden_dim` must be divisible by `num_heads`. Received: "
                f"hidden_dim={hidden_dim}, num_heads={num_heads}"
            )
        blocks.check(block, local_attention_window, embeddings)
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

        # === Layers ===
        self.embeddings = embeddings or ElectraEmbedding(
            vocabulary_size=vocabulary_size,
            embedding_dim=embedding_dim,
            max_sequence_length=max_sequence_length,
            num_segments=num_segments,
            dropout=dropout,
            layer_norm_epsilon=layer_norm_epsilon,
            block=block,
            dtype=dtype,
            name="embeddings",
        )
        self.embeddings_projection = None
        if hidden_dim != embedding_dim:
            # Glorot's initialisation, as the reference's `tf.layers.dense`.
            self.embeddings_projection = Dense(
                hidden_dim,
                use_bias=block == "classic",
                kernel_initializer=GlorotUniform(),
                dtype=dtype,
                name="embeddings_projection",
            )
        self.transformer_layers = blocks.make_layers(
            block,
            num_layers,
            local_attention_window,
            num_heads=num_heads,
            intermediate_dim=intermediate_dim,
            dropout=dropout,
            activation=activation,
            layer_norm_epsilon=layer_norm_epsilon,
            kernel_stddev=kernel_stddev,
            remat=remat,
            dtype=dtype,
        )
        self.final_norm = None
        if block == "modern":
            # Each head scales for itself: see `heads.input_scale`.
            self.final_norm = LayerNormalization(
                epsilon=layer_norm_epsilon,
                center=False,
                scale=False,
                dtype=dtype,
                name="final_norm",
            )
        self.attention_bias = AttentionBias(direction, name="attention_bias")
        self.local_attention_bias = None
        if local_attention_window is not None:
            self.local_attention_bias = AttentionBias(
                direction, local_attention_window, name="local_attention_bias"
            )
        # Shared embeddings have one rate; an encoder without dropout has none
        # there either.
        self._drops_embeddings = dropout > 0

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

        # === Config ===
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
        self.block = block
        self.local_attention_window = local_attention_window
        self.direction = direction
        self.format_version = format_version

    def _encode(
        self,
        token_ids,
        segment_ids,
        padding_mask,
        document_ids=None,
        training=None,
    ):
        x, biases = self._embed(
            token_ids,
            segment_ids,
            padding_mask,
            document_ids,
            training,
        )
        x = self._run_layers(
            x, biases, 0, len(self.transformer_layers), training
        )
        return self._named(x)

    def _embed(
        self,
        token_ids,
        segment_ids,
        padding_mask,
        document_ids=None,
        training=None,
    ):
        """What the first layer reads, and what layers may attend to."""
        bias = self.attention_bias(padding_mask, document_ids)
        local = bias
        if self.local_attention_bias is not None:
            local = self.local_attention_bias(padding_mask, document_ids)
        x = self.embeddings(
            token_ids,
            segment_ids,
            document_ids,
            training=training,
            drop=self._drops_embeddings,
        )
        if self.embeddings_projection is not None:
            x = self.embeddings_projection(x)
        return x, (bias, local)

    def _run_layers(self, x, biases, first, end, training):
        for i in range(first, end):
            seen = biases[0] if blocks.is_global(i) else biases[1]
            x = self.transformer_layers[i](x, seen, training=training)
        return x

    def _named(self, x):
        if self.final_norm is not None:
            x = self.final_norm(x)
        return {"sequence_output": x, "pooled_output": x[:, 0, :]}

    def call(self, inputs, training=None, mask=None):
        # An input of the functional model is one of every SavedModel and task
        # too; documents share rows in pre-training only.
        if "document_ids" in inputs:
            return self._encode(**inputs, training=training)
        return super().call(inputs, training=training, mask=mask)

    @classmethod
    def from_preset(cls, preset, load_weights=True, **kwargs):
        """As `keras_hub.models.Backbone.from_preset`.

        Raises:
            ValueError: a preset without weights and `load_weights=True`.
        """
        if load_weights:
            check_weights(cls, preset)
        return super().from_preset(preset, load_weights, **kwargs)

    def save_to_preset(self, preset_dir, max_shard_size=10):
        """As `keras_hub.models.Backbone.save_to_preset`.

        A mixed dtype policy is written as float32, the dtype of its weights:
        it is a matter of the machine, and KerasHub loads no task whose encoder
        has one. `from_preset(..., dtype=...)` chooses again.
        """
        super().save_to_preset(preset_dir, max_shard_size=max_shard_size)
        store_plain_dtype(preset_dir)

    @property
    def token_embedding(self):
        """The shared `ElectraEmbedding` layer."""
        return self.embeddings

    def get_config(self):
        config = super().get_config()
        names = SIZES + OPTIONS + ("direction", "format_version")
        config.update({name: getattr(self, name) for name in names})
        return config


def _check_size(name, value):
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(
            f"`{name}` must be a positive int. Received: {name}={value!r}"
        )


ElectraTokenizer.backbone_cls = ElectraBackbone
