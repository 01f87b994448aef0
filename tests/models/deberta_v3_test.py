"""DebertaV3Backbone is Microsoft's encoder, and transformers' where that is."""

import json
import pathlib

import keras
import numpy as np
import pytest
import tiny
from keras import ops

from keras_rtd.models import DebertaV3Backbone
from keras_rtd.models import stored_tensors
from keras_rtd.models.deberta_v3 import conversion
from keras_rtd.models.deberta_v3 import positions

TRACES = pathlib.Path(__file__).parents[3] / "shared" / "reference"
CONFIGURATIONS = [
    "a_v3",
    "b_no_buckets_long",
    "c_buckets_long",
    "d_own_position_keys",
    "e_content_to_position",
    "g_embedding_size",
]
# Of DebertaV2Config.
SIZES = {
    "vocab_size": 100,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 80,
    "relative_attention": True,
    "position_buckets": 8,
    "pos_att_type": "p2c|c2p",
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "position_biased_input": False,
}


def read(name):
    path = TRACES / name
    if not path.is_file():
        pytest.skip(f"no {path}")
    with np.load(path) as archive:
        return dict(archive)


def under(arrays, prefix):
    """The entries whose name begins so, without that."""
    return {
        name.removeprefix(prefix): value
        for name, value in arrays.items()
        if name.startswith(prefix)
    }


def encode(model, token_ids, padding_mask, segment_ids=None, **inputs):
    if segment_ids is None:
        segment_ids = np.zeros_like(token_ids)
    batch = {
        "token_ids": token_ids,
        "segment_ids": segment_ids,
        "padding_mask": padding_mask,
        **inputs,
    }
    return ops.convert_to_numpy(model(batch)["sequence_output"])


# === Microsoft's code ===


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_it_is_microsofts(name):
    arrays = under(read("deberta_encoder.npz"), f"{name}/")
    config = json.loads(str(arrays["config_json"]))
    model = DebertaV3Backbone(**conversion.arguments(config))
    conversion.assign(model, under(arrays, "weights/"))
    mask = arrays["padding_mask"]
    found = encode(model, arrays["token_ids"], mask, arrays.get("segment_ids"))
    expected = arrays["last_hidden_state"]
    difference = np.abs(found - expected)[mask > 0].max()
    assert difference < 2e-6 * np.abs(expected[mask > 0]).max()


def test_convolution_is_refused():
    arrays = under(read("deberta_encoder.npz"), "f_conv/")
    config = json.loads(str(arrays["config_json"]))
    with pytest.raises(ValueError, match="has no conv_kernel_size=3"):
        conversion.arguments(config)


def of_network(arrays, network, **options):
    """The encoder of a network of a trace of Microsoft's training."""
    config = json.loads(str(arrays["config_json"]))["model_config"][network]
    model = DebertaV3Backbone(**conversion.arguments(config), **options)
    weights = under(arrays, f"before/{network}/")
    of_encoder = under(weights, "deberta.")
    if network == "discriminator":
        name = conversion.TOKEN_TABLE
        base = arrays[f"before/generator/deberta.{name}"]
        delta = of_encoder[name.replace("weight", "_weight")]
        of_encoder[name] = base + delta
    conversion.assign(model, of_encoder)
    return model, weights


def assign_layers(weights, bias=None, **layers):
    """Write Microsoft's dense layers and norms of a head."""
    named = {}
    for name, layer in layers.items():
        dense = hasattr(layer, "kernel")
        add = conversion.add_dense if dense else conversion.add_norm
        add(named, name, layer)
    if bias is not None:
        named["bias"] = stored_tensors.plain(bias)
    stored_tensors.assign(named, weights, "the trace")


def test_the_generator_is_microsofts():
    trace = read("deberta_small.npz")
    step = under(trace, "step0/")
    model, weights = of_network(trace, "generator", enhanced_mask_decoder=True)
    head = model.make_masked_lm_head()
    assign_layers(
        under(weights, "lm_predictions.lm_head."),
        head.bias,
        dense=head.dense,
        LayerNorm=head.layer_norm,
    )
    vectors = encode(model, step["masked_token_ids"], step["padding_mask"])
    positions = step["mask_positions"]
    there = np.take_along_axis(vectors, positions[..., None], 1)
    real = step["mask_weights"] > 0
    expected = step["generator_decoder_hidden"]
    np.testing.assert_allclose(there[real], expected[real], atol=1e-5)
    logits = ops.convert_to_numpy(head(vectors, positions))[..., :600]
    expected = step["generator_logits"]
    np.testing.assert_allclose(logits[real], expected[real], atol=2e-5)


def test_the_discriminator_is_microsofts():
    trace = read("deberta_small.npz")
    step = under(trace, "step0/")
    model, weights = of_network(trace, "discriminator")
    head = model.make_detection_head()
    assign_layers(
        under(weights, "mask_predictions."),
        dense=head.dense,
        LayerNorm=head.layer_norm,
        classifier=head.logits,
    )
    vectors = encode(model, step["corrupted_token_ids"], step["padding_mask"])
    found = ops.convert_to_numpy(head(vectors))
    real = step["padding_mask"] > 0
    expected = step["discriminator_logits"]
    np.testing.assert_allclose(found[real], expected[real], atol=1e-5)


