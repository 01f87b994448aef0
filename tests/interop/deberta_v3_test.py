"""DeBERTaV3 directories of transformers, both ways."""

import json

import numpy as np
import pytest
import tiny
from keras import ops

from keras_rtd.interop import huggingface
from keras_rtd.interop import vocabulary
from keras_rtd.models import DebertaV3Backbone
from keras_rtd.models import ElectraMaskedLM
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import ElectraReplacedTokenDetector
from keras_rtd.models import ElectraTextClassifier
from keras_rtd.models import ElectraTokenClassifier
from keras_rtd.models import ElectraTokenizer
from keras_rtd.models.deberta_v3.layers import DebertaV3Embedding
from keras_rtd.tokenizers.unigram import UnigramTokenizer

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

SIZES = {
    "vocab_size": len(tiny.VOCABULARY),
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 40,
    "relative_attention": True,
    "position_buckets": 8,
    "pos_att_type": "p2c|c2p",
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "position_biased_input": False,
}
ENCODER = {
    "vocabulary_size": len(tiny.VOCABULARY),
    "num_layers": 3,
    "num_heads": 4,
    "hidden_dim": 32,
    "intermediate_dim": 48,
    "max_sequence_length": 40,
    "bucket_size": 8,
}
TASKS = {
    "DebertaV2Model": DebertaV3Backbone,
    "DebertaV2ForMaskedLM": ElectraMaskedLM,
    "DebertaV2ForSequenceClassification": ElectraTextClassifier,
    "DebertaV2ForTokenClassification": ElectraTokenClassifier,
}
LABELS = {
    "id2label": {0: "O", 1: "B-LOC", 2: "I-LOC"},
    "label2id": {"O": 0, "B-LOC": 1, "I-LOC": 2},
}


def theirs(kind, **options):
    """A model of transformers with random weights large enough to tell."""
    torch.manual_seed(0)
    config = transformers.DebertaV2Config(**{**SIZES, **options})
    model = getattr(transformers, kind)(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "Norm" in name or "bias" in name:
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


def batch(length=36, rows=3):
    """Rows, two of them with padding."""
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
    with torch.no_grad():
        return (
            model.eval()(
                input_ids=torch.tensor(inputs["token_ids"]).long(),
                attention_mask=torch.tensor(inputs["padding_mask"]).long(),
            )[0]
        ).numpy()


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
        ("DebertaV2Model", {}),
        (
            "DebertaV2Model",
            {
                "share_att_key": False,
                "position_biased_input": True,
                "type_vocab_size": 2,
                "position_buckets": -1,
                "hidden_act": "gelu_pytorch_tanh",
            },
        ),
        ("DebertaV2ForMaskedLM", {"legacy": True, "embedding_size": 16}),
        ("DebertaV2ForMaskedLM", {"legacy": False}),
        ("DebertaV2ForSequenceClassification", {"num_labels": 1}),
        (
            "DebertaV2ForSequenceClassification",
            {"cls_dropout": 0.3, **LABELS},
        ),
        ("DebertaV2ForTokenClassification", LABELS),
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
    assert again.config.legacy
    if "cls_dropout" in options:
        assert ours.dropout == again.config.cls_dropout == 0.3
    back = huggingface.load(tmp_path / "ours")
    assert type(back) is TASKS[kind]
    assert_equal(output(back, inputs), expected, inputs)


def pretrainer(**options):
    generator = {"num_layers": 2, **options}
    backbone = DebertaV3Backbone(**ENCODER)
    return spread(
        ElectraPretrainer(
            backbone,
            DebertaV3Backbone(
                **{**ENCODER, **generator},
                embeddings=backbone.embeddings,
                name="generator",
            ),
            preprocessor=tiny.pretrainer(with_tokenizer=True).preprocessor,
        )
    )


def test_what_transformers_has_not_stays_behind(tmp_path):
    inputs = batch()
    model = pretrainer(enhanced_mask_decoder=True)
    with pytest.warns(UserWarning) as said:
        huggingface.save(model, tmp_path / "decoder")
    said = " ".join(str(w.message) for w in said)
    for words in ("generator stays behind", "decoder", "head stays behind"):
        assert words in said
    assert not (tmp_path / "decoder/generator").exists()
    there = load_there("DebertaV2Model", tmp_path / "decoder/discriminator")
    expected = output_of(there, inputs)
    assert_equal(output(model.backbone, inputs), expected, inputs)
    with pytest.raises(ValueError, match="no enhanced mask decoder"):
        huggingface.save(model.masked_lm(), tmp_path / "no")
    with pytest.raises(ValueError, match="no ElectraReplacedTokenDetector"):
        huggingface.save(model.replaced_token_detector(), tmp_path / "no")
    assert not (tmp_path / "no").exists()
    # Without the decoder, the generator leaves.
    model = pretrainer()
    with pytest.warns(UserWarning, match="detection head stays behind"):
        huggingface.save(model, tmp_path / "plain")
    there = load_there("DebertaV2ForMaskedLM", tmp_path / "plain/generator")
    expected = output_of(there, inputs)
    assert_equal(output(model.masked_lm(), inputs), expected, inputs)


def test_training_goes_on_from_a_released_encoder(tmp_path, capsys):
    model = theirs("DebertaV2Model")
    model.save_pretrained(tmp_path)
    tiny.tokenizer().save(tmp_path / "tokenizer.json")
    found = ElectraPretrainer.from_preset(f"hf:{tmp_path}")
    said = capsys.readouterr().err
    assert "initialised randomly:" in said and "generator" in said
    # As wide, half as deep, with the reference's decoder.
    assert found.generator.hidden_dim == 32
    assert found.generator.num_layers == 2
    assert found.generator.enhanced_mask_decoder
    inputs = batch()
    expected = output_of(model, inputs)
    assert_equal(output(found.backbone, inputs), expected, inputs)
    losses = found.train_on_batch(tiny.batch(), return_dict=True)
    assert np.isfinite(losses["loss"])


def test_old_files_are_read(tmp_path):
    # As released: absolute positions that nothing reads.
    model = theirs("DebertaV2Model")
    inputs = batch()
    expected = output_of(model, inputs)
    model.save_pretrained(tmp_path)
    safetensors = pytest.importorskip("safetensors.numpy")
    path = str(tmp_path / "model.safetensors")
    arrays = safetensors.load_file(path)
    arrays["embeddings.position_embeddings.weight"] = np.ones((40, 32), "f")
    arrays = {f"deberta.{name}": value for name, value in arrays.items()}
    safetensors.save_file(arrays, path)
    assert_equal(output(huggingface.load(tmp_path), inputs), expected, inputs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"conv_kernel_size": 3}, "has no conv_kernel_size=3"),
        ({"pooler_hidden_act": "tanh"}, "no pooler_hidden_act='tanh'"),
        ({"pooler_dropout": 0.5}, "no pooler_dropout=0.5"),
    ],
)
def test_other_models_are_refused(tmp_path, changes, message):
    theirs("DebertaV2ForSequenceClassification").save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(ValueError, match=message):
        huggingface.load(tmp_path)


