"""DeBERTaV3's Transformer layer."""

import keras
from keras import ops

from keras_rtd.kernels import attend
from keras_rtd.kernels import gelu_dense
from keras_rtd.kernels.base import plain_attention
from keras_rtd.layers.encoder_block import EncoderBlock
from keras_rtd.layers.initializers import Normal
from keras_rtd.models.deberta_v3 import positions


@keras.saving.register_keras_serializable(package="keras_rtd")
class DebertaV3Block(EncoderBlock):
    """Disentangled self-attention and feed-forward, each with post-LayerNorm.

    The score of query i and key j, of heads of width d, is
    `(Q_i K_j + Q_i Kr_x + Qr_x K_j) / sqrt(3 d)`, where Qr and Kr are
    projections of a table of relative positions and x its row for the distance
    i - j. Source: microsoft/DeBERTa,
    DeBERTa/deberta/disentangled_attention.py.

    A row depends on i - j alone: what is projected are the rows that a length
    needs, and scores by distance are shifted to scores by key.

    Args:
        num_heads, intermediate_dim: see `EncoderBlock`.
        bucket_size: int or `None`, see `positions.row_of_distance`.
        max_relative_positions: int.
        position_attention: tuple of `"c2p"` and `"p2c"`, the position terms.
        share_attention_key: bool. Whether the table is projected by the
            kernels of query and key; otherwise by kernels of its own.
        **kwargs: as for `EncoderBlock`.

    Call arguments:
        x: (batch, length, hidden_dim).
        bias: float32, see `attention_bias`.
        relative: (rows, hidden_dim), the table.
        query: as `x`, or `None`. Takes the place of `x` as the source of the
            queries and as the residual. Defaults to `None`.

    Returns:
        (batch, length, hidden_dim).
    """

    initializer = Normal

    def __init__(
        self,
        num_heads,
        intermediate_dim,
        bucket_size,
        max_relative_positions,
        position_attention=("c2p", "p2c"),
        share_attention_key=True,
        **kwargs,
    ):
        super().__init__(num_heads, intermediate_dim, **kwargs)
        self.bucket_size = bucket_size
        self.max_relative_positions = max_relative_positions
        self.position_attention = tuple(position_attention)
        self.share_attention_key = share_attention_key

    def build(self, x_shape, shared_shape=None):
        width, inner = x_shape[-1], self.intermediate_dim
        self.query = self._dense("query", width, width)
        self.key = self._dense("key", width, width)
        self.value = self._dense("value", width, width)
        self.position_key, self.position_query = self.key, self.query
        if not self.share_attention_key:
            self.position_key = self.position_query = None
            if "c2p" in self.position_attention:
                self.position_key = self._dense("position_key", width, width)
            if "p2c" in self.position_attention:
                self.position_query = self._dense(
                    "position_query", width, width
                )
        self.attention_output = self._dense("attention_output", width, width)
        self.attention_norm = self._layer_norm("attention_norm", width)
        self.intermediate = self._dense("intermediate", width, inner)
        self.output_dense = self._dense("output_dense", inner, width)
        self.output_norm = self._layer_norm("output_norm", width)
        self.built = True

    def trace_key(self):
        return (
            *super().trace_key(),
            self.bucket_size,
            self.max_relative_positions,
            self.position_attention,
            self.share_attention_key,
        )

    def body(self, x, bias, relative, query=None, training=None):
        # Dropped once a layer, before both projections.
        length = ops.shape(x)[1]
        first, end, numbers = positions.used_rows(
            length, self.bucket_size, self.max_relative_positions
        )
        relative = self.hidden_dropout(relative[first:end], training=training)
        context = (bias, relative, numbers)
        if query is None:
            query = x
            attended = self._self_attention(x, context, training)
        else:
            heads = self._attend(
                self._heads(self.query(query)),
                self._heads(self.key(x)),
                self._heads(self.value(x)),
                context,
                training,
            )
            attended = self._joined(heads)
        attended = self.attention_output(attended)
        attended = self.hidden_dropout(attended, training=training)
        x = self.attention_norm(query + attended)
        hidden = gelu_dense(
            self.intermediate(x),
            self.output_dense,
            approximate=self.activation == "gelu_approximate",
        )
        hidden = self.hidden_dropout(hidden, training=training)
        return self.output_norm(x + hidden)

    def _offset(self):
        # Position terms make the gradient of a key's bias real.
        return ops.concatenate(
            [self.query.bias, self.key.bias, self.value.bias], axis=0
        )

    def _attend(self, query, key, value, context, training):
        bias, relative, numbers = context
        dropout = self.attention_dropout
        terms = 1 + len(self.position_attention)
        function = attend
        if self.compute_dtype == "float16":
            # Scores of trained models leave float16's range
            # (microsoft/DeBERTa, issue 77).
            query, key = (ops.cast(x, "float32") for x in (query, key))
            function = plain_attention
        bias = ops.cast(bias, query.dtype) + self._position_scores(
            query, key, relative, numbers, (terms * query.shape[-1]) ** -0.5
        )
        return function(
            query * terms**-0.5, key, value, bias, dropout, training
        )

    def _position_scores(self, query, key, relative, numbers, scale):
        """(batch, heads, length, length) of all position terms."""

        def by_distance(x, layer, falling):
            vectors = layer(relative)
            vectors = positions.of_distances(vectors, numbers, falling)
            vectors = ops.cast(self._heads(vectors[None]), x.dtype) * scale
            if self.num_heads == 1:
                # TensorFlow's product on a CPU writes beyond its memory where
                # all batch axes of one side are 1 and are repeated.
                vectors = ops.repeat(vectors, ops.shape(x)[0], axis=0)
            products = ops.matmul(x, ops.transpose(vectors, (0, 1, 3, 2)))
            return positions.shifted(products)

        scores = []
        if "c2p" in self.position_attention:
            # Rows are queries: from key to key the distance falls.
            scores.append(by_distance(query, self.position_key, True))
        if "p2c" in self.position_attention:
            # Rows are keys: from query to query it rises.
            by_key = by_distance(key, self.position_query, False)
            scores.append(ops.transpose(by_key, (0, 1, 3, 2)))
        return sum(scores)

    def get_config(self):
        return {
            **super().get_config(),
            "bucket_size": self.bucket_size,
            "max_relative_positions": self.max_relative_positions,
            "position_attention": self.position_attention,
            "share_attention_key": self.share_attention_key,
        }
