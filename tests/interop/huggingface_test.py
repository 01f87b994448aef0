import json
import shutil

import keras
import numpy as np
import pytest
import tiny

from keras_rtd.interop import huggingface
from keras_rtd.models import ElectraBackbone
from keras_rtd.models import ElectraMaskedLM
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import ElectraReplacedTokenDetector

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

TEXT = "The people made an elephant walk, as they said. " + "a" * 150


@pytest.fixture(scope="module")
def pretrainer():
    keras.utils.set_random_seed(0)
    return spread(tiny.pretrainer(with_tokenizer=True))


def spread(model, scale=6.0):
    """Weights so large that every layer matters."""
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        shift = 0.0 if variable.name in ("gamma",) else None
        noise = rng.normal(size=variable.shape) * 0.05
        value = variable.numpy() * (1.0 if shift == 0.0 else scale)
        variable.assign(value + noise)
    return model


def inputs():
    batch = tiny.batch()
    assert not batch["padding_mask"].all() and batch["segment_ids"].any()
    return {
        k: batch[k] for k in ("token_ids", "segment_ids", "padding_mask")
    }, batch["mask_positions"]


def transformers_output(model, batch):
    model.eval()
    with torch.no_grad():
        output = model(
            input_ids=torch.tensor(batch["token_ids"]).long(),
            token_type_ids=torch.tensor(batch["segment_ids"]).long(),
            attention_mask=torch.tensor(batch["padding_mask"]).long(),
        )
    return output[0].numpy()


def transformers_load(kind, path, capfd):
    """Load as a user would; nothing may be said about it."""
    model, info = kind.from_pretrained(path, output_loading_info=True)
    for name, value in info.items():
        assert not value, (name, value)
    said = capfd.readouterr()
    for word in ("warn", "missing", "unexpected", "newly", "MISSING"):
        assert word not in said.err + said.out, said
    return model


def test_detector_equals_transformers(pretrainer, tmp_path, capfd):
    huggingface.save(pretrainer.replaced_token_detector(), tmp_path)
    model = transformers_load(
        transformers.ElectraForPreTraining, tmp_path, capfd
    )
    batch, _ = inputs()
    expected = transformers_output(model, batch)
    for ours in (
        pretrainer.replaced_token_detector(),
        huggingface.load(tmp_path),
    ):
        assert type(ours) is ElectraReplacedTokenDetector
        found = keras.Model.predict_on_batch(ours, batch)
        np.testing.assert_allclose(
            found["discriminator_logits"], expected, atol=1e-5, rtol=1e-5
        )


def test_generator_equals_transformers(pretrainer, tmp_path, capfd):
    huggingface.save(pretrainer.masked_lm(), tmp_path)
    model = transformers_load(transformers.ElectraForMaskedLM, tmp_path, capfd)
    batch, positions = inputs()
    expected = np.take_along_axis(
        transformers_output(model, batch), positions[..., None], axis=1
    )
    for ours in (pretrainer.masked_lm(), huggingface.load(tmp_path)):
        assert type(ours) is ElectraMaskedLM
        found = keras.Model.predict_on_batch(
            ours, {**batch, "mask_positions": positions}
        )
        np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("activation", ["gelu", "gelu_approximate"])
def test_encoder_equals_transformers(tmp_path, capfd, activation):
    encoder = spread(
        ElectraBackbone(
            len(tiny.VOCABULARY),
            2,
            2,
            12,
            12,
            20,
            0.0,
            24,
            activation=activation,
        ),
        scale=3.0,
    )
    huggingface.save(encoder, tmp_path, tokenizer=tiny.tokenizer())
    model = transformers_load(transformers.ElectraModel, tmp_path, capfd)
    batch, _ = inputs()
    expected = transformers_output(model, batch)
    for ours in (encoder, huggingface.load(tmp_path)):
        assert ours.activation == activation
        found = ours.predict_on_batch(batch)["sequence_output"]
        np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "kind", ["ElectraForPreTraining", "ElectraForMaskedLM", "ElectraModel"]
)
def test_what_transformers_wrote_is_read(tmp_path, kind):
    config = transformers.ElectraConfig(
        vocab_size=50,
        embedding_size=8,
        hidden_size=12,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=20,
        max_position_embeddings=16,
        initializer_range=0.3,
    )
    torch.manual_seed(0)
    model = getattr(transformers, kind)(config)
    model.save_pretrained(tmp_path)
    rng = np.random.default_rng(0)
    batch = {
        "token_ids": rng.integers(0, 50, (2, 16)).astype(np.int32),
        "segment_ids": rng.integers(0, 2, (2, 16)).astype(np.int32),
        "padding_mask": np.arange(16)[None] < np.array([[16], [9]]),
    }
    expected = transformers_output(model, batch)
    ours = huggingface.load(tmp_path)
    if kind == "ElectraForMaskedLM":
        batch["mask_positions"] = np.tile(np.arange(16, dtype=np.int32), (2, 1))
    found = keras.Model.predict_on_batch(ours, batch)
    if isinstance(found, dict):
        found = next(
            found[k]
            for k in ("discriminator_logits", "sequence_output")
            if k in found
        )
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5)


