"""AMOS: one draw from predictions of several depths, mixed adversarially."""

import keras
from keras import ops

from keras_rtd.layers.initializers import TruncatedNormal
from keras_rtd.layers.kernels import Dense
from keras_rtd.layers.sampler import hit_slots


@keras.saving.register_keras_serializable(package="keras_rtd")
class DepthMixture(keras.layers.Layer):
    """How much the prediction of each depth counts at each position.

    dense(1) without bias, the same for all depths, and a softmax over them.
    Source: microsoft/AMOS, fairseq/models/amos/model.py (`layer_mixture`).

    Args:
        kernel_stddev: float. Defaults to 0.02.

    Call arguments:
        vectors: list of (batch, count, hidden_dim), one a depth.

    Returns:
        float32 (batch, count, depths), of sum 1.
    """

    def __init__(self, kernel_stddev=0.02, **kwargs):
        super().__init__(**kwargs)
        self.kernel_stddev = kernel_stddev

    def build(self, input_shape):
        self.dense = Dense(
            1,
            use_bias=False,
            kernel_initializer=TruncatedNormal(self.kernel_stddev),
            dtype=self.dtype_policy,
            name="dense",
        )
        self.dense.build(input_shape)
        self.built = True

    def call(self, vectors):
        logits = ops.concatenate([self.dense(v) for v in vectors], axis=-1)
        return ops.softmax(ops.cast(logits, "float32"))

    def get_config(self):
        return {**super().get_config(), "kernel_stddev": self.kernel_stddev}


def gumbel_noise(shape, seed):
    """float32 noise of `shape`; logits with it have their draw as argmax."""
    uniform = keras.random.uniform(
        shape, minval=1e-10, maxval=1.0, dtype="float32", seed=seed
    )
    return -ops.log(-ops.log(uniform))


def reversed_gradient(noisy_logits, table, temperature, factor):
    """Zeros whose gradient is that of a softened draw's embedding.

    Args:
        noisy_logits: float32 (batch, count, vocabulary), with Gumbel noise.
        table: (vocabulary, embedding_dim); gets no gradient.
        temperature: float. Of the softmax that stands for the draw.
        factor: float. What the gradient is multiplied by.

    Returns:
        (batch, count, embedding_dim) in the dtype of `table`.
    """
    table = ops.stop_gradient(table)
    soft = ops.softmax(noisy_logits / temperature)
    vectors = factor * ops.matmul(ops.cast(soft, table.dtype), table)
    return vectors - ops.stop_gradient(vectors)


def at_positions(values, positions, weights, length):
    """Values of slots, where they stand in the row, and zeros elsewhere.

    Args:
        values: (batch, count, width).
        positions: int32 (batch, count).
        weights: float32 (batch, count); a slot of weight 0 stands nowhere.
        length: int.

    Returns:
        (batch, length, width).
    """
    slot = hit_slots(positions, weights, length)
    count = positions.shape[1]
    # Rows of one 1 or none: their product has a dense gradient everywhere.
    place = ops.one_hot(slot - 1, count, dtype=values.dtype)
    return ops.matmul(place, values)
