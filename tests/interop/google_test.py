import json

import keras
import numpy as np
import pytest
import tiny

from keras_rtd.interop import google
from keras_rtd.models import ElectraBackbone
from keras_rtd.models import ElectraMaskedLM
from keras_rtd.models import ElectraReplacedTokenDetector
from keras_rtd.models import ElectraTokenizer

# tiny's discriminator has 2 heads of 8, which its width does not tell.
CONFIG = {
    "generator_hidden_size": 0.5,
    "model_hparam_overrides": {
        "num_attention_heads": 2,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    },
}


@pytest.fixture
def trained():
    """A pretrainer after two steps, the reference's generator shape."""
    pretrainer = tiny.pretrainer(with_tokenizer=True)
    for seed in range(2):
        pretrainer.train_on_batch(tiny.batch(seed))
    return pretrainer


@pytest.fixture
def model():
    """The same without a step, which compiles nothing: every weight its own
    random number."""
    pretrainer = tiny.pretrainer(with_tokenizer=True)
    rng = np.random.default_rng(0)
    for variable in pretrainer.trainable_variables:
        values = rng.normal(scale=0.02, size=variable.shape)
        variable.assign(variable + values.astype("float32"))
    return pretrainer


def losses(pretrainer, seed):
    batch = tiny.batch(seed)
    batch["sampled_ids"] = batch["mask_ids"][:, ::-1].copy()
    logs = pretrainer.train_on_batch(batch, return_dict=True)
    return np.array([logs["generator_loss"], logs["discriminator_loss"]])


def test_variables_have_the_references_names_and_no_padding(model):
    variables = google.to_variables(model)
    table = variables["electra/embeddings/word_embeddings"]
    assert table.shape == (len(tiny.VOCABULARY), 12)
    assert "generator/embeddings_project/kernel" in variables
    assert variables["discriminator_predictions/dense_1/kernel"].shape == (
        16,
        1,
    )
    assert len(variables) == len(model.trainable_variables)


def test_variables_come_back(model):
    variables = google.to_variables(model)
    again = google.from_variables(CONFIG, variables)
    for name, array in google.to_variables(again).items():
        np.testing.assert_array_equal(array, variables[name], err_msg=name)
    batch = tiny.batch()
    batch["sampled_ids"] = batch["mask_ids"]
    expected = model.predict_on_batch(batch)
    found = again.predict_on_batch(batch)
    for name in ("generator_logits", "discriminator_logits"):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-5)


def test_null_means_the_references_default(model):
    variables = google.to_variables(model)
    config = {**CONFIG, "embedding_size": None, "disc_weight": None}
    pretrainer = google.from_variables(config, variables)
    assert pretrainer.objective.discriminator_weight == 50.0
    assert pretrainer.optimizer_config == {
        "learning_rate": 5e-4,
        "warmup_steps": 10_000,
        "train_steps": 1_000_000,
        "weight_decay": 0.01,
        "decay_power": 1.0,
    }
    assert pretrainer.backbone.embedding_dim == 12


def test_options_of_the_schedule_come_back(model):
    model.optimizer_config["decay_power"] = 2.0
    options = google.google_config.describe(model)
    assert options["lr_decay_power"] == 2.0
    again = google.from_variables(options, google.to_variables(model))
    assert again.optimizer_config["decay_power"] == 2.0


def test_heads_follow_the_width():
    assert google.google_config.heads_of(256) == 4
    assert google.google_config.heads_of(64) == 1
    assert google.google_config.heads_of(16) == 1


def test_missing_and_misshapen_variables_are_all_listed(model):
    variables = google.to_variables(model)
    del variables["discriminator_predictions/dense/bias"]
    name = "electra/encoder/layer_1/output/LayerNorm/gamma"
    variables[name] = np.zeros(7, np.float32)
    with pytest.raises(ValueError) as error:
        google.from_variables(CONFIG, variables)
    message = str(error.value)
    assert "missing: discriminator_predictions/dense/bias [16]" in message
    assert f"wrong shape: {name} is [7], should be [16]" in message


@pytest.mark.parametrize(
    "option",
    [
        {"two_tower_generator": True},
        {"electra_objective": False},
        {"untied_generator": False},
        {"model_size": "huge"},
        {"vocab_size": 99},
        {"model_hparam_overrides": {"hidden_size": 32}},
    ],
)
def test_options_of_another_model_are_refused(model, option):
    (name,) = option
    if name == "model_hparam_overrides":
        name = "hidden_dim"
    with pytest.raises(ValueError, match=name.replace("vocab_", "vocabulary_")):
        google.from_variables({**CONFIG, **option}, google.to_variables(model))


