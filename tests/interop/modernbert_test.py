"""ModernBERT directories of transformers, both ways."""

import json

import keras
import numpy as np
import pytest
import tiny
from keras import ops

from keras_rtd.interop import convert
from keras_rtd.interop import huggingface
from keras_rtd.interop import vocabulary
from keras_rtd.models import ElectraMaskedLM
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import ElectraReplacedTokenDetector
from keras_rtd.models import ElectraTextClassifier
from keras_rtd.models import ElectraTokenClassifier
from keras_rtd.models import ElectraTokenizer
from keras_rtd.models import ModernBertBackbone
from keras_rtd.models import families

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

SIZES = {
    "vocab_size": len(tiny.VOCABULARY),
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 5,
    "num_attention_heads": 4,
    "local_attention": 8,
    "pad_token_id": 0,
    "bos_token_id": 2,
    "eos_token_id": 3,
    "cls_token_id": 2,
    "sep_token_id": 3,
}
ENCODER = {
    "vocabulary_size": len(tiny.VOCABULARY),
    "num_layers": 4,
    "num_heads": 4,
    "hidden_dim": 32,
    "intermediate_dim": 48,
    "local_attention_window": 8,
}
TASKS = {
    "ModernBertModel": ModernBertBackbone,
    "ModernBertForMaskedLM": ElectraMaskedLM,
    "ModernBertForSequenceClassification": ElectraTextClassifier,
    "ModernBertForTokenClassification": ElectraTokenClassifier,
}
LABELS = {
    "id2label": {0: "O", 1: "B-LOC", 2: "I-LOC"},
    "label2id": {"O": 0, "B-LOC": 1, "I-LOC": 2},
}


def theirs(kind, **options):
    """A model of transformers with random weights large enough to tell."""
    torch.manual_seed(0)
    config = transformers.ModernBertConfig(**SIZES, **options)
    model = getattr(transformers, kind)(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name or "bias" in name:
                parameter.uniform_(0.5, 1.5)
            else:
                parameter.mul_(6.0)
    return model


def spread(model):
    """Random weights of ours, as large."""
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        value = ops.convert_to_numpy(variable)
        noise = rng.normal(size=value.shape)
        scale = 0.2 if value.ndim == 2 else 0.1
        variable.assign(value + scale * noise)
    return model


def batch(length=45, rows=3):
    """Rows longer than the windows, two of them with padding."""
    rng = np.random.default_rng(length)
    mask = np.ones((rows, length), np.int32)
    mask[1, length // 2 :] = 0
    mask[2, length - 3 :] = 0
    ids = rng.integers(5, len(tiny.VOCABULARY), mask.shape) * mask
    return {
        "token_ids": ids.astype("int32"),
        "segment_ids": np.zeros_like(mask),
        "padding_mask": mask,
    }


def output_of(model, inputs):
    """Of a model of transformers."""
    model.eval()
    with torch.no_grad():
        return model(
            input_ids=torch.tensor(inputs["token_ids"]).long(),
            attention_mask=torch.tensor(inputs["padding_mask"]).long(),
        )[0].numpy()


def output(model, inputs):
    """Of one of ours, as transformers' has it."""
    if isinstance(model, ElectraMaskedLM):
        shape = inputs["token_ids"].shape
        places = np.tile(np.arange(shape[1], dtype="int32"), (shape[0], 1))
        inputs = {**inputs, "mask_positions": places}
    found = model(inputs)
    if isinstance(found, dict):
        names = ("sequence_output", "discriminator_logits")
        found = next(found[name] for name in names if name in found)
    return ops.convert_to_numpy(found)


def assert_equal(found, expected, inputs):
    assert np.abs(expected).mean() > 0.1
    if found.ndim > 1 and found.shape[1] == inputs["padding_mask"].shape[1]:
        # What padding computes is nobody's.
        real = inputs["padding_mask"] > 0
        found, expected = found[real], expected[real]
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5)


def load_there(kind, path):
    """Load as a user would; nothing is missing or left over."""
    model, info = getattr(transformers, kind).from_pretrained(
        path, output_loading_info=True
    )
    for name, value in info.items():
        assert not value, (name, value)
    return model


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("ModernBertModel", {}),
        ("ModernBertModel", {"hidden_activation": "gelu_pytorch_tanh"}),
        ("ModernBertForMaskedLM", {}),
        (
            "ModernBertForMaskedLM",
            {"classifier_bias": True, "decoder_bias": False},
        ),
        ("ModernBertForSequenceClassification", {"num_labels": 1}),
        (
            "ModernBertForSequenceClassification",
            {"classifier_pooling": "mean", **LABELS},
        ),
        ("ModernBertForTokenClassification", LABELS),
    ],
)
def test_there_and_back(tmp_path, kind, options):
    model = theirs(kind, **options)
    model.save_pretrained(tmp_path / "theirs")
    inputs = batch()
    expected = output_of(model, inputs)
    ours = huggingface.load(tmp_path / "theirs")
    assert type(ours) is TASKS[kind]
    assert_equal(output(ours, inputs), expected, inputs)
    if "id2label" in options:
        assert ours.class_names == ["O", "B-LOC", "I-LOC"]
    huggingface.save(ours, tmp_path / "ours", tokenizer=tiny.tokenizer())
    again = load_there(kind, tmp_path / "ours")
    assert_equal(output_of(again, inputs), expected, inputs)
    old, new = model.config.to_dict(), again.config.to_dict()
    for name in ("architectures", "dtype", "_name_or_path"):
        old.pop(name, None), new.pop(name, None)
    if "hidden_activation" in options:
        old["classifier_activation"] = options["hidden_activation"]
    assert {k: new[k] for k in old} == old
    back = huggingface.load(tmp_path / "ours")
    assert type(back) is TASKS[kind]
    assert_equal(output(back, inputs), expected, inputs)
    if kind != "ModernBertModel":
        found = back.preprocessor.tokenizer.fingerprint()
        assert found == tiny.tokenizer().fingerprint()


