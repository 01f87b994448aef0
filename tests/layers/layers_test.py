import keras
import numpy as np
import pytest
import scipy.stats
from keras import ops

from keras_rtd.kernels import attend
from keras_rtd.kernels.gather import gather_positions
from keras_rtd.layers.attention import attention_bias
from keras_rtd.layers.embedding import ElectraEmbedding
from keras_rtd.layers.embedding import padded_rows
from keras_rtd.layers.sampler import replace_tokens
from keras_rtd.layers.sampler import sample_replacements
from keras_rtd.models.electra.block import ElectraEncoderBlock


def gradient_of_sum(layer, variable, *inputs):
    """d sum(layer(inputs)^2) / d variable, on any backend."""
    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss = ops.sum(ops.square(layer(*inputs)))
        return tape.gradient(loss, variable.value)
    if backend == "torch":
        loss = ops.sum(ops.square(layer(*inputs)))
        (gradient,) = __import__("torch").autograd.grad(loss, variable.value)
        return gradient
    import jax

    def loss(value):
        with keras.StatelessScope(state_mapping=[(variable, value)]):
            return ops.sum(ops.square(layer(*inputs)))

    return jax.grad(loss)(variable.value)


def test_embedding_gradient_is_dense_and_sums_repeated_ids():
    layer = ElectraEmbedding(10, 4, max_sequence_length=8, dropout=0.0)
    ids = np.array([[3, 3, 5, 3]], np.int32)
    layer(ids, ids * 0)
    gradient = gradient_of_sum(layer, layer.token_table, ids, ids * 0)
    assert tuple(gradient.shape) == (64, 4)
    gradient = ops.convert_to_numpy(gradient)
    assert np.abs(gradient[[3, 5]]).sum() > 0
    assert np.abs(np.delete(gradient, [3, 5], axis=0)).sum() == 0


def test_rows_are_padded_to_64():
    assert [padded_rows(n) for n in (1, 64, 65, 30522)] == [64, 64, 128, 30528]


def test_embedding_refuses_windows_longer_than_its_positions():
    layer = ElectraEmbedding(10, 4, max_sequence_length=8)
    ids = np.zeros((1, 9), np.int32)
    with pytest.raises(ValueError, match="sequence_length=9.*8"):
        layer(ids, ids)


@pytest.mark.parametrize(
    "dtype, tolerance", [("float32", 1e-6), ("bfloat16", 2e-2)]
)
def test_attention_is_softmax_of_scaled_products(dtype, tolerance):
    rng = np.random.default_rng(0)
    q, k, v = rng.normal(size=(3, 2, 2, 5, 4)).astype("float32")
    mask = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    out = attend(*(ops.cast(x, dtype) for x in (q, k, v)), attention_bias(mask))
    assert keras.backend.standardize_dtype(out.dtype) == dtype
    scores = np.einsum("bhid,bhjd->bhij", q, k) / 2.0
    scores = np.where(mask[:, None, None] > 0, scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    expected = np.einsum("bhij,bhjd->bhid", weights, v)
    np.testing.assert_allclose(
        ops.convert_to_numpy(ops.cast(out, "float32")),
        expected,
        atol=tolerance,
    )


@pytest.mark.parametrize(
    "dtype", ["float32", "mixed_bfloat16", "mixed_float16"]
)
def test_a_row_of_padding_gives_numbers(dtype):
    block = ElectraEncoderBlock(2, 16, dropout=0.0, dtype=dtype)
    x = np.random.default_rng(0).normal(size=(2, 4, 8)).astype("float32")
    mask = np.array([[0, 0, 0, 0], [1, 1, 0, 0]])
    out = ops.convert_to_numpy(
        ops.cast(block(x, attention_bias(mask)), "float32")
    )
    assert np.all(np.isfinite(out))


def test_padding_does_not_reach_real_tokens():
    block = ElectraEncoderBlock(2, 16, dropout=0.0)
    x = np.random.default_rng(0).normal(size=(1, 6, 8)).astype("float32")
    bias = attention_bias(np.array([[1, 1, 1, 1, 0, 0]]))
    first = ops.convert_to_numpy(block(x, bias))
    x[:, 4:] = 100.0
    second = ops.convert_to_numpy(block(x, bias))
    np.testing.assert_allclose(first[:, :4], second[:, :4], atol=1e-6)


def test_dropout_changes_training_only():
    block = ElectraEncoderBlock(2, 16, dropout=0.5)
    x = np.random.default_rng(0).normal(size=(1, 6, 8)).astype("float32")
    bias = attention_bias(np.ones((1, 6)))
    still = [ops.convert_to_numpy(block(x, bias)) for _ in range(2)]
    moving = [
        ops.convert_to_numpy(block(x, bias, training=True)) for _ in range(2)
    ]
    np.testing.assert_array_equal(*still)
    assert np.abs(moving[0] - moving[1]).max() > 1e-3


def test_gather_positions_by_hand():
    x = np.arange(24).reshape(2, 4, 3)
    out = gather_positions(ops.convert_to_tensor(x), np.array([[3, 0], [1, 1]]))
    np.testing.assert_array_equal(
        ops.convert_to_numpy(out), [[x[0, 3], x[0, 0]], [x[1, 1], x[1, 1]]]
    )


def test_samples_follow_the_softmax():
    logits = np.array([2.0, 1.0, 0.0, -1.0, -1e9], np.float32)
    samples = 20_000
    seed = keras.random.SeedGenerator(0)
    ids = ops.convert_to_numpy(
        sample_replacements(np.tile(logits, (1, samples, 1)), seed)
    )
    chance = np.exp(logits[:4].astype("float64"))
    expected = chance / chance.sum() * samples
    seen = np.bincount(ids[0], minlength=5)
    assert seen[4] == 0
    assert scipy.stats.chisquare(seen[:4], expected).pvalue > 1e-3


def test_disallowed_ids_are_never_sampled():
    logits = np.zeros((1, 1000, 3), np.float32)
    banned = np.arange(1000)[None].astype("int32") % 3
    ids = ops.convert_to_numpy(
        sample_replacements(logits, 0, disallowed_ids=banned)
    )
    assert np.all(ids != banned)


def test_replace_tokens_by_hand():
    out = replace_tokens(
        ops.convert_to_tensor(np.array([[7, 8, 9], [7, 8, 9]], np.int32)),
        ops.convert_to_tensor(np.array([[2, 0], [1, 0]], np.int32)),
        ops.convert_to_tensor(np.array([[5, 6], [4, 3]], np.int32)),
        ops.convert_to_tensor(np.array([[1.0, 1.0], [1.0, 0.0]], np.float32)),
    )
    np.testing.assert_array_equal(
        ops.convert_to_numpy(out), [[6, 8, 5], [7, 4, 9]]
    )
