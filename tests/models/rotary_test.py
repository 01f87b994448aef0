import keras
import numpy as np
import pytest
from keras import ops

from keras_rtd import kernels
from keras_rtd.models.modernbert import rotary


def vectors(length=9, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(2, 3, length, 8)).astype("float32")


def turned(x):
    return ops.convert_to_numpy(rotary.rotate(ops.convert_to_tensor(x)))


def test_it_is_llamas():
    torch = pytest.importorskip("torch")
    modeling = pytest.importorskip("transformers.models.llama.modeling_llama")
    from transformers import LlamaConfig

    x = vectors()
    config = LlamaConfig(
        hidden_size=24, num_attention_heads=3, head_dim=8, rope_theta=10_000.0
    )
    angles = modeling.LlamaRotaryEmbedding(config)(
        torch.tensor(x), torch.arange(9)[None]
    )
    expected, _ = modeling.apply_rotary_pos_emb(
        torch.tensor(x), torch.tensor(x), *angles
    )
    np.testing.assert_allclose(turned(x), expected.numpy(), atol=2e-6)


def test_it_is_keras_hubs():
    import keras_hub

    x = vectors()
    layer = keras_hub.layers.RotaryEmbedding(
        max_wavelength=10_000, sequence_axis=2, feature_axis=-1
    )
    expected = ops.convert_to_numpy(layer(x))
    np.testing.assert_allclose(turned(x), expected, atol=2e-6)


def test_products_depend_on_the_distance_alone():
    query, key = (np.tile(vectors(1, seed), (1, 1, 9, 1)) for seed in (1, 2))
    scores = np.einsum("bhid,bhjd->bhij", turned(query), turned(key))
    for distance in range(-8, 9):
        diagonal = np.diagonal(scores, distance, axis1=2, axis2=3)
        np.testing.assert_allclose(
            diagonal, diagonal[..., :1] + 0 * diagonal, atol=1e-5
        )
    assert np.abs(scores[..., 0, 0] - scores[..., 0, 5]).max() > 1e-2


def test_half_precision_is_turned_in_float32():
    x = ops.cast(vectors(), "bfloat16")
    out = rotary.rotate(x)
    assert keras.backend.standardize_dtype(out.dtype) == "bfloat16"
    exact = turned(ops.convert_to_numpy(ops.cast(x, "float32")))
    out = ops.convert_to_numpy(ops.cast(out, "float32"))
    # Rounded once, to 8 bits.
    np.testing.assert_allclose(out, exact, rtol=2**-8, atol=1e-6)


def test_the_gradient_is_turned_back():
    x, upstream = vectors(), vectors(seed=1)
    backend = keras.config.backend()
    if backend == "torch":
        import torch

        leaf = torch.tensor(x, requires_grad=True)
        gradients = [
            torch.autograd.grad(
                rotary.rotate(leaf), leaf, torch.tensor(upstream)
            )[0]
        ]
    elif backend == "jax":
        import jax

        _, back = jax.vjp(rotary.rotate, x)
        gradients = list(back(upstream))
    else:
        import tensorflow as tf

        gradients = []
        leaf = tf.constant(x)
        for compiled in (False, True):
            with tf.GradientTape() as tape:
                tape.watch(leaf)
                if compiled:
                    with kernels.training_scope():
                        out = rotary.rotate(leaf)
                else:
                    out = rotary.rotate(leaf)
            gradients.append(tape.gradient(out, leaf, tf.constant(upstream)))
    # Turning keeps lengths: it is undone by its transpose.
    for gradient in gradients:
        gradient = ops.convert_to_numpy(gradient)
        np.testing.assert_allclose(turned(gradient), upstream, atol=2e-6)