def test_a_detector_is_a_token_classifier_there(tmp_path):
    detector = spread(
        ElectraReplacedTokenDetector(ModernBertBackbone(**ENCODER))
    )
    huggingface.save(detector, tmp_path, tokenizer=tiny.tokenizer())
    model = load_there("ModernBertForTokenClassification", tmp_path)
    assert model.config.id2label == {0: "ORIGINAL", 1: "REPLACED"}
    inputs = batch()
    there = output_of(model, inputs)
    real = inputs["padding_mask"] > 0
    np.testing.assert_array_equal(there[real][:, 0], 0)
    for ours in (detector, huggingface.load(tmp_path)):
        assert type(ours) is ElectraReplacedTokenDetector
        assert_equal(output(ours, inputs), there[..., 1], inputs)


def pretrainer(generator=None, **options):
    sizes = {**ENCODER, **options}
    backbone = ModernBertBackbone(**sizes)
    sizes |= {"embedding_dim": backbone.embedding_dim, **(generator or {})}
    preprocessor = tiny.pretrainer(with_tokenizer=True).preprocessor
    return spread(
        ElectraPretrainer(
            backbone,
            ModernBertBackbone(
                **sizes, embeddings=backbone.embeddings, name="generator"
            ),
            preprocessor=preprocessor,
        )
    )


def test_a_pretrainer_becomes_two_directories(tmp_path):
    model = pretrainer({"num_layers": 2})
    huggingface.save(model, tmp_path)
    load_there("ModernBertForTokenClassification", tmp_path / "discriminator")
    generator = load_there("ModernBertForMaskedLM", tmp_path / "generator")
    inputs = batch()
    assert_equal(
        output(model.masked_lm(), inputs), output_of(generator, inputs), inputs
    )
    again = huggingface.load(tmp_path)
    assert type(again) is ElectraPretrainer
    assert again.generator.embeddings is again.backbone.embeddings
    assert again.tokenizer.fingerprint() == model.tokenizer.fingerprint()
    rows = tiny.batch()
    rows["sampled_ids"] = rows["mask_ids"]
    expected, found = (m.predict_on_batch(rows) for m in (model, again))
    for name in ("generator_logits", "discriminator_logits"):
        np.testing.assert_allclose(
            found[name], expected[name], atol=1e-5, rtol=1e-5
        )


def test_a_narrow_generator_stays_behind(tmp_path):
    model = pretrainer({"hidden_dim": 8, "num_heads": 1})
    with pytest.warns(UserWarning, match="generator stays.*embedding_dim=32"):
        huggingface.save(model, tmp_path)
    assert not (tmp_path / "generator").exists()
    found = huggingface.load(tmp_path)
    inputs = batch()
    expected = output(model.replaced_token_detector(), inputs)
    assert_equal(output(found, inputs), expected, inputs)