def test_training_goes_on_from_a_checkpoint(trained, tmp_path):
    prefix = str(tmp_path / "out" / "model.ckpt")
    google.save(trained, prefix)
    again = google.load(prefix)
    assert int(again.optimizer.iterations.numpy()) == 2
    assert again.tokenizer.vocabulary == tiny.VOCABULARY
    for seed in (5, 6):
        np.testing.assert_allclose(
            losses(again, seed), losses(trained, seed), rtol=1e-5
        )


def test_a_checkpoint_is_what_tensorflow_1_writes(trained, tmp_path):
    tf = pytest.importorskip("tensorflow")
    google.save(trained, str(tmp_path / "model.ckpt-2"))
    assert tf.train.latest_checkpoint(str(tmp_path)).endswith("model.ckpt-2")
    with tf.Graph().as_default():
        v1 = tf.compat.v1
        shape = (len(tiny.VOCABULARY), 12)
        table = v1.get_variable("electra/embeddings/word_embeddings", shape)
        step = v1.get_variable("global_step", (), tf.int64)
        moment = v1.get_variable(
            "generator_predictions/output_bias/adam_v", shape[:1]
        )
        with v1.Session() as session:
            saver = v1.train.Saver([table, step, moment])
            saver.restore(session, str(tmp_path / "model.ckpt-2"))
            values = session.run([table, step])
            # And what TensorFlow 1 wrote is read by name.
            saver.save(session, str(tmp_path / "partial"))
    np.testing.assert_array_equal(
        values[0], google.to_variables(trained)[table.op.name]
    )
    assert values[1] == 2
    with pytest.raises(ValueError, match="layer_0/attention/self/query"):
        google.load(str(tmp_path / "partial"))


def test_the_written_options_are_the_references(model, tmp_path):
    google.save(model, str(tmp_path / "model"))
    config = json.loads((tmp_path / "model.hparams.json").read_text())
    assert config["generator_hidden_size"] == 0.5
    assert config["model_hparam_overrides"]["num_attention_heads"] == 2
    assert config["learning_rate"] == 1e-2


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        ("replaced_token_detector", ElectraReplacedTokenDetector),
        ("masked_lm", ElectraMaskedLM),
        ("backbone", ElectraBackbone),
    ],
)
def test_parts_come_back_as_what_they_are(model, tmp_path, part, kind):
    found = getattr(model, part)
    if kind is not ElectraBackbone:
        found = found()
    google.save(found, str(tmp_path / "part"))
    again = google.load(str(tmp_path / "part"), config=CONFIG)
    assert type(again) is kind
    variables = google.to_variables(found)
    for name, array in google.to_variables(again).items():
        np.testing.assert_array_equal(array, variables[name])


def test_what_is_no_checkpoint_is_named(tmp_path):
    with pytest.raises(ValueError, match="nothing.index"):
        google.load(str(tmp_path / "nothing"))
    with pytest.raises(ValueError, match="there is none"):
        google.load(str(tmp_path))
    (tmp_path / "bad.index").write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match="cannot be read"):
        google.load(str(tmp_path / "bad"))


def test_a_vocabulary_of_another_size_is_refused(model, tmp_path):
    google.save(model, str(tmp_path / "model"))
    vocabulary = ElectraTokenizer([*tiny.VOCABULARY, "elephant"])
    with pytest.raises(ValueError, match="do not belong together"):
        google.load(str(tmp_path / "model"), vocabulary=vocabulary)


def test_tanh_gelu_is_no_encoder_of_the_reference(tmp_path):
    encoder = ElectraBackbone(10, 1, 1, 8, 8, 16, activation="gelu_approximate")
    with pytest.raises(ValueError, match="erf-gelu"):
        google.save(encoder, str(tmp_path / "model"))


def test_without_an_own_optimizer_only_weights_are_saved(model, tmp_path):
    model.compile(optimizer=keras.optimizers.SGD())
    google.save(model, str(tmp_path / "model"))
    again = google.load(str(tmp_path / "model"))
    assert int(again.optimizer.iterations.numpy()) == 0


@pytest.mark.run_once
def test_an_electric_checkpoint_round_trip(tmp_path):
    model = tiny.pretrainer(objective="electric", with_tokenizer=True)
    model.train_on_batch(tiny.batch())
    google.save(model, tmp_path / "model.ckpt")
    again = google.load(str(tmp_path / "model.ckpt"))
    assert again.objective.name == "electric"
    assert again.objective.get_config() == model.objective.get_config()
    before, after = google.to_variables(model), google.to_variables(again)
    assert any(name.startswith("generator_rtl/") for name in before)
    assert "cloze_predictions/output_bias" in before
    assert set(before) == set(after)
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name])
    # Recognised without its options, too.
    (tmp_path / "model.ckpt.hparams.json").unlink()
    options = {"model_hparam_overrides": {"num_attention_heads": 2}}
    other = google.load(str(tmp_path / "model.ckpt"), config=options)
    assert other.objective.name == "electric"
