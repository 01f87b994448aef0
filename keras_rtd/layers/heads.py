"""The two heads: masked tokens for the generator, detection for the rest."""

from typing import Any

import keras
from keras import ops

from keras_rtd import kernels
from keras_rtd.kernels import vocabulary_axis
from keras_rtd.kernels.gather import gather_positions
from keras_rtd.layers.basic import Dense
from keras_rtd.layers.basic import LayerNormalization
from keras_rtd.layers.embedding import padded_rows
from keras_rtd.layers.initializers import GlorotUniform
from keras_rtd.layers.initializers import TruncatedNormal


def input_scale(head, width):
    """The weight of a head that scales its input; `None` where it has none.

    Where an encoder ends in a LayerNorm without a scale, each head has its
    own. Detection, one direction, drives most of its scale to
    zero; in the encoder, a task that is fine-tuned later would not see those
    channels.
    """
    if not head.scale_input:
        return None
    return head.add_weight(shape=(width,), initializer="ones", name="gamma")


def scaled(x, gamma):
    """`x` times the weight that `input_scale` made."""
    return x if gamma is None else x * ops.cast(gamma, x.dtype)


class MaskedLMHead(keras.layers.Layer):
    """Predicts the original token at the masked positions only.

    dense(embedding_dim, gelu) -> LayerNorm -> tied token table + bias.
    Source: google-research/electra, pretrain/pretrain_helpers.py and
    run_pretraining.py, `_get_masked_lm_output`.

    Args:
        embeddings: the `ElectraEmbedding` whose token table is tied.
        activation: `"gelu"` or `"gelu_approximate"`. Defaults to `"gelu"`.
        layer_norm_epsilon: float. Defaults to 1e-12.
        kernel_stddev: float. Defaults to 0.02.
        scale_input: bool. A learned factor for each input channel, as
            an encoder may want it. Defaults to `False`.
        norm_bias: bool. Whether the LayerNorm has a bias. Defaults to `True`.

    Call arguments:
        sequence_output: (batch, length, hidden_dim).
        mask_positions: int32 (batch, count).

    Returns:
        float32 logits (batch, count, padded rows). Columns past
        `vocabulary_size` hold about -1e9: they have no probability. Crop them
        with `logits[..., :vocabulary_size]`.
    """

    initializer: type[TruncatedNormal] = TruncatedNormal

    def __init__(
        self,
        embeddings,
        activation="gelu",
        layer_norm_epsilon=1e-12,
        kernel_stddev=0.02,
        scale_input=False,
        norm_bias=True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.embeddings = embeddings
        self.scale_input = scale_input
        self.activation = activation
        self.layer_norm_epsilon = layer_norm_epsilon
        self.vocabulary_size = embeddings.vocabulary_size
        self.dense = Dense(
            embeddings.embedding_dim,
            kernel_initializer=self.initializer(kernel_stddev),
            dtype=self.dtype_policy,
            name="dense",
        )
        self.layer_norm = LayerNormalization(
            epsilon=layer_norm_epsilon,
            center=norm_bias,
            dtype=self.dtype_policy,
            name="layer_norm",
        )

    @classmethod
    def of(cls, encoder, width=None, name="masked_lm_head"):
        """A head for an encoder's vectors, built.

        Args:
            encoder: the encoder, whose token table is tied.
            width: int or `None`. Width of the vectors; `None` takes the
                encoder's.
            name: string.
        """
        head = cls(
            encoder.embeddings,
            activation=encoder.activation,
            layer_norm_epsilon=encoder.layer_norm_epsilon,
            kernel_stddev=encoder.kernel_stddev,
            scale_input=encoder.scale_input,
            norm_bias=not encoder.norm_in_heads,
            dtype=encoder.dtype_policy,
            name=name,
        )
        head.build((None, None, width or encoder.hidden_dim))
        return head

    def build(self, sequence_output_shape, mask_positions_shape=None):
        self.gamma = input_scale(self, sequence_output_shape[-1])
        self.dense.build(sequence_output_shape)
        self.layer_norm.build((None, None, self.embeddings.embedding_dim))
        self.bias = self.add_weight(
            shape=(self.vocabulary_size,),
            initializer="zeros",
            name="bias",
        )
        self.built = True

    def call(self, sequence_output, mask_positions):
        return self.logits(self.features(sequence_output, mask_positions))

    def features(self, sequence_output, mask_positions=None):
        """What is compared with the token table.

        Args:
            sequence_output: (batch, length, hidden_dim).
            mask_positions: int32 (batch, count), or `None` for all positions.

        Returns:
            (batch, count, embedding_dim) in the compute dtype.
        """
        x = sequence_output
        if mask_positions is not None:
            x = gather_positions(x, mask_positions)
        x = scaled(x, self.gamma)
        x = kernels.gelu(
            self.dense(x), approximate=self.activation == "gelu_approximate"
        )
        return self.layer_norm(x)

    def logits(self, features):
        """Logits from `features`, as the call returns them."""
        table, bias = self._table_and_bias()
        logits = ops.matmul(features, ops.transpose(table))
        return ops.cast(logits, "float32") + bias

    def logits_of(self, features, ids):
        """The logits of one token a position: float32 (batch, count)."""
        rows = kernels.lookup(self.embeddings.tables()[0], ids)
        rows = ops.cast(ops.cast(rows, self.compute_dtype), "float32")
        products = ops.sum(ops.cast(features, "float32") * rows, axis=-1)
        return products + ops.take(ops.cast(self.bias, "float32"), ids, axis=0)

    def score(self, features, ids, seed=None):
        """What a training step needs of the logits, without keeping them.

        Args:
            features: what `features` returned.
            ids: int32 (batch, count), the original tokens.
            seed: `keras.random.SeedGenerator`; `None` where no samples are
                wanted, and what stands in their place means nothing.

        Returns:
            (nll, sampled_ids, best_ids), each (batch, count); see
            `kernels.score_vocabulary`.
        """
        shape = ops.shape(ids)
        rows = shape[0] * shape[1]
        table, bias = self._table_and_bias()
        if seed is None:
            uniform = ops.zeros((rows, 2))
        else:
            uniform = vocabulary_axis.uniform_pairs(rows, seed)
        scores = kernels.score_vocabulary(
            ops.reshape(features, (rows, features.shape[-1])),
            table,
            bias,
            ops.reshape(ops.cast(ids, "int32"), (rows,)),
            uniform,
        )
        return tuple(ops.reshape(x, shape) for x in scores)

    def _table_and_bias(self):
        """Both with the table's padded rows."""
        table = ops.cast(self.embeddings.tables()[0], self.compute_dtype)
        extra = padded_rows(self.vocabulary_size) - self.vocabulary_size
        bias = ops.cast(self.bias, "float32")
        bias = ops.pad(
            bias, ((0, extra),), constant_values=vocabulary_axis.IMPOSSIBLE
        )
        return table, bias

    def compute_output_spec(self, sequence_output, mask_positions):
        rows = padded_rows(self.vocabulary_size)
        return keras.KerasTensor((*mask_positions.shape, rows), "float32")


@keras.saving.register_keras_serializable(package="keras_rtd")
class DetectionHead(keras.layers.Layer):
    """Says for each token how likely it is to have been replaced.

    dense(hidden_dim, gelu) -> dense(1). Source: google-research/electra,
    run_pretraining.py, `_get_discriminator_output`; the last kernel is
    Glorot's.

    Args:
        activation: `"gelu"` or `"gelu_approximate"`. Defaults to `"gelu"`.
        kernel_stddev: float. Defaults to 0.02.
        scale_input: bool. A learned factor for each input channel, as
            an encoder may want it. Defaults to `False`.
        layer_norm_epsilon: float or `None`. With one, a LayerNorm without bias
            stands before the last kernel. Defaults to `None`.

    Call arguments:
        sequence_output: (batch, length, hidden_dim).
        document_ids: int32 (batch, length) or `None`, for families whose head
            looks at more than the token. Defaults to `None`.

    Returns:
        float32 logits (batch, length); positive means replaced.
    """

    layer_norm: Any

    def __init__(
        self,
        activation="gelu",
        kernel_stddev=0.02,
        scale_input=False,
        layer_norm_epsilon=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.activation = activation
        self.kernel_stddev = kernel_stddev
        self.scale_input = scale_input
        self.layer_norm_epsilon = layer_norm_epsilon

    @classmethod
    def of(cls, encoder):
        """A head for an encoder's vectors, built."""
        head = cls(
            activation=encoder.activation,
            kernel_stddev=encoder.kernel_stddev,
            scale_input=encoder.scale_input,
            layer_norm_epsilon=(
                encoder.layer_norm_epsilon if encoder.norm_in_heads else None
            ),
            dtype=encoder.dtype_policy,
            name="detection_head",
        )
        head.build((None, None, encoder.hidden_dim))
        return head

    def build(self, input_shape):
        self.gamma = input_scale(self, input_shape[-1])
        self.dense = Dense(
            input_shape[-1],
            kernel_initializer=TruncatedNormal(self.kernel_stddev),
            dtype=self.dtype_policy,
            name="dense",
        )
        self.dense.build(input_shape)
        self.layer_norm = None
        if self.layer_norm_epsilon is not None:
            self.layer_norm = LayerNormalization(
                epsilon=self.layer_norm_epsilon,
                center=False,
                dtype=self.dtype_policy,
                name="layer_norm",
            )
            self.layer_norm.build(input_shape)
        self.logits = Dense(
            1,
            kernel_initializer=GlorotUniform(),
            dtype=self.dtype_policy,
            name="logits",
        )
        self.logits.build(input_shape)
        self.built = True

    def call(self, sequence_output, document_ids=None):
        x = kernels.gelu(
            self.dense(scaled(sequence_output, self.gamma)),
            approximate=self.activation == "gelu_approximate",
        )
        if self.layer_norm is not None:
            x = self.layer_norm(x)
        return ops.cast(ops.squeeze(self.logits(x), axis=-1), "float32")

    def compute_output_spec(self, sequence_output, document_ids=None):
        return keras.KerasTensor(sequence_output.shape[:-1], "float32")

    def get_config(self):
        return {
            **super().get_config(),
            "activation": self.activation,
            "kernel_stddev": self.kernel_stddev,
            "scale_input": self.scale_input,
            "layer_norm_epsilon": self.layer_norm_epsilon,
        }


@keras.saving.register_keras_serializable(package="keras_rtd")
class MeanPooling(keras.layers.Layer):
    """The mean over real tokens, [CLS] and [SEP] with them.

    Call arguments:
        sequence_output: (batch, length, hidden_dim).
        padding_mask: int or bool (batch, length), nonzero for real tokens.

    Returns:
        (batch, hidden_dim), in the layer's compute dtype.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.built = True

    def call(self, sequence_output, padding_mask):
        real = ops.cast(padding_mask, self.compute_dtype)[:, :, None]
        return ops.sum(sequence_output * real, axis=1) / ops.sum(real, axis=1)

    def compute_output_shape(self, sequence_output_shape, padding_mask_shape):
        return (sequence_output_shape[0], sequence_output_shape[2])
