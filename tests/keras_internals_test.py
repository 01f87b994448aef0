"""Canaries: what this package assumes of private names of Keras and KerasHub.

A failure here says that a new version means something else by a name; see
`keras_rtd/keras_internals.py`.
"""

import ast
import importlib
import inspect
import json
import pathlib
import pkgutil
import textwrap

import keras
import keras_hub
import numpy as np
import pytest
import tiny
from keras import ops

import keras_rtd
from keras_rtd import keras_internals as internals

PACKAGE = pathlib.Path(keras_rtd.__file__).parent
BACKEND = keras.config.backend()
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat"]


def regression(optimizer, ones=8, **kwargs):
    """A compiled model of one weight, w = 0, and batches whose gradient of it
    is -2: (w - 1)^2."""
    model = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros"),
        ]
    )
    model.compile(optimizer, loss="mse", **kwargs)
    return model, np.ones((ones, 1), "float32")


def value(x):
    return float(np.ravel(ops.convert_to_numpy(x))[0])


# === Optimizers ===


@pytest.mark.parametrize("scaled", [False, True])
def test_keras_calls_what_our_optimizers_replace(scaled):
    calls = []

    class Counting(internals.Optimizer):
        def clip_all(self, gradients):
            calls.append(("clip", value(gradients[0])))
            return [g * 0.5 for g in super().clip_all(gradients)]

        def update_all(self, gradients, variables, learning_rate):
            calls.append(("update", value(gradients[0])))
            super().update_all(gradients, variables, learning_rate)

        def update_step(self, gradient, variable, learning_rate):
            calls.append(("step", self.index_of(variable)))
            rate = ops.cast(learning_rate, variable.dtype)
            self.assign_sub(variable, rate * ops.cast(gradient, variable.dtype))

    inner = optimizer = Counting(learning_rate=0.25, clipvalue=1.0)
    if scaled:
        optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=1)
    model, x = regression(optimizer, run_eagerly=BACKEND != "jax")
    if BACKEND == "jax":
        # Values have none while JAX traces; the update shows them all.
        calls_of = {"clip": 0, "update": 0, "step": 0}
        counting = vars(Counting)

        def count(name, method):
            def counted(self, *args):
                calls_of[method] += 1
                return methods[name](self, *args)

            return counted

        methods = {
            "clip_all": lambda self, g: [
                x * 0.5 for x in internals.Optimizer.clip_all(self, g)
            ],
            "update_all": internals.Optimizer.update_all,
            "update_step": lambda self, g, v, r: self.assign_sub(v, r * g),
        }
        assert set(methods) < set(counting)
        for name, method in (
            ("clip_all", "clip"),
            ("update_all", "update"),
            ("update_step", "step"),
        ):
            setattr(Counting, name, count(name, method))
    model.train_on_batch(x, x)
