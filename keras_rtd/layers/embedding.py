"""The embedding that generator and discriminator share."""

import keras
from keras import ops

from keras_rtd.kernels import lookup
from keras_rtd.kernels.vocabulary_axis import BLOCK
from keras_rtd.layers.attention import same_document
from keras_rtd.layers.basic import Dropout
from keras_rtd.layers.basic import LayerNormalization
from keras_rtd.layers.initializers import TruncatedNormal


def padded_rows(vocabulary_size):
    """Rows of the token table: the vocabulary rounded up to 64."""
    return -(-vocabulary_size // BLOCK) * BLOCK


def positions_within(document_ids):
    """How many tokens of its document stand before each token.

    Args:
        document_ids: int (batch, length).

    Returns:
        int32 (batch, length).
    """
    place = ops.arange(ops.shape(document_ids)[1], dtype="int32")
    before = place[None, :] < place[:, None]
    same = ops.logical_and(same_document(document_ids)[:, 0], before)
    return ops.sum(ops.cast(same, "int32"), axis=-1)


def rows_of_positions(table, x, document_ids=None):
    """The rows of a table of positions for a batch.

    Args:
        table: (max_sequence_length, width).
        x: (batch, length, ...), of which the length is taken.
        document_ids: int (batch, length) or `None`, see `ElectraEmbedding`.

    Returns:
        (length, width), or (batch, length, width) with `document_ids`.

    Raises:
        ValueError: a batch longer than the table.
    """
    if (x.shape[1] or 0) > table.shape[0]:
        raise ValueError(
            f"The batch has sequence_length={x.shape[1]}, but the "
            f"model has max_sequence_length={table.shape[0]} "
            "positions. Make the dataset with a smaller `sequence_length` "
            "or the model with `from_preset(..., max_sequence_length=…)`."
        )
    if document_ids is None:
        return ops.convert_to_tensor(table)[: ops.shape(x)[1]]
    return lookup(table, positions_within(document_ids))


@keras.saving.register_keras_serializable(package="keras_rtd")
class ElectraEmbedding(keras.layers.Layer):
    """Token + position + segment embeddings, LayerNorm, dropout.

    One object serves generator and discriminator, as in the reference, where
    the LayerNorm is shared too (model/modeling.py, `embedding_postprocessor`;
    paper §3.2). The token table has its rows padded to a multiple of 64 for
    the matrix units; padded rows are never looked up.

    Args:
        vocabulary_size: int. Number of tokens.
        embedding_dim: int. Width of the embeddings.
        max_sequence_length: int. Number of positions. Defaults to 512.
        num_segments: int. Number of segments; 0 for no segment table: segments
            are then ignored. Defaults to 2.
        dropout: float. Dropout rate after the LayerNorm. Defaults to 0.1.
        layer_norm_epsilon: float. Defaults to 1e-12.
        use_positions: bool. `False` for encoders whose layers know positions
            by themselves: no position table, no limit to the length. Defaults
            to `True`.
        use_bias: bool. Whether the LayerNorm has a bias. Defaults to `True`.
        base: another `ElectraEmbedding` of these sizes or `None`. With one,
            the tables here are what is added to its tables, which get no
            gradient from here; they start at zero. So a discriminator shares
            its generator's embeddings without pulling at them (DeBERTaV3's
            gradient-disentangled sharing, https://arxiv.org/abs/2111.09543,
            §3.3). LayerNorm is this layer's own. Weight files hold the sums,
            so that the layer is read back with or without a base. Not part of
            the config.

    Call arguments:
        token_ids: int32 (batch, length).
        segment_ids: int32 (batch, length).
        document_ids: int32 (batch, length) or `None`. Where several documents
            share a row, positions are counted from where each begins.
            Defaults to `None`.
        drop: bool. `False` leaves dropout out also when training, for one of
            the encoders that share this layer. Defaults to `True`.

    Returns:
        (batch, length, embedding_dim) in the compute dtype.
    """

    initializer = TruncatedNormal

    def __init__(
        self,
        vocabulary_size,
        embedding_dim,
        max_sequence_length=512,
        num_segments=2,
        dropout=0.1,
        layer_norm_epsilon=1e-12,
        use_positions=True,
        use_bias=True,
        base=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        # A method, hidden from Keras: its weights are not this layer's.
        self.base = lambda: base
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.max_sequence_length = max_sequence_length
        self.num_segments = num_segments
        self.dropout = dropout
        self.layer_norm_epsilon = layer_norm_epsilon
        self.use_positions = use_positions
        self.use_bias = use_bias
        self.layer_norm = LayerNormalization(
            epsilon=layer_norm_epsilon,
            center=use_bias,
            dtype=self.dtype_policy,
            name="layer_norm",
        )
        self.dropout_layer = Dropout(
            dropout, dtype=self.dtype_policy, name="dropout"
        )

    def build(self, token_ids_shape=None, segment_ids_shape=None):
        def table(rows, name):
            return self.add_weight(
                shape=(rows, self.embedding_dim),
                initializer=(
                    self.initializer() if self.base() is None else "zeros"
                ),
                name=name,
                # Gradients are summed in the dtype of what is looked up:
                # thousands of one token would be lost in bfloat16.
                autocast=False,
            )

        self.token_table = table(
            padded_rows(self.vocabulary_size), "token_embedding"
        )
        self.position_table = None
        if self.use_positions:
            self.position_table = table(
                self.max_sequence_length, "position_embedding"
            )
        self.segment_table = None
        if self.num_segments:
            self.segment_table = table(self.num_segments, "segment_embedding")
        self.layer_norm.build((None, None, self.embedding_dim))
        self.built = True

    def _own_tables(self):
        tables = (self.token_table, self.position_table, self.segment_table)
        return tuple(table for table in tables if table is not None)

    def tables(self):
        """Token, position and segment table, those that there are, whole: the
        variables, or their sums with the base's."""
        own = self._own_tables()
        if self.base() is None:
            return own
        return tuple(
            ops.stop_gradient(ops.convert_to_tensor(theirs)) + ours
            for theirs, ours in zip(self.base().tables(), own)
        )

    def assign_tables(self, values):
        """Make `tables` return these arrays; a base stays as it is."""
        own = self._own_tables()
        for number, (variable, value) in enumerate(zip(own, values)):
            if self.base() is not None:
                below = self.base().tables()[number]
                value = value - ops.convert_to_numpy(below)
            variable.assign(value)

    def save_own_variables(self, store):
        for number, table in enumerate(self.tables()):
            store[str(number)] = ops.convert_to_numpy(table)

    def load_own_variables(self, store):
        if self.base() is None:
            super().load_own_variables(store)
        else:
            # The base has been read before: it is a pretrainer's own.
            count = len(self._own_tables())
            self.assign_tables([store[str(n)][()] for n in range(count)])

    def call(
        self,
        token_ids,
        segment_ids,
        document_ids=None,
        training=None,
        drop=True,
    ):
        tables = list(self.tables())
        x = self._look_up(tables.pop(0), token_ids)
        if self.num_segments:
            # A product with one-hot rows, because the gradient of a lookup in
            # a table of two rows is a serial sum.
            numbers = ops.arange(self.num_segments, dtype="int32")
            segments = ops.equal(ops.expand_dims(segment_ids, -1), numbers)
            x = x + ops.matmul(ops.cast(segments, x.dtype), tables.pop())
        if self.use_positions:
            table = tables.pop()
            x = x + rows_of_positions(table, token_ids, document_ids)
        x = self.layer_norm(ops.cast(x, self.compute_dtype))
        return self.dropout_layer(x, training=training) if drop else x

    def _look_up(self, table, token_ids):
        return lookup(table, token_ids)

    def compute_output_spec(
        self,
        token_ids,
        segment_ids,
        document_ids=None,
        training=None,
        drop=True,
    ):
        return keras.KerasTensor(
            (*token_ids.shape, self.embedding_dim), dtype=self.compute_dtype
        )

    def get_config(self):
        config = super().get_config()
        config.update(
            {
                "vocabulary_size": self.vocabulary_size,
                "embedding_dim": self.embedding_dim,
                "max_sequence_length": self.max_sequence_length,
                "num_segments": self.num_segments,
                "dropout": self.dropout,
                "layer_norm_epsilon": self.layer_norm_epsilon,
                "use_positions": self.use_positions,
                "use_bias": self.use_bias,
            }
        )
        return config
