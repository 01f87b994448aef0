"""GELU and the product after it, against SciPy and autograd's own gradient."""

import keras
import numpy as np
import pytest
from scipy.special import erf

from keras_rtd import kernels
from keras_rtd.layers.basic import Dense

TANH_AT_1 = 0.8411919906


def dense():
    layer = Dense(3, bias_initializer="glorot_normal")
    layer.build((None, None, 4))
    return layer


def inputs():
    return np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")


def test_values_are_those_of_the_erf():
    layer, x = dense(), inputs()
    y = kernels.gelu_dense(keras.ops.convert_to_tensor(x), layer)
    activated = x * (1 + erf(x / np.sqrt(2))) / 2
    kernel, bias = layer.get_weights()
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(y), activated @ kernel + bias, atol=1e-5
    )


def test_the_approximation_is_that_of_the_tanh():
    layer = dense()
    x = keras.ops.ones((1, 4))
    y = kernels.gelu_dense(x, layer, approximate=True)
    kernel, bias = layer.get_weights()
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(y)[0],
        TANH_AT_1 * kernel.sum(0) + bias,
        atol=1e-5,
    )


@pytest.mark.parametrize("approximate", [False, True])
@pytest.mark.skipif(
    keras.config.backend() != "torch", reason="PyTorch's own gradient"
)
def test_gradients_and_what_is_kept_for_them(approximate):
    import torch

    layer = dense()
    x = torch.tensor(inputs(), requires_grad=True)
    kernel, bias = (w.value for w in layer.weights)
    upstream = torch.tensor(inputs()[..., :3])
    kept = []

    def note(tensor):
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda t: t):
        y = kernels.gelu_dense(x, layer, approximate)
    assert {t.data_ptr() for t in kept} == {x.data_ptr(), kernel.data_ptr()}
    found = torch.autograd.grad(y, (x, kernel, bias), upstream)
    name = "tanh" if approximate else "none"
    again = torch.nn.functional.gelu(x, approximate=name) @ kernel + bias
    expected = torch.autograd.grad(again, (x, kernel, bias), upstream)
    for one, other in zip(found, expected):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