@pytest.mark.parametrize(
    "options",
    [
        {"embedding_dim": 32},
        {"embedding_dim": 32, "num_segments": 0, "local_attention_window": 8},
        {"embedding_dim": 12},
    ],
)
def test_older_layers_leave_with_a_layer_more(tmp_path, options):
    encoder = spread(
        ModernBertBackbone(**{**ENCODER, **families.OLD_MODERN, **options})
    )
    with pytest.warns(UserWarning, match="written with a layer more") as said:
        huggingface.save(encoder, tmp_path)
    assert ("segment 0" in str(said[0].message)) == bool(encoder.num_segments)
    model = load_there("ModernBertModel", tmp_path)
    assert model.config.num_hidden_layers == 5
    inputs = batch()
    assert_equal(output(encoder, inputs), output_of(model, inputs), inputs)


@pytest.mark.filterwarnings("ignore:.*layer more")
def test_the_bundled_encoder_leaves(tmp_path):
    name = "rtd_modern_tiny_uncased_en"
    encoder = ModernBertBackbone.from_preset(name)
    huggingface.save(encoder, tmp_path)
    inputs = batch()
    expected = output_of(load_there("ModernBertModel", tmp_path), inputs)
    assert_equal(output(encoder, inputs), expected, inputs)


def test_older_layers_that_cannot_leave_are_named(tmp_path):
    options = {"embedding_dim": 12, "local_attention_window": 8}
    encoder = ModernBertBackbone(
        **{**ENCODER, **families.OLD_MODERN, **options}
    )
    with pytest.raises(ValueError, match="embedding_dim=12.*_window=8"):
        huggingface.save(encoder, tmp_path)
    with pytest.raises(ValueError, match="no num_segments=2, first_attention"):
        huggingface.save(ElectraReplacedTokenDetector(encoder), tmp_path)
    assert not list(tmp_path.iterdir())


def test_of_an_older_pretrainer_the_encoder_leaves(tmp_path):
    model = pretrainer(**families.OLD_MODERN, embedding_dim=12)
    with pytest.warns(UserWarning) as said:
        huggingface.save(model, tmp_path)
    said = " ".join(str(w.message) for w in said)
    for words in ("generator stays behind", "detection head stays", "layer m"):
        assert words in said
    there = load_there("ModernBertModel", tmp_path / "discriminator")
    inputs = batch()
    assert_equal(
        output(model.backbone, inputs), output_of(there, inputs), inputs
    )


def test_the_tokenizer_gives_what_the_model_takes(tmp_path):
    backbone = ModernBertBackbone(**ENCODER)
    ours = tiny.tokenizer()
    huggingface.save(backbone, tmp_path, tokenizer=ours)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    found = tokenizer("they said it", "now", return_tensors="pt")
    assert set(found) == {"input_ids", "attention_mask"}
    first, second = ours.encode_batch(["they said it", "now"])
    cls, sep = ours.cls_token_id, ours.sep_token_id
    expected = [cls, *first, sep, *second, sep]
    assert found["input_ids"].tolist() == [expected]
    model = transformers.AutoModel.from_pretrained(tmp_path)
    assert type(model) is transformers.ModernBertModel
    assert model(**found)[0].shape == (1, len(expected), 32)
    assert model.config.pad_token_id == ours.pad_token_id
    assert model.config.eos_token_id == sep


def test_sentence_transformers_finds_mean_pooling(tmp_path):
    backbone = ModernBertBackbone(**ENCODER)
    huggingface.save(backbone, tmp_path, tokenizer=tiny.tokenizer())
    modules = json.loads((tmp_path / "modules.json").read_text())
    assert [m["path"] for m in modules] == ["", "1_Pooling"]
    pooling = json.loads((tmp_path / "1_Pooling/config.json").read_text())
    assert pooling["word_embedding_dimension"] == 32
    on = [k for k, v in pooling.items() if v is True]
    assert on == ["pooling_mode_mean_tokens"]


def test_a_config_of_older_versions_is_read(tmp_path):
    model = theirs("ModernBertForMaskedLM")
    model.save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    for name in ("layer_types", "rope_parameters"):
        del config[name]
    config |= {
        "global_attn_every_n_layers": 3,
        "global_rope_theta": 160000.0,
        "local_rope_theta": 10000.0,
    }
    path.write_text(json.dumps(config))
    inputs = batch()
    expected = output_of(model, inputs)
    assert_equal(output(huggingface.load(tmp_path), inputs), expected, inputs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"norm_bias": True}, "norm_bias=True"),
        ({"hidden_activation": "relu"}, "relu"),
        ({"classifier_activation": "relu"}, "classifier_activation='relu'"),
        (
            {"layer_types": ["full_attention"] * 4 + ["sliding_attention"]},
            "full",
        ),
        ({"model_type": "bert"}, "'bert'. Known: electra, modernbert"),
        (
            {"architectures": ["ModernBertForMultipleChoice"]},
            "is an ModernBertForMultipleChoice",
        ),
    ],
)
def test_other_models_are_refused(tmp_path, changes, message):
    theirs("ModernBertForMaskedLM").save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(ValueError, match=message):
        huggingface.load(tmp_path)