# === transformers ===


def theirs(**kwargs):
    """A DebertaV2Model with random weights large enough to tell."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.DebertaV2Config(**{**SIZES, **kwargs})
    model = transformers.DebertaV2Model(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "LayerNorm" in name:
                parameter.uniform_(0.5, 1.5)
            elif "bias" in name:
                parameter.uniform_(-0.5, 0.5)
            else:
                parameter.mul_(8.0)
    return model


def ours(model):
    backbone = DebertaV3Backbone(**conversion.arguments(model.config.to_dict()))
    arrays = {k: v.numpy() for k, v in model.state_dict().items()}
    conversion.assign(backbone, arrays)
    return backbone, arrays


def rows(length, count=3):
    """Token ids and padding mask."""
    rng = np.random.default_rng(length)
    mask = np.ones((count, length), np.int32)
    mask[1, length // 2 :] = 0
    mask[2, length - 3 :] = 0
    return rng.integers(5, 100, mask.shape).astype("int32") * mask, mask


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"share_att_key": False, "norm_rel_ebd": "none"},
        {"pos_att_type": "p2c", "position_buckets": -1},
        {"pos_att_type": ["c2p"], "share_att_key": False},
        {"position_biased_input": True, "type_vocab_size": 2},
        {"num_attention_heads": 1, "hidden_act": "gelu_pytorch_tanh"},
        {"embedding_size": 16},
    ],
    ids=lambda options: "-".join(options) or "v3",
)
@pytest.mark.parametrize("length", [6, 70])
def test_it_is_debertav2(options, length):
    import torch

    model = theirs(**options)
    backbone, arrays = ours(model)
    token_ids, mask = rows(length)
    segments = (np.arange(length)[None] > 3).astype("int32") * mask
    with torch.no_grad():
        expected = model(
            torch.tensor(token_ids),
            attention_mask=torch.tensor(mask),
            token_type_ids=torch.tensor(segments),
        ).last_hidden_state.numpy()
    found = encode(backbone, token_ids, mask, segments)
    np.testing.assert_allclose(found[mask > 0], expected[mask > 0], atol=1e-5)
    back = conversion.state_dict(backbone)
    assert sorted(back) == sorted(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(back[name], array)


def test_configs_go_both_ways():
    for options in ({}, {"embedding_size": 16, "position_buckets": -1}):
        found = conversion.arguments({**SIZES, **options})
        backbone = DebertaV3Backbone(**found)
        again = conversion.arguments(conversion.config(backbone))
        assert again == found


def test_other_options_are_refused():
    for option, value in {
        "conv_kernel_size": 3,
        "relative_attention": False,
        "pos_att_type": "c2p|p2p",
        "norm_rel_ebd": "batch_norm",
        "attention_head_size": 16,
        "hidden_act": "relu",
    }.items():
        with pytest.raises(ValueError, match=f"has no {option}="):
            conversion.arguments({**SIZES, option: value})
    with pytest.raises(ValueError, match="`position_attention` must hold"):
        tiny_encoder(position_attention=["p2p"])
    with pytest.raises(ValueError, match="needs at least 2 layers"):
        tiny_encoder(num_layers=1, enhanced_mask_decoder=True)


# === Ours ===


def tiny_encoder(**kwargs):
    sizes = {
        "vocabulary_size": 100,
        "num_layers": 3,
        "num_heads": 2,
        "hidden_dim": 16,
        "intermediate_dim": 32,
        "max_sequence_length": 40,
        "bucket_size": 8,
        "dropout": 0.0,
        "kernel_stddev": 0.3,
    }
    return DebertaV3Backbone(**{**sizes, **kwargs})


def test_buckets():
    # transformers' formula, which is Microsoft's but for the clip.
    torch = pytest.importorskip("torch")
    module = pytest.importorskip(
        "transformers.models.deberta_v2.modeling_deberta_v2"
    )
    for buckets, most in ((256, 512), (16, 72), (8, 64), (12, 96)):
        distance = torch.arange(1 - most, most)
        expected = module.make_log_bucket_position(distance, buckets, most)
        found = positions.row_of_distance(buckets, most)
        assert len(found) == 2 * most + 1
        np.testing.assert_array_equal(
            found[1:-1], expected.numpy().astype(int) + buckets
        )
        assert found[0] == 1 and found[-1] == 2 * buckets - 1
    # In float32, the last of these are of rows that do not exist.
    for buckets, most in ((4, 8), (8, 192), (256, 300)):
        found = positions.row_of_distance(buckets, most)
        assert (found.min(), found.max()) == (1, 2 * buckets - 1)
    # Fewer distances than buckets.
    found = positions.row_of_distance(256, 32)
    np.testing.assert_array_equal(found[1:-1], np.arange(-31, 32) + 256)


def test_shift():
    length = 5
    place = np.arange(2 * length - 1) - (length - 1)
    # What a column is of, for each row.
    scores = place[None, :] + np.arange(length)[:, None]
    scores = np.broadcast_to(scores, (2, 3, *scores.shape)).astype("float32")
    found = ops.convert_to_numpy(positions.shifted(ops.array(scores)))
    expected = np.broadcast_to(np.arange(length), (2, 3, length, length))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("decoder", [False, True])
def test_a_document_in_a_packed_row_is_as_alone(decoder):
    model = tiny_encoder(enhanced_mask_decoder=decoder)
    head = model.make_detection_head()
    numbers = np.repeat([1, 2, 3, 0], [11, 5, 16, 4])[None].astype("int32")
    rng = np.random.default_rng(0)
    ids = rng.integers(5, 100, numbers.shape).astype("int32")
    mask = (numbers > 0).astype("int32")
    together = encode(model, ids, mask, document_ids=numbers)
    logits = ops.convert_to_numpy(head(together, numbers))
    for number in (1, 2, 3):
        there = numbers[0] == number
        alone = encode(model, ids[:, there], mask[:, there])
        np.testing.assert_allclose(together[:, there], alone, atol=1e-5)
        np.testing.assert_allclose(
            logits[:, there], ops.convert_to_numpy(head(alone)), atol=1e-5
        )


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision(dtype):
    exact = tiny_encoder()
    # Scores of trained models leave float16's range.
    block = exact.transformer_layers[1]
    for layer in (block.query, block.key):
        layer.kernel.assign(layer.kernel * 120.0)
    half = tiny_encoder(dtype=dtype)
    half.set_weights(exact.get_weights())
    ids, mask = rows(30)
    found, expected = (encode(m, ids, mask)[mask > 0] for m in (half, exact))
    assert np.isfinite(found).all()
    # A softmax of such scores turns on their last digits.
    error = np.abs(found - expected).mean() / np.abs(expected).mean()
    assert error < (0.05 if dtype == "mixed_float16" else 0.6)


def test_the_first_weights_are_microsofts():
    model = tiny_encoder(
        vocabulary_size=2000, hidden_dim=64, kernel_stddev=0.02
    )
    for name, array in conversion.state_dict(model).items():
        if "LayerNorm.weight" in name:
            assert (array == 1).all()
        elif "bias" in name:
            assert (array == 0).all()
        elif array.size > 2000:
            assert array.std() == pytest.approx(0.02, rel=0.06), name
            # Not cut.
            assert np.abs(array).max() > 0.05, name


def test_padding_row_learns_nothing_from_look_ups():
    model = tiny_encoder()
    ids, mask = rows(12)
    ids[0, 3] = 0
    before = ops.convert_to_numpy(model.embeddings.token_table)

    class Fit(keras.Model):
        def call(self, inputs, training=None):
            vectors = model(inputs, training=training)["sequence_output"]
            self.add_loss(ops.mean(ops.square(vectors[:, :3] - 1.0)))
            return vectors

    fit = Fit()
    fit.encoder = model
    fit.compile(optimizer=keras.optimizers.SGD(0.1))
    fit.train_on_batch(
        {
            "token_ids": ids,
            "segment_ids": np.zeros_like(ids),
            "padding_mask": mask,
        }
    )
    after = ops.convert_to_numpy(model.embeddings.token_table)
    np.testing.assert_array_equal(after[0], before[0])
    assert np.abs(after[ids[0, 1]] - before[ids[0, 1]]).max() > 0


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"share_attention_key": False, "embedding_dim": 8},
        {"enhanced_mask_decoder": True, "normalize_relative_embedding": False},
        {"absolute_positions": True, "num_segments": 2, "bucket_size": None},
    ],
    ids=lambda options: "-".join(options) or "v3",
)
def test_facts(options):
    model = tiny_encoder(**options)
    total = model.embedding_parameters() + model.encoder_parameters()
    assert total == model.count_params()
    facts = type(model).facts_cls.of(model.get_config())
    assert facts.flops_per_token(30) == model.flops_per_token(30)
    # By hand: 3 layers, or 4 with the decoder, of products and three scores.
    layers = 4 if options.get("enhanced_mask_decoder") else 3
    products = 4 * 16 * 16 + 2 * 16 * 32 + 16 * (2 * 30 + 2 * 59)
    extra = 8 * 16 if "embedding_dim" in options else 0
    assert model.flops_per_token(30) == 2 * (layers * products + extra)


def test_from_preset_makes_a_decoder():
    from keras_rtd.models import ElectraPretrainer

    model = ElectraPretrainer.from_preset(
        "electra_tiny_uncased_en", load_weights=False, family="deberta_v3"
    )
    assert type(model.backbone) is DebertaV3Backbone
    assert not model.backbone.enhanced_mask_decoder
    assert model.generator.enhanced_mask_decoder
    rates = model.backbone.input_layers()
    assert model.backbone.relative_embedding in rates


def test_it_trains_with_all_parts():
    model = tiny.pretrainer(family="deberta_v3", dropout=0.1)
    before = model.get_weights()
    for step in range(3):
        model.train_on_batch(tiny.batch(step))
    names = [v.path for v in model.weights]
    for name, old, new in zip(names, before, model.get_weights()):
        if old.dtype.kind == "f" and "seed" not in name:
            assert np.abs(new - old).max() > 0, name
