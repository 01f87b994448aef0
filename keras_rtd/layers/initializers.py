"""Random numbers of the layers: initial weights and dropout."""

import random

import keras


def kernel_initializer(stddev=0.02):
    """Truncated normal, cut at two standard deviations.

    Source: google-research/electra, model/modeling.py.
    """
    return keras.initializers.TruncatedNormal(stddev=stddev)


def new_seed():
    """An int from Python's generator, which Keras's global seed sets.

    Layers without a seed of their own take PyTorch's global state, which no
    checkpoint holds.
    """
    return random.randint(1, 2**31 - 1)