def test_tasks_and_the_command_take_a_directory(tmp_path, capsys):
    detector = spread(
        ElectraReplacedTokenDetector(ModernBertBackbone(**ENCODER))
    )
    place = str(tmp_path / "theirs")
    huggingface.save(detector, place, tokenizer=tiny.tokenizer())
    task = ElectraTextClassifier.from_preset(place, num_classes=2)
    assert type(task.backbone) is ModernBertBackbone
    assert task.predict(["they said it"], verbose=0).shape == (1, 2)
    target = str(tmp_path / "preset")
    status = convert.main(
        ["convert", "--from", f"hf:{place}", "--to", f"preset:{target}"]
    )
    assert status == 0 and "detection head" in capsys.readouterr().out
    again = convert.Preset.load(target)
    inputs = batch()
    assert_equal(output(again, inputs), output(detector, inputs), inputs)


def test_a_task_is_stored_with_its_head(tmp_path):
    task = spread(
        ElectraTokenClassifier(ModernBertBackbone(**ENCODER), num_classes=3)
    )
    task.save_to_preset(str(tmp_path))
    again = ElectraTokenClassifier.from_preset(str(tmp_path))
    inputs = batch()
    expected = keras.Model.predict_on_batch(task, inputs)
    found = keras.Model.predict_on_batch(again, inputs)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    "kind",
    ["ModernBertModel", "ModernBertForMaskedLM", "ElectraForPreTraining"],
)
def test_training_goes_on_from_a_released_encoder(tmp_path, capsys, kind):
    if kind.startswith("Electra"):
        config = transformers.ElectraConfig(
            vocab_size=len(tiny.VOCABULARY),
            embedding_size=16,
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=24,
            max_position_embeddings=32,
        )
        model = transformers.ElectraForPreTraining(config)
    else:
        model = theirs(kind)
    model.save_pretrained(tmp_path)
    tiny.tokenizer().save(tmp_path / "tokenizer.json")
    inputs = {k: v[:, :16] for k, v in batch().items()}
    pretrainer = ElectraPretrainer.from_preset(
        f"hf:{tmp_path}", optimizer_config={"learning_rate": 1e-3}
    )
    said = capsys.readouterr().err
    assert "initialised randomly:" in said and "generator" in said
    assert pretrainer.generator.hidden_dim == pretrainer.backbone.hidden_dim / 4
    base = getattr(model, model.base_model_prefix, model)
    found = output(pretrainer.backbone, inputs)
    assert_equal(found, output_of(base, inputs), inputs)
    losses = pretrainer.train_on_batch(tiny.batch(), return_dict=True)
    # Uniform over the vocabulary.
    assert losses["generator_loss"] == pytest.approx(
        np.log(len(tiny.VOCABULARY)), rel=0.1
    )
    assert pretrainer.tokenizer.vocabulary_size() == len(tiny.VOCABULARY)


def test_another_vocabulary_keeps_known_tokens(tmp_path):
    model = pretrainer({"num_layers": 2})
    words = [*tiny.VOCABULARY[:5], *tiny.VOCABULARY[:4:-1], "zebra"]
    changed, counts = vocabulary.change_vocabulary(
        model, ElectraTokenizer(words)
    )
    assert counts == {
        "kept": len(tiny.VOCABULARY),
        "split": 0,
        "unknown": 1,
    }
    inputs = batch()
    new = np.array([words.index(token) for token in tiny.VOCABULARY])
    moved = {**inputs, "token_ids": new[inputs["token_ids"]].astype("int32")}
    for old, again in (
        (model.replaced_token_detector(), changed.replaced_token_detector()),
        (model.backbone, changed.backbone),
    ):
        assert_equal(output(again, moved), output(old, inputs), inputs)
    found = output(changed.masked_lm(), moved)[..., new]
    assert_equal(found, output(model.masked_lm(), inputs), inputs)
