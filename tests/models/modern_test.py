"""Encoder and pretrainer with ModernBERT's layers, as they were first."""

import keras
import numpy as np
import pytest
import scipy.special
import tiny
from keras import ops

from keras_rtd import interop
from keras_rtd.layers import shared_body
from keras_rtd.models import ElectraBackbone
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import ElectraTextClassifier
from keras_rtd.models import ModernBertBackbone
from keras_rtd.models import families
from keras_rtd.training import make_fine_tuning_optimizer

SIZES = {
    "vocabulary_size": 50,
    "num_layers": 3,
    "num_heads": 2,
    "hidden_dim": 16,
    "embedding_dim": 12,
    "intermediate_dim": 24,
    "max_sequence_length": 32,
}


def encoder(**kwargs):
    return ModernBertBackbone(**{**families.OLD_MODERN, **SIZES, **kwargs})


def inputs(length=11, rows=2, seed=0):
    rng = np.random.default_rng(seed)
    mask = np.ones((rows, length), np.int32)
    mask[-1, length // 2 :] = 0
    return {
        "token_ids": rng.integers(5, 50, (rows, length)).astype("int32"),
        "segment_ids": rng.integers(0, 2, (rows, length)).astype("int32"),
        "padding_mask": mask,
    }


def vectors(model, batch):
    return ops.convert_to_numpy(model(batch)["sequence_output"])


def by_hand(model, batch):
    """What a modern encoder computes, in NumPy and float64."""
    weights = {
        v.path: ops.convert_to_numpy(v).astype("float64") for v in model.weights
    }

    def normalized(x):
        x = x - x.mean(-1, keepdims=True)
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-12)

    def norm(x, name):
        return normalized(x) * weights[f"{name}/gamma"]

    def rotated(x):
        pairs = x[..., : x.shape[-1] // 2] + 1j * x[..., x.shape[-1] // 2 :]
        place = np.arange(x.shape[2])[:, None]
        step = 10_000.0 ** (-np.arange(pairs.shape[-1]) / pairs.shape[-1])
        pairs = pairs * np.exp(1j * place * step)
        return np.concatenate([pairs.real, pairs.imag], -1)

    table = weights["embeddings/token_embedding"]
    x = table[batch["token_ids"]]
    x = x + weights["embeddings/segment_embedding"][batch["segment_ids"]]
    x = norm(x, "embeddings/layer_norm")
    x = x @ weights["embeddings_projection/kernel"]
    hidden = batch["padding_mask"][:, None, None] == 0
    for i in range(model.num_layers):
        layer = f"transformer_layer_{i}"

        def product(x, name, layer=layer):
            return x @ weights[f"{layer}/{name}/kernel"]

        def heads(name, x=x, layer=layer):
            y = product(norm(x, f"{layer}/attention_norm"), name, layer)
            y = y.reshape(*y.shape[:2], model.num_heads, -1)
            return y.transpose(0, 2, 1, 3)

        query, key = rotated(heads("query")), rotated(heads("key"))
        scores = query @ key.swapaxes(-1, -2) / np.sqrt(query.shape[-1])
        scores = np.where(hidden, -np.inf, scores)
        out = scipy.special.softmax(scores, axis=-1) @ heads("value")
        out = out.transpose(0, 2, 1, 3).reshape(x.shape)
        x = x + product(out, "attention_output")
        y = norm(x, f"{layer}/intermediate_norm")
        gate = product(y, "gate")
        gate = gate * 0.5 * (1 + scipy.special.erf(gate / np.sqrt(2)))
        x = x + product(gate * product(y, "intermediate"), "output_dense")
    # Without a scale: each head has its own.
    return normalized(x)


def test_it_computes_what_the_formulas_say():
    model, batch = encoder(kernel_stddev=0.3), inputs()
    expected = by_hand(model, batch)
    assert np.abs(expected).mean() > 0.3
    np.testing.assert_allclose(
        vectors(model, batch), expected, rtol=1e-4, atol=1e-5
    )


def test_rows_may_be_longer_than_max_sequence_length():
    model, batch = encoder(), inputs(length=40)
    np.testing.assert_allclose(
        vectors(model, batch), by_hand(model, batch), rtol=1e-4, atol=1e-5
    )
    with pytest.raises(ValueError, match="sequence_length=40"):
        ElectraBackbone(**SIZES)(batch)


def test_order_matters():
    model, batch = encoder(kernel_stddev=0.3), inputs(rows=1)
    batch["padding_mask"][:] = 1
    batch["segment_ids"][:] = 0
    backward = {name: x[:, ::-1] for name, x in batch.items()}
    difference = vectors(model, batch) - vectors(model, backward)[:, ::-1]
    assert np.abs(difference).max() > 1e-2


def test_both_encoders_round_trip(tmp_path):
    model = tiny.pretrainer(
        with_tokenizer=True,
        family="modernbert",
        encoder_options={"final_norm_scale": False},
    )
    for step in range(2):
        model.train_on_batch(tiny.batch(step))
    model.save_to_preset(str(tmp_path / "mine"))
    copy = ElectraPretrainer.from_preset(str(tmp_path / "mine"))
    for part in (copy.backbone, copy.generator):
        assert type(part) is ModernBertBackbone
        assert not part.final_norm_scale
    names = {v.path for v in copy.backbone.weights}
    for part in ("query", "key", "value", "gate", "intermediate"):
        assert f"transformer_layer_1/{part}/kernel" in names
    assert not any("position" in n or "bias" in n for n in names)
    assert not any("final_norm" in n for n in names)
    batch = {**tiny.batch(), "sampled_ids": tiny.batch()["mask_ids"] + 1}
    first, second = (m.predict_on_batch(batch) for m in (model, copy))
    for name in first:
        np.testing.assert_array_equal(
            ops.convert_to_numpy(first[name]),
            ops.convert_to_numpy(second[name]),
        )


@pytest.mark.parametrize(
    "arguments",
    [
        {"objective": "electric"},
        {"dtype": "mixed_bfloat16"},
        {"dropout": 0.1},
    ],
)
def test_it_learns(arguments):
    model = tiny.pretrainer(family="modernbert", **arguments)
    batch = tiny.batch()
    first = float(model.train_on_batch(batch, return_dict=True)["loss"])
    for _ in range(20):
        model.reset_metrics()
        last = float(model.train_on_batch(batch, return_dict=True)["loss"])
    assert last < 0.9 * first


def test_disentangled_embeddings_round_trip(tmp_path):
    path = str(tmp_path / "mine")
    tiny.pretrainer(with_tokenizer=True, family="modernbert").save_to_preset(
        path
    )
    model = ElectraPretrainer.from_preset(
        path, embedding_sharing="gradient_disentangled"
    )
    assert len(model.backbone.embeddings.tables()) == 1
    model.train_on_batch(tiny.batch())
    model.save_to_preset(str(tmp_path / "other"))
    copy = ElectraPretrainer.from_preset(str(tmp_path / "other"))
    for ours, theirs in zip(
        model.backbone.embeddings.tables(), copy.backbone.embeddings.tables()
    ):
        np.testing.assert_allclose(
            ops.convert_to_numpy(ours), ops.convert_to_numpy(theirs), atol=1e-7
        )


@pytest.mark.parametrize("change", ["shared body", "remat"])
def test_what_a_step_saves_changes_nothing(change, monkeypatch):
    def trained(plain):
        keras.utils.set_random_seed(0)
        model = tiny.pretrainer(dropout=0.3, family="modernbert")
        with monkeypatch.context() as patch:
            if plain:
                patch.setattr(shared_body, "helps", lambda: False)
            elif change == "remat":
                for encoder in (model.backbone, model.generator):
                    for layer in encoder.transformer_layers:
                        layer.remat = True
            for step in range(3):
                model.train_on_batch(tiny.batch(step))
        return [ops.convert_to_numpy(v) for v in model.variables]

    for one, other in zip(trained(plain=True), trained(plain=False)):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_a_classic_preset_gets_modern_layers_of_its_size():
    sizes = []
    for family in ("electra", "modernbert"):
        model = ElectraPretrainer.from_preset(
            "electra_tiny_uncased_en", load_weights=False, family=family
        )
        assert model.generator.family == model.backbone.family == family
        widths = (
            model.backbone.intermediate_dim,
            (model.generator.intermediate_dim),
        )
        assert (
            widths
            == {
                "electra": (512, 256),
                "modernbert": (344, 168),
            }[family]
        )
        sizes.append(
            sum(
                int(np.prod(v.shape))
                for layer in model.backbone.transformer_layers
                for v in layer.weights
                if v.name == "kernel"
            )
        )
    assert sizes[1] == pytest.approx(sizes[0], rel=0.01)


def test_weights_of_other_layers_are_not_loaded(tmp_path):
    with pytest.warns(UserWarning, match="family.: starting from fresh"):
        ElectraPretrainer.from_preset(
            "electra_tiny_uncased_en", family="modernbert"
        )
    path = str(tmp_path / "mine")
    tiny.pretrainer(with_tokenizer=True).save_to_preset(path)
    with pytest.raises(
        ValueError, match="other layers than family='modernbert'"
    ):
        ElectraPretrainer.from_preset(path, block="modern")
    model = ElectraPretrainer.from_preset(
        path, block="modern", load_weights=False
    )
    assert model.backbone.intermediate_dim == 24


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"local_attention_window": 1}, "at least 2"),
        ({"local_attention_window": 8.0}, "an int"),
        ({"num_segments": -1}, "`num_segments` must be an int of at least 0"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        encoder(**arguments)


def test_shared_embeddings_are_of_the_same_kind():
    with pytest.raises(ValueError, match="use_positions=False. The family"):
        ElectraBackbone(**SIZES, embeddings=encoder().embeddings)


def test_an_argument_of_another_family_is_named():
    for family in ("electra", "classic"):
        with pytest.raises(ValueError, match="argument.*'local_attention_wi"):
            ElectraPretrainer.from_preset(
                "electra_tiny_uncased_en",
                family=family,
                local_attention_window=8,
            )
    with pytest.raises(ValueError, match="one of electra, modernbert.*'post'"):
        ElectraPretrainer.from_preset("electra_tiny_uncased_en", family="post")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("google", "family 'modernbert'. Keep it"),
        ("keras_hub", "family 'modernbert'. Keep it"),
        # Its embeddings are narrower than itself.
        ("huggingface", "ModernBertModel has no embedding_dim=12"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*stays behind")
def test_other_libraries_refuse_it(name, message, tmp_path):
    model = tiny.pretrainer(with_tokenizer=True, family="modernbert")
    library = getattr(interop, name)
    for part in (model, model.backbone):
        with pytest.raises(ValueError, match=message):
            library.save(part, str(tmp_path / "there"))
    assert not (tmp_path / "there").exists()


def test_a_classifier_is_fine_tuned_layer_by_layer(tmp_path):
    path = str(tmp_path / "mine")
    tiny.pretrainer(with_tokenizer=True, family="modernbert").save_to_preset(
        path
    )
    task = ElectraTextClassifier.from_preset(path, num_classes=2)
    assert task.backbone.family == "modernbert"
    optimizer = make_fine_tuning_optimizer(
        task,
        learning_rate=1e-2,
        layer_decay=0.5,
        warmup_steps=0,
        weight_decay=0.0,
        bias_correction=True,
        epsilon=1e-12,
    )
    before = {v.path: ops.convert_to_numpy(v) for v in task.backbone.weights}
    task.compile(
        optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    task.fit(
        ["the time was now.", "she", "they were not.", "he"],
        np.array([0, 1, 0, 1]),
        batch_size=4,
        verbose=0,
    )
    moved = {
        v.path: np.abs(ops.convert_to_numpy(v) - before[v.path]).max()
        for v in task.backbone.weights
    }
    # Adam's first step is the rate itself: half of it a layer further down.
    for name, distance in (
        ("transformer_layer_1/gate/kernel", 1),
        ("transformer_layer_0/gate/kernel", 2),
        ("embeddings_projection/kernel", 3),
    ):
        assert moved[name] == pytest.approx(1e-2 * 0.5**distance, rel=0.1), name