def test_a_pretrainer_becomes_two_directories(pretrainer, tmp_path, recwarn):
    huggingface.save(pretrainer, tmp_path)
    again = huggingface.load(tmp_path)
    assert not [w for w in recwarn if "embeddings" in str(w.message)]
    assert type(again) is ElectraPretrainer
    assert again.generator.embeddings is again.backbone.embeddings
    assert again.tokenizer.vocabulary == tiny.VOCABULARY
    batch = tiny.batch()
    batch["sampled_ids"] = batch["mask_ids"]
    expected = pretrainer.predict_on_batch(batch)
    found = again.predict_on_batch(batch)
    for name in ("generator_logits", "discriminator_logits"):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-5)


def test_embeddings_that_differ_are_tied_with_a_warning(pretrainer, tmp_path):
    huggingface.save(pretrainer, tmp_path)
    other = huggingface.load(tmp_path / "generator")
    table = other.backbone.embeddings.position_table
    table.assign(table.numpy() + 0.5)
    huggingface.save(other, tmp_path / "generator")
    with pytest.warns(UserWarning, match="differ by up to 0.5"):
        huggingface.load(tmp_path)


def test_the_tokenizer_is_the_same(pretrainer, tmp_path, capfd):
    huggingface.save(pretrainer.replaced_token_detector(), tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert "warn" not in capfd.readouterr().err
    ours = pretrainer.tokenizer
    ids = theirs(TEXT, "had two")
    first, second = ours.encode_batch([TEXT, "had two"])
    cls, sep = ours.cls_token_id, ours.sep_token_id
    assert ids["input_ids"] == [cls, *first, sep, *second, sep]
    assert sum(ids["token_type_ids"]) == len(second) + 1
    assert theirs.mask_token_id == ours.mask_token_id
    again = huggingface.load_tokenizer(tmp_path)
    assert again.fingerprint() == ours.fingerprint()


def test_a_vocabulary_alone_is_a_tokenizer(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(tiny.VOCABULARY))
    tokenizer = huggingface.load_tokenizer(tmp_path)
    assert tokenizer.fingerprint() == tiny.tokenizer().fingerprint()


def test_a_cased_tokenizer_stays_cased(pretrainer, tmp_path):
    from keras_rtd.models import ElectraTokenizer

    cased = ElectraTokenizer(list(tiny.VOCABULARY), lowercase=False)
    huggingface.save(pretrainer.backbone, tmp_path, tokenizer=cased)
    (tmp_path / "vocab.txt").unlink()
    again = huggingface.load_tokenizer(tmp_path)
    assert again.fingerprint() == cased.fingerprint()


def test_a_partial_directory_lists_what_is_missing(pretrainer, tmp_path):
    from safetensors import numpy as safetensors

    huggingface.save(pretrainer.replaced_token_detector(), tmp_path)
    path = str(tmp_path / "model.safetensors")
    tensors = safetensors.load_file(path)
    del tensors["discriminator_predictions.dense_prediction.bias"]
    tensors["electra.embeddings_project.weight"] = np.zeros((3, 4), "f4")
    safetensors.save_file(tensors, path)
    with pytest.raises(ValueError) as error:
        huggingface.load(tmp_path)
    message = str(error.value)
    assert "discriminator_predictions.dense_prediction.bias [1]" in message
    assert "is [3, 4], should be [16, 12]" in message


def test_a_pickle_is_refused(pretrainer, tmp_path):
    huggingface.save(pretrainer.backbone, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(ValueError, match="pickle.*pytorch_model.bin"):
        huggingface.load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "bert"}, "'bert'"),
        ({"architectures": ["ElectraForCausalLM"]}, "ElectraForCausalLM"),
        ({"hidden_act": "relu"}, "relu"),
    ],
)
def test_other_models_are_refused(pretrainer, tmp_path, changes, message):
    huggingface.save(pretrainer.backbone, tmp_path)
    path = tmp_path / "config.json"
    config = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps(config))
    with pytest.raises(ValueError, match=message):
        huggingface.load(tmp_path)


def test_no_directory_is_named(tmp_path):
    with pytest.raises(ValueError, match="no config.json"):
        huggingface.load(tmp_path / "nothing")


def test_weights_in_several_files(pretrainer, tmp_path):
    huggingface.save(pretrainer.replaced_token_detector(), tmp_path / "one")
    model = transformers.ElectraForPreTraining.from_pretrained(tmp_path / "one")
    several = tmp_path / "several"
    model.save_pretrained(several, max_shard_size="4KB")
    shutil.copy(tmp_path / "one" / "vocab.txt", several)
    assert len(list(several.glob("*.safetensors"))) > 1
    batch, _ = inputs()
    found = keras.Model.predict_on_batch(huggingface.load(several), batch)
    np.testing.assert_allclose(
        found["discriminator_logits"],
        transformers_output(model, batch),
        atol=1e-5,
        rtol=1e-5,
    )
