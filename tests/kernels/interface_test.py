"""Each backend's kernels beside the plain ones, which define them."""

import importlib
import inspect

import keras
import numpy as np
import pytest
from keras import ops

from keras_rtd import kernels
from keras_rtd.kernels import base

BACKEND = importlib.import_module(f"keras_rtd.kernels.{keras.config.backend()}")


def random(*shape, seed=0):
    rng = np.random.default_rng(seed)
    return ops.convert_to_tensor(rng.normal(size=shape).astype("float32"))


def arguments(function):
    found = inspect.signature(function).parameters.values()
    return [(p.name, p.kind, p.default) for p in found]


@pytest.mark.parametrize("name", base.__all__)
def test_the_backends_own_is_taken_and_has_the_same_arguments(name):
    plain = getattr(base, name)
    own = getattr(BACKEND, name, plain)
    assert getattr(kernels, name) is own
    assert arguments(own) == arguments(plain)


CASES = {
    "project": (random(2, 3, 4), random(4, 5), random(5)),
    "gelu": (random(2, 3, 4),),
    "layer_norm": (random(2, 3, 4), random(4), random(4), 1e-6),
    "attend": (
        *(random(2, 3, 5, 4, seed=i) for i in range(3)),
        random(2, 1, 1, 5),
    ),
    "turn": (random(2, 3, 5, 4), random(5, 2), random(5, 2, seed=1)),
    "lookup": (random(6, 4), ops.convert_to_tensor([[1, 5], [0, 1]])),
    "segment_sum": (random(4), ops.convert_to_tensor([2, 0, 2, 4]), 5),
    "clip_by_global_norm": ([random(2, 3), random(4)], 0.5),
}


@pytest.mark.parametrize("scope", [kernels.training_scope, base.training_scope])
@pytest.mark.parametrize("name", CASES)
def test_the_numbers_are_those_of_the_plain_kernel(name, scope):
    with scope():
        seen = getattr(kernels, name)(*CASES[name])
    expected = getattr(base, name)(*CASES[name])
    for one, other in zip(
        keras.tree.flatten(seen), keras.tree.flatten(expected), strict=True
    ):
        np.testing.assert_allclose(
            ops.convert_to_numpy(one), ops.convert_to_numpy(other), atol=2e-6
        )
