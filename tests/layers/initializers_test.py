import keras
import numpy as np
import pytest
import scipy.stats
import tiny
from keras import ops

from keras_rtd.layers.initializers import GlorotUniform
from keras_rtd.layers.initializers import TruncatedNormal

NORM, VALUE = 12.145121574401855, -0.0038099433295428753


def test_truncated_normal_is_scipys():
    values = ops.convert_to_numpy(TruncatedNormal(0.02, seed=0)((200, 100)))
    assert values.dtype == np.float32
    assert np.abs(values).max() <= 0.04
    expected = scipy.stats.truncnorm(-2.0, 2.0, scale=0.02)
    assert scipy.stats.kstest(values.ravel(), expected.cdf).pvalue > 1e-3


def test_glorot_is_uniform_in_its_limits():
    values = ops.convert_to_numpy(GlorotUniform(seed=0)((299, 1)))
    expected = scipy.stats.uniform(-(0.02**0.5), 2 * 0.02**0.5)
    assert scipy.stats.kstest(values.ravel(), expected.cdf).pvalue > 1e-3


def test_one_seed_gives_one_model_on_every_backend():
    keras.utils.set_random_seed(7)
    model = tiny.pretrainer()
    weights = [ops.convert_to_numpy(v) for v in model.trainable_variables]
    norm = float(np.sqrt(sum(np.square(w).sum() for w in weights)))
    # The same figures in the runs of the other backends.
    assert norm == pytest.approx(NORM, rel=1e-6)
    assert weights[0][3, 5] == np.float32(VALUE)


def test_keras_global_seed_reaches_the_weights():
    def sample(seed):
        keras.utils.set_random_seed(seed)
        return ops.convert_to_numpy(TruncatedNormal()((4, 4)))

    np.testing.assert_array_equal(sample(1), sample(1))
    assert np.abs(sample(1) - sample(2)).max() > 0
