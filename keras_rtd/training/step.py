"""`TrainStep` of the backend in use.

A mixin that gives a `keras.Model` its `train_step` and `test_step`: forward,
loss, gradients, optimiser, metrics. What the model must have is in
`keras_rtd.training.step_interface`.
"""

import importlib

import keras

BACKENDS = ("tensorflow", "jax", "torch")

if keras.config.backend() not in BACKENDS:
    raise ImportError(
        f"keras_rtd trains on the backends {', '.join(BACKENDS)}, not on "
        f"{keras.config.backend()!r}. Set KERAS_BACKEND."
    )

TrainStep = importlib.import_module(
    f"keras_rtd.training.step_{keras.config.backend()}"
).TrainStep
