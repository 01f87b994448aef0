"""Attention to what is near, at a cost that grows with the length alone.

The row is cut into chunks of half a window. A chunk attends to itself and its
two neighbours, all that its tokens can see; chunks take the place of rows.
"""

import keras
from keras import ops

from keras_rtd.kernels import attend
from keras_rtd.layers.attention import MASKED
from keras_rtd.layers.attention import attention_bias
from keras_rtd.layers.attention import in_sight


def is_chunked(length, window):
    """Whether rows of this length are cut: where that is less work.

    Args:
        length: int, or a tensor where a graph does not know it: then not.
        window: int.
    """
    return isinstance(length, int) and length > 3 * (window // 2)


def local_bias(
    padding_mask, window, direction="bidirectional", document_ids=None
):
    """The bias of `attend_within`: `attention_bias` within a window.

    Args:
        padding_mask, direction, document_ids: see `attention_bias`.
        window: int, at least 2. A token sees `window // 2` on either side.

    Returns:
        float32 (batch, 1, length, length), or, cut into n chunks of
        c = window // 2, (batch * n, 1, c, 3 * c).
    """
    length = ops.shape(padding_mask)[1]
    reach = window // 2
    if not is_chunked(length, window):
        return attention_bias(padding_mask, direction, document_ids, reach)
    place = ops.arange(reach, dtype="int32")
    key_place = ops.arange(3 * reach, dtype="int32") - reach
    seen = in_sight(key_place[None] - place[:, None], direction, reach)
    real = _chunks_of_vector(ops.cast(padding_mask, "int32"), reach)
    seen = seen * ops.cast(_with_neighbours(real, 2), "float32")[:, :, None]
    if document_ids is not None:
        ids = _chunks_of_vector(ops.cast(document_ids, "int32"), reach)
        same = ids[..., None] == _with_neighbours(ids, 2)[:, :, None]
        seen = seen * ops.cast(same, "float32")
    return ops.reshape((1.0 - seen) * MASKED, (-1, 1, reach, 3 * reach))


@keras.saving.register_keras_serializable(package="keras_rtd")
class AttentionBias(keras.layers.Layer):
    """`attention_bias`, or `local_bias` with a window, as a layer, so that it
    is computed once a model."""

    def __init__(self, direction="bidirectional", window=None, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.direction = direction
        self.window = window
        self.built = True

    def call(self, padding_mask, document_ids=None):
        if self.window is None:
            return attention_bias(padding_mask, self.direction, document_ids)
        return local_bias(
            padding_mask, self.window, self.direction, document_ids
        )

    def compute_output_spec(self, padding_mask, document_ids=None):
        # That of rows whose length is not known.
        batch, length = padding_mask.shape
        one_row = self.direction == "bidirectional" and self.window is None
        rows = 1 if one_row else length
        return keras.KerasTensor((batch, 1, rows, length), dtype="float32")

    def get_config(self):
        return {
            **super().get_config(),
            "direction": self.direction,
            "window": self.window,
        }


def attend_within(window, query, key, value, bias, dropout=None, training=None):
    """`attend`, to a window around each token.

    Args:
        window: int, or `None` for all.
        query, key, value, dropout, training: see `attend`.
        bias: of `local_bias` with the same window, of `attention_bias`
            without.

    Returns:
        As `attend`.
    """
    heads, length, head_dim = query.shape[1], ops.shape(query)[2], key.shape[-1]
    if window is None or not is_chunked(length, window):
        return attend(query, key, value, bias, dropout, training)
    size = window // 2

    def rows(x):
        return ops.reshape(x, (-1, *x.shape[2:]))

    query, key, value = (_chunks(x, size) for x in (query, key, value))
    out = attend(
        rows(query),
        rows(_with_neighbours(key, 3)),
        rows(_with_neighbours(value, 3)),
        bias,
        dropout,
        training,
    )
    count = query.shape[1]
    out = ops.reshape(out, (-1, count, heads, size, head_dim))
    out = ops.transpose(out, (0, 2, 1, 3, 4))
    out = ops.reshape(out, (-1, heads, count * size, head_dim))
    return out[:, :, :length]


def _chunks(x, size):
    """(batch, heads, length, head_dim) as (batch, chunks, heads, size,
    head_dim), with zeros at the end."""
    heads, length, head_dim = x.shape[1], ops.shape(x)[2], x.shape[-1]
    x = ops.pad(x, ((0, 0), (0, 0), (0, -length % size), (0, 0)))
    x = ops.reshape(x, (-1, heads, -(-length // size), size, head_dim))
    return ops.transpose(x, (0, 2, 1, 3, 4))


def _chunks_of_vector(x, size):
    """(batch, length) as (batch, chunks, size), with zeros at the end."""
    length = ops.shape(x)[1]
    x = ops.pad(x, ((0, 0), (0, -length % size)))
    return ops.reshape(x, (-1, -(-length // size), size))


def _with_neighbours(x, axis):
    """Chunks (batch, chunks, ...) joined at `axis` with the one before and
    the one after, zeros where there is none."""
    nothing = ops.zeros_like(x[:, :1])
    before = ops.concatenate([nothing, x[:, :-1]], axis=1)
    after = ops.concatenate([x[:, 1:], nothing], axis=1)
    return ops.concatenate([before, x, after], axis=axis)
