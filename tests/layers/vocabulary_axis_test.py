import keras
import numpy as np
import pytest
import scipy.stats
from keras import ops

from keras_rtd.layers import vocabulary_axis
from keras_rtd.layers.sampler import sample_unigram


# Three blocks of 64, and a last block that is not full.
@pytest.mark.parametrize("width", [192, 150])
def test_argmax_is_numpys_with_ties(width):
    rng = np.random.default_rng(0)
    # Few distinct values: most rows have several largest ones.
    logits = rng.integers(0, 4, (5, 40, width)).astype("float32") - 2.0
    seen = ops.convert_to_numpy(vocabulary_axis.argmax(logits))
    np.testing.assert_array_equal(seen, logits.argmax(-1))


def test_draws_follow_the_softmax_within_and_between_blocks():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=150).astype("float32")
    draws = 40_000
    rows = np.broadcast_to(logits, (4, draws // 4, 150))
    ids = vocabulary_axis.draw(
        ops.convert_to_tensor(rows), keras.random.SeedGenerator(0)
    )
    seen = np.bincount(ops.convert_to_numpy(ids).ravel(), minlength=150)
    chance = np.exp(logits.astype("float64"))
    expected = chance / chance.sum() * draws
    assert scipy.stats.chisquare(seen, expected).pvalue > 1e-3


def test_what_has_no_probability_is_never_drawn():
    # One possible token a row, at the ends of blocks and of the vocabulary.
    possible = np.array([0, 63, 64, 127, 128, 149])
    logits = np.full((6, 2000, 150), vocabulary_axis.IMPOSSIBLE, np.float32)
    logits[np.arange(6), :, possible] = 3.0
    ids = ops.convert_to_numpy(
        vocabulary_axis.draw(
            ops.convert_to_tensor(logits), keras.random.SeedGenerator(0)
        )
    )
    np.testing.assert_array_equal(
        ids, np.broadcast_to(possible[:, None], ids.shape)
    )


def test_unigram_draws_follow_their_frequencies():
    chance = np.array([0.0, 0.5, 0.0, 0.2, 0.3, 0.0])
    cumulative = np.cumsum(chance)
    cumulative[4:] = 2.0
    draws = 20_000
    ids = sample_unigram(
        cumulative.astype("float32"), (100, 200), keras.random.SeedGenerator(0)
    )
    assert tuple(ids.shape) == (100, 200)
    seen = np.bincount(ops.convert_to_numpy(ids).ravel(), minlength=6)
    assert seen[chance == 0].sum() == 0
    expected = chance[chance > 0] * draws
    assert scipy.stats.chisquare(seen[chance > 0], expected).pvalue > 1e-3
