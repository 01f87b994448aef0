"""The layers around DeBERTaV3's Transformer layers."""

import keras
from keras import ops

from keras_rtd import kernels
from keras_rtd.layers.basic import Dense
from keras_rtd.layers.basic import Dropout
from keras_rtd.layers.basic import LayerNormalization
from keras_rtd.layers.embedding import ElectraEmbedding
from keras_rtd.layers.embedding import rows_of_positions
from keras_rtd.layers.initializers import Normal

# The token whose row learns nothing from look-ups.
PAD_ID = 0


@keras.saving.register_keras_serializable(package="keras_rtd")
class DebertaV3Embedding(ElectraEmbedding):
    """The tables alone: LayerNorm and dropout are each encoder's own.

    Row 0, of [PAD], gets no gradient from look-ups, as in microsoft/DeBERTa
    (`padding_idx`); the masked LM head's tied table does move it, and a
    generator may sample it.

    Arguments, call arguments and returns are those of `ElectraEmbedding`,
    without its LayerNorm and dropout.
    """

    initializer = Normal

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # It has no weights.
        self.layer_norm = keras.layers.Identity(
            dtype=self.dtype_policy, name="layer_norm"
        )

    def _look_up(self, table, token_ids):
        rows = super()._look_up(table, token_ids)
        learns = ops.not_equal(token_ids, PAD_ID)[..., None]
        return ops.where(learns, rows, ops.stop_gradient(rows))

    def call(
        self,
        token_ids,
        segment_ids,
        document_ids=None,
        training=None,
        drop=False,
    ):
        return super().call(
            token_ids, segment_ids, document_ids, training, drop=False
        )


@keras.saving.register_keras_serializable(package="keras_rtd")
class EmbeddingsProjection(keras.layers.Layer):
    """Projection, where widths differ, LayerNorm and dropout.

    Args:
        units: int. Width of the encoder.
        dropout: float.
        layer_norm_epsilon: float.
        kernel_stddev: float. Standard deviation of the first weights.

    Call arguments:
        x: (batch, length, embedding_dim).

    Returns:
        (batch, length, units).
    """

    def __init__(
        self, units, dropout, layer_norm_epsilon, kernel_stddev, **kwargs
    ):
        super().__init__(**kwargs)
        self.units = units
        self.dropout = dropout
        self.layer_norm_epsilon = layer_norm_epsilon
        self.kernel_stddev = kernel_stddev
        self.dense = None
        self.layer_norm = LayerNormalization(
            epsilon=layer_norm_epsilon,
            dtype=self.dtype_policy,
            name="layer_norm",
        )
        self.dropout_layer = Dropout(
            dropout, dtype=self.dtype_policy, name="dropout"
        )

    def build(self, x_shape):
        if x_shape[-1] != self.units:
            self.dense = Dense(
                self.units,
                use_bias=False,
                kernel_initializer=Normal(self.kernel_stddev),
                dtype=self.dtype_policy,
                name="dense",
            )
            self.dense.build(x_shape)
        self.layer_norm.build((*x_shape[:-1], self.units))
        self.built = True

    def call(self, x, training=None):
        if self.dense is not None:
            x = self.dense(x)
        return self.dropout_layer(self.layer_norm(x), training=training)

    def compute_output_spec(self, x, training=None):
        return keras.KerasTensor((*x.shape[:-1], self.units), x.dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "dropout": self.dropout,
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "kernel_stddev": self.kernel_stddev,
        }


@keras.saving.register_keras_serializable(package="keras_rtd")
class RelativeEmbedding(keras.layers.Layer):
    """The table of relative positions, which all layers share.

    Args:
        rows: int.
        width: int. Width of the encoder.
        normalize: bool. Whether a LayerNorm follows. Defaults to `True`.
        layer_norm_epsilon: float. Defaults to 1e-7.
        kernel_stddev: float. Standard deviation of the first weights.
            Defaults to 0.02.

    Call arguments:
        padding_mask: any input of the model. It is not read: a Keras model
            takes what depends on its inputs.

    Returns:
        (rows, width) in the compute dtype.
    """

    def __init__(
        self,
        rows,
        width,
        normalize=True,
        layer_norm_epsilon=1e-7,
        kernel_stddev=0.02,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.rows = rows
        self.width = width
        self.normalize = normalize
        self.layer_norm_epsilon = layer_norm_epsilon
        self.kernel_stddev = kernel_stddev
        self.layer_norm = None
        if normalize:
            self.layer_norm = LayerNormalization(
                epsilon=layer_norm_epsilon,
                dtype=self.dtype_policy,
                name="layer_norm",
            )
            self.layer_norm.build((rows, width))
        self.table = self.add_weight(
            shape=(rows, width),
            initializer=Normal(kernel_stddev),
            name="relative_embedding",
            autocast=False,
        )
        self.built = True

    def call(self, padding_mask):
        table = kernels.tensor(self.table)
        if self.layer_norm is not None:
            table = self.layer_norm(table)
        return ops.cast(table, self.compute_dtype)

    def compute_output_spec(self, padding_mask):
        return keras.KerasTensor((self.rows, self.width), self.compute_dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "rows": self.rows,
            "width": self.width,
            "normalize": self.normalize,
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "kernel_stddev": self.kernel_stddev,
        }


@keras.saving.register_keras_serializable(package="keras_rtd")
class DecoderPositions(keras.layers.Layer):
    """Adds absolute positions, for the enhanced mask decoder.

    Neither normalised nor dropped (microsoft/DeBERTa,
    DeBERTa/apps/models/masked_language_model.py, `emd_context_layer`).

    Args:
        rows: int. Number of positions.
        width: int. Width of the encoder.
        kernel_stddev: float. Standard deviation of the first weights.
            Defaults to 0.02.

    Call arguments:
        x: (batch, length, width).
        document_ids: int32 (batch, length) or `None`, see `ElectraEmbedding`.

    Returns:
        As `x`.
    """

    def __init__(self, rows, width, kernel_stddev=0.02, **kwargs):
        super().__init__(**kwargs)
        self.rows = rows
        self.width = width
        self.kernel_stddev = kernel_stddev
        self.table = self.add_weight(
            shape=(rows, width),
            initializer=Normal(kernel_stddev),
            name="position_embedding",
            autocast=False,
        )
        self.built = True

    def call(self, x, document_ids=None):
        found = rows_of_positions(self.table, x, document_ids)
        return x + ops.cast(found, x.dtype)

    def compute_output_spec(self, x, document_ids=None):
        return keras.KerasTensor(x.shape, x.dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "rows": self.rows,
            "width": self.width,
            "kernel_stddev": self.kernel_stddev,
        }
