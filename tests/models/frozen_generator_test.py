"""A generator that was trained before, and only samples."""

import numpy as np
import pytest
import tiny
from keras import ops

from keras_rtd.interop import google
from keras_rtd.models import ElectraMaskedLM
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models.frozen_generator import fingerprint
from keras_rtd.models.frozen_generator import load_masked_lm
from keras_rtd.objectives import OBJECTIVES
from keras_rtd.objectives import get

LOGITS = ["generator_logits", "discriminator_logits"]


def numpy(x):
    return np.array(ops.convert_to_numpy(x))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Presets of a pretrainer, and of a masked language model."""
    folder = tmp_path_factory.mktemp("saved")
    for objective in ("electra", "mlm"):
        model = tiny.pretrainer(with_tokenizer=True, objective=objective)
        model.train_on_batch(tiny.batch())
        model.save_to_preset(str(folder / objective))
    return folder


def frozen(saved, generator="electra", **kwargs):
    return ElectraPretrainer.from_preset(
        str(saved / "electra"),
        frozen_generator=str(saved / generator),
        objective_config={"discriminator_weight": 5.0},
        **kwargs,
    )


@pytest.mark.parametrize("name", ["electra", "mlm"])
def test_it_predicts_what_the_preset_does(saved, name):
    model = frozen(saved, name)
    batch = tiny.batch()
    masked_lm = ElectraMaskedLM.from_preset(str(saved / name))
    expected = masked_lm(
        {
            "token_ids": batch["masked_token_ids"],
            "segment_ids": batch["segment_ids"],
            "padding_mask": batch["padding_mask"].astype("int32"),
            "mask_positions": batch["mask_positions"],
        }
    )
    found = model.predict_on_batch(batch)["generator_logits"]
    np.testing.assert_allclose(found, numpy(expected), atol=1e-5)


def test_it_samples_and_does_not_learn(saved):
    model = frozen(saved)
    generator = [*model.generator.weights, *model.masked_lm_head.weights]
    before = [numpy(v) for v in generator]
    encoder = numpy(model.backbone.embeddings.token_table)
    names = {id(v) for v in model.trainable_variables}
    assert not names & {id(v) for v in generator}
    states = 2 * len(model.trainable_variables)
    moments = [v for v in model.optimizer.variables if len(v.shape)]
    assert len(moments) <= states
    for seed in range(3):
        logs = model.train_on_batch(tiny.batch(seed), return_dict=True)
        assert not any("generator" in name for name in logs)
        model.reset_metrics()
    for variable, value in zip(generator, before):
        np.testing.assert_array_equal(numpy(variable), value)
    moved = numpy(model.backbone.embeddings.token_table)
    assert np.abs(moved - encoder).max() > 0


def test_the_loss_is_detections_alone(saved):
    model = frozen(saved)
    batch = tiny.batch()
    samples = numpy(model.predict_on_batch(batch)["sampled_ids"])
    given = {**batch, "sampled_ids": samples}
    logs = model.test_on_batch(given, return_dict=True)
    logits = numpy(model.predict_on_batch(given)["discriminator_logits"])
    labels = batch["token_ids"].copy()
    rows, slots = np.nonzero(batch["mask_weights"])
    labels[rows, batch["mask_positions"][rows, slots]] = samples[rows, slots]
    labels = labels != batch["token_ids"]
    bce = np.logaddexp(0, np.where(labels, -logits, logits))
    mean = bce[batch["padding_mask"]].mean()
    assert float(logs["loss"]) == pytest.approx(5 * mean, rel=1e-5)


def test_given_samples_stand_for_its_own(saved):
    model = frozen(saved)
    batch = tiny.batch()
    outputs = model.predict_on_batch(batch)
    given = {**batch, "sampled_ids": numpy(outputs["sampled_ids"])}

    def refuse(*args, **kwargs):
        raise AssertionError("the generator runs")

    model.generator_encode = refuse
    model.predict_function = None
    again = model.predict_on_batch(given)
    assert "generator_logits" not in again
    for name, value in again.items():
        np.testing.assert_array_equal(numpy(value), numpy(outputs[name]))


@pytest.mark.parametrize("name", [name for name in OBJECTIVES if name != "mlm"])
def test_every_objective_with_a_masked_lm_can_have_one(saved, name):
    if name == "electric":
        with pytest.raises(ValueError, match="must be False"):
            get(name, frozen_generator=True)
        return
    if name == "electra":
        return
    model = tiny_of(saved, name)
    logs = model.train_on_batch(tiny.batch(), return_dict=True)
    assert np.isfinite(float(logs["loss"]))
    assert "generator_loss" not in logs


def tiny_of(saved, name):
    with pytest.warns(UserWarning) if name != "electra_15" else quiet():
        return ElectraPretrainer.from_preset(
            str(saved / "electra"),
            objective=name,
            frozen_generator=str(saved / "electra"),
        )


def quiet():
    import warnings

    return warnings.catch_warnings()


def test_presets_round_trip(saved, tmp_path):
    model = frozen(saved, "mlm")
    model.train_on_batch(tiny.batch())
    model.save_to_preset(str(tmp_path / "preset"))
    again = ElectraPretrainer.from_preset(str(tmp_path / "preset"))
    assert again.objective.frozen_generator
    assert again.embedding_sharing == "separate"
    batch = tiny.batch()
    samples = numpy(model.predict_on_batch(batch)["sampled_ids"])
    for part in ({}, {"sampled_ids": samples}):
        first = model.predict_on_batch({**batch, **part})
        second = again.predict_on_batch({**batch, **part})
        name = LOGITS[bool(part)]
        np.testing.assert_allclose(first[name], second[name], atol=1e-6)
    prints = [
        fingerprint(m.generator, m.masked_lm_head) for m in (model, again)
    ]
    assert prints[0] == prints[1]
    other = frozen(saved, "electra")
    assert fingerprint(other.generator, other.masked_lm_head) != prints[0]
    with pytest.raises(ValueError, match="one embedding for both"):
        google.to_variables(model)
    assert google.to_variables(model.replaced_token_detector())


def test_what_has_no_meaning_is_refused(saved, tmp_path):
    encoder = frozen(saved)
    encoder.replaced_token_detector().save_to_preset(str(tmp_path / "detector"))
    encoder.backbone.save_to_preset(str(tmp_path / "encoder"))
    for name, found in (("detector", "Detector"), ("encoder", "a bare enc")):
        with pytest.raises(ValueError, match=f"{found}.*not a masked"):
            load_masked_lm(str(tmp_path / name))
    encoder.masked_lm().save_to_preset(str(tmp_path / "masked_lm"))
    again = load_masked_lm(str(tmp_path / "masked_lm"))
    assert fingerprint(again.backbone, again.masked_lm_head) == fingerprint(
        encoder.generator, encoder.masked_lm_head
    )
    for options, message in (
        ({"generator_dropout": 0.1}, "leave out generator_dropout"),
        ({"embedding_sharing": "shared"}, "leave out embedding_sharing"),
    ):
        with pytest.raises(ValueError, match=message):
            frozen(saved, **options)
    with pytest.raises(ValueError, match="embeddings of its own"):
        tiny.pretrainer(objective_config={"frozen_generator": True})
    with pytest.raises(ValueError, match="another tokenizer"):
        ElectraPretrainer.from_preset(
            "electra_tiny_uncased_en",
            load_weights=False,
            frozen_generator=str(saved / "electra"),
        )
