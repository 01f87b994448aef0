"""First weights."""

import random

import keras
import numpy as np
from keras import ops

# Where the normal distribution is cut, in standard deviations.
CUT = 2.0


@keras.saving.register_keras_serializable(package="keras_rtd")
class TruncatedNormal(keras.initializers.Initializer):
    """Normal numbers, those beyond two standard deviations sampled again.

    Sampled by NumPy: one seed gives the same weights on every backend, and JAX
    need not compile a program for each shape before the first step. Source:
    google-research/electra, model/modeling.py, `create_initializer`.

    Args:
        stddev: float. Of the normal distribution before the cut. Defaults to
            0.02.
        seed: int or `None` for one from Keras's global seed.
    """

    cut = CUT

    def __init__(self, stddev=0.02, seed=None):
        self.stddev = stddev
        self.seed = new_seed() if seed is None else seed

    def __call__(self, shape, dtype=None):
        rng = np.random.default_rng(self.seed)
        values = rng.standard_normal(shape, dtype=np.float32)
        while (far := np.abs(values) > self.cut).any():
            values[far] = rng.standard_normal(far.sum(), dtype=np.float32)
        return ops.convert_to_tensor(self.stddev * values, dtype=dtype)

    def get_config(self):
        return {"stddev": self.stddev, "seed": self.seed}


@keras.saving.register_keras_serializable(package="keras_rtd")
class Normal(TruncatedNormal):
    """The same, not cut: DeBERTa's first weights."""

    cut = float("inf")


@keras.saving.register_keras_serializable(package="keras_rtd")
class GlorotUniform(keras.initializers.Initializer):
    """Keras's default for kernels, sampled by NumPy for the same reasons.

    Args:
        seed: int or `None` for one from Keras's global seed.
    """

    def __init__(self, seed=None):
        self.seed = new_seed() if seed is None else seed

    def __call__(self, shape, dtype=None):
        limit = (6.0 / sum(shape)) ** 0.5
        rng = np.random.default_rng(self.seed)
        values = rng.uniform(-limit, limit, shape).astype(np.float32)
        return ops.convert_to_tensor(values, dtype=dtype)

    def get_config(self):
        return {"seed": self.seed}


def new_seed():
    """An int from Python's generator, which Keras's global seed sets."""
    return random.randint(1, 2**31 - 1)
