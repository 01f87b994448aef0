import keras
import numpy as np
import pytest
from keras import ops

from keras_rtd.kernels import attend
from keras_rtd.layers import local_attention
from keras_rtd.models import ModernBertBackbone

WINDOW = 8


def dense_bias(mask, direction, documents):
    """What a token sees, by the definition: (batch, 1, length, length)."""
    rows, length = mask.shape
    bias = np.full((rows, 1, length, length), -1e4, np.float32)
    for row in range(rows):
        for i in range(length):
            for j in range(length):
                seen = abs(i - j) <= WINDOW // 2 and mask[row, j]
                if direction == "left_to_right":
                    seen = seen and j <= i
                elif direction == "right_to_left":
                    seen = seen and j >= i
                if documents is not None:
                    seen = seen and documents[row, i] == documents[row, j]
                if seen:
                    bias[row, 0, i, j] = 0.0
    return bias


# 12 is not worth cutting, 32 is cut in 8, 45 leaves a rest.
@pytest.mark.parametrize("length", [12, 32, 45])
@pytest.mark.parametrize(
    "direction, packed",
    [
        ("bidirectional", False),
        ("bidirectional", True),
        ("left_to_right", True),
    ],
)
def test_it_is_dense_attention_within_a_window(length, direction, packed):
    rng = np.random.default_rng(length)
    mask = np.ones((2, length), np.int32)
    mask[1, length - 5 :] = 0
    documents = None
    if packed:
        documents = np.sort(rng.integers(1, 4, (2, length))).astype("int32")
    query, key, value = (
        ops.convert_to_tensor(x)
        for x in rng.normal(size=(3, 2, 2, length, 4)).astype("float32")
    )
    bias = local_attention.local_bias(mask, WINDOW, direction, documents)
    assert (tuple(bias.shape)[-1] == length) == (length == 12)
    found = local_attention.attend_within(WINDOW, query, key, value, bias)
    dense = ops.convert_to_tensor(dense_bias(mask, direction, documents))
    expected = attend(query, key, value, dense)
    found, expected = (ops.convert_to_numpy(x) for x in (found, expected))
    real = np.broadcast_to(mask[:, None, :, None] > 0, found.shape)
    np.testing.assert_allclose(found[real], expected[real], atol=1e-5)


def test_every_third_layer_of_an_encoder_sees_everything():
    sizes = {
        "vocabulary_size": 50,
        "num_heads": 2,
        "hidden_dim": 16,
        "embedding_dim": 16,
        "intermediate_dim": 24,
        "kernel_stddev": 0.3,
        "local_attention_window": WINDOW,
    }
    batch = {
        "token_ids": np.arange(50, dtype="int32")[None, :40] % 45 + 5,
        "segment_ids": np.zeros((1, 40), np.int32),
        "padding_mask": np.ones((1, 40), np.int32),
    }
    other = {**batch, "token_ids": batch["token_ids"].copy()}
    other["token_ids"][0, 0] = 7

    def reached(model):
        """The last position that a change of the first one reaches."""
        one, two = (
            ops.convert_to_numpy(model(b)["sequence_output"])
            for b in (batch, other)
        )
        return int(np.flatnonzero(np.abs(one - two).max(-1)[0] > 1e-6)[-1])

    deep = ModernBertBackbone(num_layers=7, **sizes)
    windows = [x.local_attention_window for x in deep.transformer_layers]
    assert windows == [None, 8, 8, None, 8, 8, None]
    assert reached(deep) == 39
    # Layers one and two alone: four positions each.
    x = keras.Input((40,), dtype="int32", name="token_ids")
    vectors = deep.embeddings(x, ops.zeros_like(x))
    bias = deep.local_attention_bias(ops.ones_like(x))
    for layer in deep.transformer_layers[1:3]:
        vectors = layer(vectors, bias)
    two = keras.Model(x, vectors)
    local = keras.Model({"token_ids": x}, {"sequence_output": two(x)})
    batch, other = ({"token_ids": b["token_ids"]} for b in (batch, other))
    assert reached(local) == WINDOW


def test_the_window_is_part_of_the_config():
    model = ModernBertBackbone(50, 2, 2, 16, 24, local_attention_window=WINDOW)
    copy = ModernBertBackbone.from_config(model.get_config())
    assert copy.local_attention_window == WINDOW
