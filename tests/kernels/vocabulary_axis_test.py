import contextlib

import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
from keras import ops

from keras_rtd import kernels
from keras_rtd.kernels import vocabulary_axis
from keras_rtd.layers.sampler import sample_unigram

ROWS, WIDTH, VOCABULARY = 150, 16, 192


def inputs(dtype="float32", rows=ROWS):
    """Features, table, bias, ids and numbers of a sample, as NumPy."""
    rng = np.random.default_rng(0)
    bias = rng.normal(size=VOCABULARY).astype("float32")
    # Padding, as the head gives it.
    bias[-20:] = vocabulary_axis.IMPOSSIBLE
    return (
        ops.cast(rng.normal(size=(rows, WIDTH)), dtype),
        ops.cast(rng.normal(size=(VOCABULARY, WIDTH)), dtype),
        ops.convert_to_tensor(bias),
        ops.convert_to_tensor(rng.integers(0, 172, rows).astype("int32")),
        ops.convert_to_tensor(rng.random((rows, 2)).astype("float32")),
    )


def exact_logits(x, table, bias):
    x, table, bias = (
        ops.convert_to_numpy(ops.cast(v, "float32")).astype("float64")
        for v in (x, table, bias)
    )
    return x @ table.T + bias


def gradients(function, values):
    """d function / d values, on any backend."""
    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(values)
            loss = function(*values)
        return tape.gradient(loss, values)
    if backend == "torch":
        import torch

        values = [v.detach().requires_grad_() for v in values]
        return torch.autograd.grad(function(*values), values)
    import jax

    return jax.grad(function, argnums=range(len(values)))(*values)


@pytest.mark.parametrize(
    "scope", [contextlib.nullcontext, kernels.training_scope]
)
@pytest.mark.parametrize(
    "dtype, tolerance", [("float32", 1e-5), ("bfloat16", 3e-2)]
)
def test_score_and_its_gradient_equal_scipy(scope, dtype, tolerance):
    x, table, bias, ids, uniform = inputs(dtype)
    weights = np.random.default_rng(1).random(ROWS).astype("float32")

    def loss(x, table, bias):
        nll, *_ = kernels.score_vocabulary(x, table, bias, ids, uniform)
        return ops.sum(nll * ops.convert_to_tensor(weights))

    with scope():
        nll, _, best = kernels.score_vocabulary(x, table, bias, ids, uniform)
        seen = gradients(loss, [x, table, bias])
    logits = exact_logits(x, table, bias)
    chosen = np.arange(ROWS), ops.convert_to_numpy(ids)
    expected = -scipy.special.log_softmax(logits, axis=-1)[chosen]
    np.testing.assert_allclose(
        ops.convert_to_numpy(nll), expected, rtol=tolerance
    )
    best_logit = logits[np.arange(ROWS), ops.convert_to_numpy(best)]
    # In half precision two logits may change places.
    np.testing.assert_allclose(
        best_logit, logits.max(-1), rtol=0, atol=10 * tolerance
    )
    slope = scipy.special.softmax(logits, axis=-1)
    slope[chosen] -= 1.0
    slope *= weights[:, None]
    wanted = (
        slope @ ops.convert_to_numpy(ops.cast(table, "float32")),
        slope.T @ ops.convert_to_numpy(ops.cast(x, "float32")),
        slope.sum(0),
    )
    for ours, theirs in zip(seen, wanted):
        ours = ops.convert_to_numpy(ops.cast(ours, "float32"))
        error = np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)
        assert error < tolerance


@pytest.mark.parametrize(
    "scope", [contextlib.nullcontext, kernels.training_scope]
)
def test_scores_samples_follow_the_softmax(scope):
    samples = 40_000
    x, table, bias, ids, _ = inputs(rows=1)
    uniform = np.random.default_rng(2).random((samples, 2)).astype("float32")
    with scope():
        _, ids, _ = kernels.score_vocabulary(
            ops.repeat(x, samples, axis=0),
            table,
            bias,
            ops.repeat(ids, samples, axis=0),
            ops.convert_to_tensor(uniform),
        )
    seen = np.bincount(ops.convert_to_numpy(ids), minlength=VOCABULARY)
    expected = scipy.special.softmax(exact_logits(x, table, bias)[0]) * samples
    assert seen[172:].sum() == 0
    often = expected > 5
    seen = np.append(seen[often], seen[~often].sum())
    expected = np.append(expected[often], expected[~often].sum())
    assert scipy.stats.chisquare(seen, expected).pvalue > 1e-3


# Three blocks of 64, and a last block that is not full.
@pytest.mark.parametrize("width", [192, 150])
def test_best_is_numpys_argmax_with_ties(width):
    rng = np.random.default_rng(0)
    # Few distinct values: most rows have several largest ones.
    logits = rng.integers(0, 4, (200, width)).astype("float32") - 2.0
    _, _, best, _ = vocabulary_axis.score_logits(
        ops.convert_to_tensor(logits),
        ops.zeros((200,), "int32"),
        ops.zeros((200, 2)),
    )
    np.testing.assert_array_equal(ops.convert_to_numpy(best), logits.argmax(-1))


def test_what_has_no_probability_is_never_sampled():
    # One possible token a row, at the ends of blocks and of the vocabulary.
    possible = np.repeat([0, 63, 64, 127, 128, 149], 2000)
    logits = np.full((12_000, 150), vocabulary_axis.IMPOSSIBLE, np.float32)
    logits[np.arange(12_000), possible] = 3.0
    ids = vocabulary_axis.sample(
        ops.convert_to_tensor(logits), keras.random.SeedGenerator(0)
    )
    np.testing.assert_array_equal(ops.convert_to_numpy(ids), possible)


def test_unigram_samples_follow_their_frequencies():
    chance = np.array([0.0, 0.5, 0.0, 0.2, 0.3, 0.0])
    cumulative = np.cumsum(chance)
    cumulative[4:] = 2.0
    samples = 20_000
    ids = sample_unigram(
        cumulative.astype("float32"), (100, 200), keras.random.SeedGenerator(0)
    )
    assert tuple(ids.shape) == (100, 200)
    seen = np.bincount(ops.convert_to_numpy(ids).ravel(), minlength=6)
    assert seen[chance == 0].sum() == 0
    expected = chance[chance > 0] * samples
    assert scipy.stats.chisquare(seen[chance > 0], expected).pvalue > 1e-3