def test_mean_pooling_is_refused(tmp_path):
    task = ElectraTextClassifier(
        DebertaV3Backbone(**ENCODER), num_classes=2, pooling="mean"
    )
    with pytest.raises(ValueError, match="pooling='mean'"):
        huggingface.save(task, tmp_path)


def test_tasks_are_stored_with_their_heads(tmp_path):
    inputs = batch()
    for number, task in enumerate(
        (
            ElectraTextClassifier(DebertaV3Backbone(**ENCODER), num_classes=2),
            ElectraReplacedTokenDetector(DebertaV3Backbone(**ENCODER)),
        )
    ):
        task = spread(task)
        path = str(tmp_path / str(number))
        task.save_to_preset(path)
        again = type(task).from_preset(path)
        expected = output(task, inputs)
        np.testing.assert_allclose(output(again, inputs), expected, atol=1e-6)


def test_auto_tokenizer_gives_our_ids(tmp_path):
    # transformers' own class for the model type switches bytes off and
    # normalises in another way.
    texts = ["they said it, now", "Über naïve ☃ Häuser", "  two  spaces "]
    ours = UnigramTokenizer.from_texts(tiny.text(80).split("\n"), 340)
    sizes = {**ENCODER, "vocabulary_size": ours.vocabulary_size()}
    huggingface.save(DebertaV3Backbone(**sizes), tmp_path, tokenizer=ours)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    cls, sep = ours.cls_token_id, ours.sep_token_id
    expected = [[cls, *ids, sep] for ids in ours.encode_batch(texts)]
    assert theirs(texts)["input_ids"] == expected
    assert theirs.mask_token_id == ours.mask_token_id
    assert set(theirs("now")) == {"input_ids", "attention_mask"}
    assert huggingface.load_tokenizer(tmp_path).encode_batch(texts) == [
        ids[1:-1] for ids in expected
    ]


def test_another_vocabulary_keeps_known_tokens():
    generator = DebertaV3Backbone(
        **ENCODER, enhanced_mask_decoder=True, name="generator"
    )
    base = generator.embeddings
    own = DebertaV3Embedding(**base.get_config(), base=base)
    model = ElectraPretrainer(
        DebertaV3Backbone(**ENCODER, embeddings=own),
        generator,
        preprocessor=tiny.pretrainer(with_tokenizer=True).preprocessor,
        embedding_sharing="gradient_disentangled",
    )
    spread(model)
    words = [*tiny.VOCABULARY[:5], *tiny.VOCABULARY[:4:-1], "zebra"]
    changed, _ = vocabulary.change_vocabulary(model, ElectraTokenizer(words))
    assert changed.embedding_sharing == "gradient_disentangled"
    inputs = batch()
    new = np.array([words.index(token) for token in tiny.VOCABULARY])
    moved = {**inputs, "token_ids": new[inputs["token_ids"]].astype("int32")}
    expected = output(model.replaced_token_detector(), inputs)
    found = output(changed.replaced_token_detector(), moved)
    assert_equal(found, expected, inputs)
    found = output(changed.masked_lm(), moved)[..., new]
    assert_equal(found, output(model.masked_lm(), inputs), inputs)
