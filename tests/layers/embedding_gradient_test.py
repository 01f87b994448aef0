"""In half precision, gradients of the embeddings are summed in float32."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_rtd.layers.embedding import ElectraEmbedding

BATCH = LENGTH = 128
WIDTH = 16
TOKEN = 7


def row_gradients(dtype, document_ids):
    """d sum(embedding * upstream) / d the rows of token 7, position 0 and
    segment 1, the only token and segment of the batch."""
    layer = ElectraEmbedding(
        10, WIDTH, max_sequence_length=LENGTH, dropout=0.0, dtype=dtype
    )
    ids = np.full((BATCH, LENGTH), TOKEN, np.int32)
    inputs = ids, np.ones_like(ids), document_ids
    layer(*inputs)
    rng = np.random.default_rng(0)
    # Eighths and their sums are exact in bfloat16: what is left of the error
    # is that of the gradients.
    tables = [layer.token_table, layer.position_table, layer.segment_table]
    for table in tables:
        table.assign(rng.integers(-8, 9, table.shape) / 8.0)
    mean = rng.normal(size=WIDTH)
    noise = rng.normal(size=(BATCH, LENGTH, WIDTH))
    upstream = ops.convert_to_tensor((mean + 0.3 * noise).astype("float32"))
    upstream = ops.cast(ops.cast(upstream, "bfloat16"), "float32")

    def loss():
        return ops.sum(ops.cast(layer(*inputs), "float32") * upstream)

    gradients = [
        ops.convert_to_numpy(ops.cast(g, "float32"))
        for g in gradients_of(loss, tables)
    ]
    return [g[row] for g, row in zip(gradients, (TOKEN, 0, 1))]


def gradients_of(loss, variables):
    """d loss() / d variables, on any backend."""
    backend = keras.config.backend()
    values = [v.value for v in variables]
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            found = loss()
        return tape.gradient(found, values)
    if backend == "torch":
        import torch

        return torch.autograd.grad(loss(), values)
    import jax

    def stateless(values):
        with keras.StatelessScope(state_mapping=list(zip(variables, values))):
            return loss()

    return jax.grad(stateless)(values)


@pytest.mark.parametrize("packed", [False, True])
def test_sums_of_16384_gradients_lose_nothing_to_bfloat16(packed):
    # Every token a document of its own: all stand at position 0.
    documents = np.arange(1, LENGTH + 1, dtype=np.int32)
    documents = np.tile(documents, (BATCH, 1)) if packed else None
    errors = [
        np.linalg.norm(half - single) / np.linalg.norm(single)
        for half, single in zip(
            row_gradients("mixed_bfloat16", documents),
            row_gradients("float32", documents),
        )
    ]
    assert max(errors) < 1e-3, errors
