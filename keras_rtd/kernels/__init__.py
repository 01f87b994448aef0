"""The computations that each backend does in a way of its own.

`base` defines every function, with its shapes and dtypes, in plain
`keras.ops`. `jax`, `tensorflow` and `torch` define again what their backend
does better. The names here are those of the backend in use; other modules call
them and do not ask which backend it is. A backend without a module takes
`base`.
"""

import importlib

import keras

from keras_rtd.kernels import base
from keras_rtd.kernels.base import *  # noqa: F403
from keras_rtd.utils.public_names import listed

__all__ = base.__all__

__dir__ = listed(__name__)

if keras.config.backend() in ("jax", "tensorflow", "torch"):
    _module = importlib.import_module(f"{__name__}.{keras.config.backend()}")
    globals().update(
        (name, getattr(_module, name))
        for name in __all__
        if hasattr(_module, name)
    )
