"""ModernBertBackbone is transformers' ModernBertModel."""

import numpy as np
import pytest
from keras import ops

from keras_rtd.models import ModernBertBackbone
from keras_rtd.models import families
from keras_rtd.models.modernbert import conversion

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

SIZES = {
    "vocab_size": 100,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 5,
    "num_attention_heads": 4,
    "local_attention": 8,
}


def theirs(**kwargs):
    """A ModernBertModel with random weights large enough to tell."""
    torch.manual_seed(0)
    config = transformers.ModernBertConfig(
        **{**SIZES, **kwargs},
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
        cls_token_id=2,
        sep_token_id=3,
    )
    model = transformers.ModernBertModel(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.uniform_(0.5, 1.5)
            else:
                parameter.mul_(8.0)
    return model


def ours(model):
    backbone = ModernBertBackbone(
        **conversion.arguments(model.config.to_dict())
    )
    arrays = {k: v.numpy() for k, v in model.state_dict().items()}
    conversion.assign(backbone, arrays)
    return backbone, arrays


def batch(length, rows=3):
    rng = np.random.default_rng(length)
    mask = np.ones((rows, length), np.int32)
    mask[1, length // 2 :] = 0
    mask[2, length - 3 :] = 0
    return {
        "token_ids": rng.integers(5, 100, mask.shape).astype("int32") * mask,
        # Without segments they are ignored.
        "segment_ids": rng.integers(0, 2, mask.shape).astype("int32"),
        "padding_mask": mask,
    }


def vectors(model, inputs):
    return ops.convert_to_numpy(model(inputs)["sequence_output"])


# Rows within a window, in chunks, and in chunks with a rest.
@pytest.mark.parametrize("length", [7, 40, 61])
def test_it_is_modernbert(length):
    model = theirs()
    backbone, _ = ours(model)
    inputs = batch(length)
    with torch.no_grad():
        expected = model(
            torch.tensor(inputs["token_ids"]),
            attention_mask=torch.tensor(inputs["padding_mask"]),
        ).last_hidden_state.numpy()
    found = vectors(backbone, inputs)
    real = inputs["padding_mask"] > 0
    assert np.abs(expected).mean() > 0.3
    np.testing.assert_allclose(found[real], expected[real], atol=1e-5)


def test_the_defaults_are_theirs():
    config = transformers.ModernBertConfig()
    found = conversion.arguments(config.to_dict())
    backbone = ModernBertBackbone(
        vocabulary_size=100,
        num_layers=4,
        num_heads=2,
        hidden_dim=16,
        intermediate_dim=8,
    )
    for name in (
        "max_sequence_length",
        "layer_norm_epsilon",
        "kernel_stddev",
        "local_attention_window",
        "global_rope_base",
        "local_rope_base",
        "dropout",
    ):
        assert getattr(backbone, name) == found[name], name


def test_the_first_weights_are_as_theirs():
    sizes = {**SIZES, "hidden_size": 128, "intermediate_size": 256}
    config = transformers.ModernBertConfig(**sizes, pad_token_id=0)
    torch.manual_seed(0)
    model = transformers.ModernBertModel(config)
    backbone = ModernBertBackbone(**conversion.arguments(config.to_dict()))
    for name, array in conversion.state_dict(backbone).items():
        expected = model.state_dict()[name].numpy()
        if "norm" in name:
            np.testing.assert_array_equal(array, expected)
        else:
            # Of 16,384 numbers and more.
            assert array.std() == pytest.approx(expected.std(), rel=0.03), name
            assert np.abs(array).max() <= 2.001 * array.std() / 0.8796 * 1.03


def test_weights_go_both_ways():
    backbone, arrays = ours(theirs())
    back = conversion.state_dict(backbone)
    assert sorted(back) == sorted(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(back[name], array)


def test_a_document_in_a_packed_row_is_as_alone():
    backbone, _ = ours(theirs())
    lengths = (21, 5, 26)
    numbers = np.repeat([1, 2, 3, 0], [*lengths, 6])[None].astype("int32")
    rng = np.random.default_rng(0)
    row = {
        "token_ids": rng.integers(5, 100, numbers.shape).astype("int32"),
        "segment_ids": np.zeros_like(numbers),
        "padding_mask": (numbers > 0).astype("int32"),
    }
    together = vectors(backbone, {**row, "document_ids": numbers})[0]
    for number in (1, 2, 3):
        place = numbers[0] == number
        alone = {name: value[:, place] for name, value in row.items()}
        np.testing.assert_allclose(
            together[place], vectors(backbone, alone)[0], atol=1e-5
        )


def test_what_transformers_cannot_hold_is_named():
    sizes = conversion.arguments(theirs().config.to_dict())
    old = ModernBertBackbone(
        **{**sizes, **families.OLD_MODERN, "embedding_dim": 16}
    )
    with pytest.raises(ValueError, match="num_segments=2, first_attention_no"):
        conversion.state_dict(old)
    with pytest.raises(ValueError, match="has no norm_bias=True"):
        conversion.arguments(theirs(norm_bias=True).config.to_dict())


def test_missing_weights_are_named():
    backbone, arrays = ours(theirs())
    del arrays["final_norm.weight"]
    arrays["layers.2.attn.Wo.weight"] = np.zeros((3, 3))
    with pytest.raises(ValueError, match=r"(?s)Wo.weight is \[3, 3\].*missing"):
        conversion.assign(backbone, arrays)
