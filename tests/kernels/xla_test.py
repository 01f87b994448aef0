import keras
import numpy as np
import pytest
import scipy.special

if keras.config.backend() != "tensorflow":
    pytest.skip(
        "what XLA compiles in TensorFlow's graph", allow_module_level=True
    )

import tensorflow as tf

from keras_rtd import kernels
from keras_rtd.layers.basic import LayerNormalization

ROWS, WIDTH = 24, 48
DTYPES = [("float32", 1e-6), ("bfloat16", 1e-2)]


def values(seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(2, ROWS // 2, WIDTH)).astype("float32")


def assert_close(seen, wanted, tolerance):
    """The norm of the difference, against the norm of what is wanted."""
    wanted = tf.cast(wanted, "float64").numpy()
    difference = np.linalg.norm(tf.cast(seen, "float64").numpy() - wanted)
    assert difference <= tolerance * np.linalg.norm(wanted)


def erf_gelu(x):
    return 0.5 * x * (1.0 + scipy.special.erf(x / np.sqrt(2.0)))


def tanh_gelu(x):
    inner = np.sqrt(2.0 / np.pi) * (x + 0.044715 * x**3)
    return 0.5 * x * (1.0 + np.tanh(inner))


@pytest.mark.parametrize(
    "approximate, function", [(False, erf_gelu), (True, tanh_gelu)]
)
@pytest.mark.parametrize("dtype, tolerance", DTYPES)
def test_gelu_and_its_gradient(approximate, function, dtype, tolerance):
    x = tf.cast(3.0 * values(0), dtype)
    upstream = tf.cast(values(1), dtype)
    with tf.GradientTape() as tape, kernels.training_scope():
        tape.watch(x)
        y = kernels.gelu(x, approximate)
    assert y.dtype == dtype
    exact, step = tf.cast(x, "float64").numpy(), 1e-5
    slope = (function(exact + step) - function(exact - step)) / (2 * step)
    assert_close(y, function(exact), tolerance)
    assert_close(
        tape.gradient(y, x, upstream),
        slope * tf.cast(upstream, "float64").numpy(),
        tolerance,
    )


@pytest.mark.parametrize("dtype, tolerance", DTYPES)
def test_layer_norm_and_its_gradients_equal_keras(dtype, tolerance):
    policy = "float32" if dtype == "float32" else "mixed_bfloat16"
    layer = LayerNormalization(epsilon=1e-6, dtype=policy)
    layer.build((None, None, WIDTH))
    layer.gamma.assign(1.0 + 0.1 * values(2)[0, 0])
    layer.beta.assign(0.1 * values(3)[0, 0])
    x = tf.cast(1.0 + 2.0 * values(0), dtype)
    upstream = tf.cast(values(1), dtype)
    results = []
    for context in (kernels.training_scope(), tf.name_scope("plain")):
        with tf.GradientTape() as tape, context:
            tape.watch(x)
            y = layer(x)
        sources = [x, layer.gamma.value, layer.beta.value]
        results.append([y, *tape.gradient(y, sources, upstream)])
    for compiled, plain in zip(*results):
        assert compiled.dtype == plain.dtype
        assert_close(compiled, plain, tolerance)


def test_only_within_the_training_step():
    def operations():
        graph = tf.function(kernels.gelu).get_concrete_function(
            tf.TensorSpec((2, 3), tf.float32)
        )
        return (
            b"_XlaMustCompile" in graph.graph.as_graph_def().SerializeToString()
        )

    assert not operations()
    with kernels.training_scope():
        assert operations()
    assert not operations()
