"""Weight initialisers of the reference (model/modeling.py)."""

import keras


def kernel_initializer(stddev=0.02):
    """Truncated normal, cut at two standard deviations."""
    return keras.initializers.TruncatedNormal(stddev=stddev)
