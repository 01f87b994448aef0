"""Each objective's loss, worked out in NumPy from the logits."""

import keras
import numpy as np
import pytest
import tiny
from keras import ops
from scipy.special import log_softmax

from keras_rtd import objectives
from keras_rtd.models import ElectraBackbone
from keras_rtd.models import ElectraMaskedLM
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import ElectraReplacedTokenDetector

NAMES = tuple(objectives.OBJECTIVES)
GENERATOR = {"generator_loss", "generator_accuracy", "sampled_accuracy"}
DETECTOR = {
    "discriminator_loss",
    "discriminator_accuracy",
    "discriminator_auc",
    "discriminator_average_precision",
    "discriminator_precision",
    "discriminator_recall",
}
ENCODER = {"masked_lm_loss", "masked_lm_accuracy"}
METRICS = {
    "electra": GENERATOR | DETECTOR | {"replaced_rate"},
    "electra_15": GENERATOR | DETECTOR | {"replaced_rate"},
    "mlm": ENCODER,
    "replace_mlm": GENERATOR | ENCODER | {"replaced_rate"},
    "all_tokens_mlm": GENERATOR
    | ENCODER
    | DETECTOR
    | {"all_tokens_loss", "all_tokens_accuracy", "replaced_rate"},
    "electric": GENERATOR
    | DETECTOR
    | {"cloze_loss", "cloze_accuracy", "replaced_rate"},
    "clm_masked": GENERATOR | ENCODER | DETECTOR | {"replaced_rate"},
}


def numpy(x):
    return np.asarray(ops.convert_to_numpy(x), np.float64)


class Hand:
    """A batch, what a model made of it, and sums over it in NumPy."""

    def __init__(self, name, **options):
        self.model = tiny.pretrainer(objective=name, objective_config=options)
        batch = tiny.batch(3)
        if name != "mlm":
            # Two samples that are right, the rest wrong.
            batch["sampled_ids"] = (batch["mask_ids"] + 1).astype("int32")
            batch["sampled_ids"][1:3, 0] = batch["mask_ids"][1:3, 0]
        self.batch = batch
        outputs = self.model.predict_on_batch(batch)
        self.outputs = {k: np.asarray(v) for k, v in outputs.items()}
        self.logs = {
            k: float(v)
            for k, v in self.model.test_on_batch(
                batch, return_dict=True
            ).items()
        }
        self.real = batch["padding_mask"].astype(float)
        self.weights = batch["mask_weights"].astype(float)
        self.shown = batch["token_ids"].copy()
        self.masked = np.zeros_like(self.real)
        for row, slot in zip(*np.nonzero(self.weights)):
            position = batch["mask_positions"][row, slot]
            self.masked[row, position] = 1.0
            if "sampled_ids" in batch:
                self.shown[row, position] = batch["sampled_ids"][row, slot]

    def slots(self, values):
        """The mean over slots that count."""
        return (values * self.weights).sum() / self.weights.sum()

    def nll(self, logits):
        return -at(
            log_softmax(logits.astype(float), -1), self.batch["mask_ids"]
        )

    def at_slots(self, values):
        return np.take_along_axis(values, self.batch["mask_positions"], 1)

    def bce(self, labels, weights):
        logits = self.outputs["discriminator_logits"].astype(float)
        loss = np.logaddexp(0, logits) - labels * logits
        return (loss * weights).sum() / weights.sum()

    def encoder_logits(self, ids):
        """Of the encoder's own head, at every position."""
        head = self.model.encoder_lm_head
        inputs = {
            k: ops.convert_to_tensor(np.asarray(self.batch[k], "int32"))
            for k in ("segment_ids", "padding_mask")
        }
        encoded = self.model.encode(inputs, ops.convert_to_tensor(ids))
        size = len(tiny.VOCABULARY)
        return numpy(head.logits(head.features(encoded)))[..., :size]


def at(values, ids):
    return np.take_along_axis(values, ids[..., None].astype(int), -1)[..., 0]


def close(found, expected):
    assert found == pytest.approx(expected, rel=2e-5, abs=1e-6)


def test_electra():
    hand = Hand("electra", generator_weight=0.5, discriminator_weight=20.0)
    replaced = hand.shown != hand.batch["token_ids"]
    loss = 0.5 * hand.slots(hand.nll(hand.outputs["generator_logits"]))
    loss += 20.0 * hand.bce(replaced, hand.real)
    close(hand.logs["loss"], loss)


def test_electra_15_learns_from_masked_tokens_only():
    hand = Hand("electra_15")
    replaced = hand.shown != hand.batch["token_ids"]
    assert 0 < (hand.masked * replaced).sum() < hand.masked.sum()
    loss = hand.slots(hand.nll(hand.outputs["generator_logits"]))
    loss += 50.0 * hand.bce(replaced, hand.masked)
    close(hand.logs["loss"], loss)
    close(hand.logs["replaced_rate"], replaced.sum() / hand.real.sum())
    logits = hand.outputs["discriminator_logits"]
    right = (logits > 0) == replaced
    close(hand.logs["discriminator_accuracy"], right[hand.masked > 0].mean())


def test_electra_15_on_given_replacements_counts_all_tokens():
    model, batch = tiny.pretrainer(objective="electra_15"), tiny.batch()
    batch["mask_weights"] = np.zeros_like(batch["mask_weights"])
    batch["corrupted_token_ids"] = np.where(
        batch["token_ids"] == 20, 21, batch["token_ids"]
    ).astype("int32")
    logs = model.test_on_batch(batch, return_dict=True)
    logits = np.asarray(model.predict_on_batch(batch)["discriminator_logits"])
    labels = batch["corrupted_token_ids"] != batch["token_ids"]
    right = ((logits > 0) == labels)[batch["padding_mask"]]
    close(float(logs["discriminator_accuracy"]), right.mean())


def test_mlm_reads_the_masks_and_has_no_generator():
    hand = Hand("mlm")
    assert hand.model.generator is None
    assert hand.model.masked_lm_head is None
    assert hand.model.detection_head is None
    logits = hand.encoder_logits(hand.batch["masked_token_ids"])
    rows = np.arange(len(logits))[:, None]
    logits = logits[rows, hand.batch["mask_positions"]]
    np.testing.assert_allclose(
        hand.outputs["masked_lm_logits"], logits, atol=1e-5
    )
    close(hand.logs["loss"], hand.slots(hand.nll(logits)))
    close(hand.logs["masked_lm_loss"], hand.logs["loss"])


def test_replace_mlm():
    hand = Hand("replace_mlm", masked_lm_weight=3.0)
    logits = hand.encoder_logits(hand.shown)
    rows = np.arange(len(logits))[:, None]
    nll = hand.nll(logits[rows, hand.batch["mask_positions"]])
    loss = hand.slots(hand.nll(hand.outputs["generator_logits"]))
    close(hand.logs["loss"], loss + 3.0 * hand.slots(nll))
    close(hand.logs["masked_lm_loss"], hand.slots(nll))
    replaced = hand.shown != hand.batch["token_ids"]
    close(hand.logs["replaced_rate"], replaced.sum() / hand.real.sum())


def mixture(logits, detector, shown):
    """Probabilities of a copy mechanism, as plain as it can be said."""
    keep = 1.0 / (1.0 + np.exp(detector))
    chances = np.exp(log_softmax(logits, -1)) * (1.0 - keep)[..., None]
    copies = np.eye(logits.shape[-1])[shown]
    return chances + keep[..., None] * copies


def test_all_tokens_mlm():
    hand = Hand("all_tokens_mlm", all_tokens_weight=2.0)
    chances = mixture(
        hand.encoder_logits(hand.shown),
        hand.outputs["discriminator_logits"].astype(float),
        hand.shown,
    )
    ids = hand.batch["token_ids"]
    nll = -np.log(at(chances, ids))
    mean = (nll * hand.real).sum() / hand.real.sum()
    generator = hand.slots(hand.nll(hand.outputs["generator_logits"]))
    close(hand.logs["loss"], generator + 2.0 * mean)
    close(hand.logs["all_tokens_loss"], mean)
    close(hand.logs["masked_lm_loss"], hand.slots(hand.at_slots(nll)))
    right = chances.argmax(-1) == ids
    close(hand.logs["all_tokens_accuracy"], right[hand.real > 0].mean())
    replaced = hand.shown != ids
    close(hand.logs["discriminator_loss"], hand.bce(replaced, hand.real))


def test_clm_masked():
    hand = Hand("clm_masked", masked_lm_weight=4.0)
    chances = mixture(
        hand.encoder_logits(hand.shown),
        hand.outputs["discriminator_logits"].astype(float),
        hand.shown,
    )
    ids = hand.batch["token_ids"]
    nll = hand.slots(hand.at_slots(-np.log(at(chances, ids))))
    replaced = hand.shown != ids
    loss = hand.slots(hand.nll(hand.outputs["generator_logits"]))
    loss += 50.0 * hand.bce(replaced, hand.real) + 4.0 * nll
    close(hand.logs["loss"], loss)
    right = hand.at_slots(chances.argmax(-1) == ids)
    close(hand.logs["masked_lm_accuracy"], hand.slots(right))


def test_electric():
    hand = Hand("electric", mask_rate=0.25, generator_weight=2.0)
    model, batch = hand.model, hand.batch
    inputs = {
        k: ops.convert_to_tensor(np.asarray(batch[k], "int32"))
        for k in ("token_ids", "segment_ids", "padding_mask")
    }
    head, size = model.masked_lm_head, len(tiny.VOCABULARY)
    logits = numpy(head.logits(head.features(model.generator(inputs))))
    log_q = log_softmax(logits[..., :size], -1)
    ids = batch["token_ids"]
    candidates = hand.real * ~np.isin(ids, [2, 3, 4])
    nll = -at(log_q, ids)
    cloze = (nll * candidates).sum() / candidates.sum()
    inputs["token_ids"] = ops.convert_to_tensor(hand.shown)
    detector = model.replaced_token_detector()
    energies = numpy(detector(inputs)["discriminator_logits"])
    expected = energies + at(log_q, hand.shown) + np.log(0.25 / 0.75)
    np.testing.assert_allclose(
        hand.outputs["discriminator_logits"][hand.real > 0],
        expected[hand.real > 0],
        atol=1e-4,
    )
    close(hand.logs["generator_loss"], hand.slots(hand.at_slots(nll)))
    close(hand.logs["cloze_loss"], cloze)
    # A sample that is right is noise all the same.
    bce = hand.bce(hand.masked, hand.real)
    close(hand.logs["loss"], 2.0 * cloze + 50.0 * bce)


def test_electrics_towers_do_not_see_the_token_itself():
    model, batch = tiny.pretrainer(objective="electric"), tiny.batch()
    inputs = {
        k: np.asarray(batch[k], "int32")
        for k in ("token_ids", "segment_ids", "padding_mask")
    }
    before = numpy(model.generator(inputs))
    inputs["token_ids"][:, 5] = 50
    after = numpy(model.generator(inputs))
    change = np.abs(after - before).max(-1)
    inside = slice(1, int(batch["padding_mask"].sum(1).min()) - 1)
    assert np.all(change[:, 5] < 1e-6)
    assert np.all(np.delete(change[:, inside], 4, axis=1) > 1e-4)
    width = before.shape[-1] // 2
    left = np.abs(after - before)[..., :width].max(-1)
    assert np.all(left[:, 1:6] < 1e-6) and np.all(left[:, 6:8] > 1e-5)


def test_corrections_have_no_gradient_to_the_detector():
    config = {
        "generator_weight": 0.0,
        "discriminator_weight": 0.0,
        "masked_lm_weight": 1.0,
    }
    model = tiny.pretrainer(
        objective="clm_masked",
        objective_config=config,
        optimizer_config={
            "learning_rate": 0.1,
            "warmup_steps": 0,
            "weight_decay": 0.0,
        },
    )
    head = model.detection_head
    before = [numpy(v) for v in head.weights]
    model.train_on_batch(tiny.batch())
    for old, variable in zip(before, head.weights):
        np.testing.assert_array_equal(old, numpy(variable))


@pytest.mark.parametrize("name", NAMES)
def test_training_lowers_the_loss_and_reports_what_applies(name):
    model = tiny.pretrainer(
        objective=name,
        optimizer_config={
            "learning_rate": 3e-3,
            "warmup_steps": 10,
            "bias_correction": True,
        },
    )
    batch, losses = tiny.batch(), []
    if name != "mlm":
        batch["sampled_ids"] = (batch["mask_ids"] + 1).astype("int32")
    for _ in range(30):
        model.reset_metrics()
        logs = model.train_on_batch(batch, return_dict=True)
        losses.append(float(logs["loss"]))
    assert losses[-1] < 0.8 * losses[0]
    assert set(logs) == METRICS[name] | {"loss"}
    assert all(np.isfinite(float(v)) for v in logs.values())


@pytest.mark.parametrize("name", NAMES)
def test_preset_round_trip(name, tmp_path):
    model = tiny.pretrainer(objective=name, with_tokenizer=True)
    path = str(tmp_path / "mine")
    model.save_to_preset(path)
    copy = ElectraPretrainer.from_preset(path)
    assert copy.objective.name == name
    assert copy.objective.get_config() == model.objective.get_config()
    for a, b in zip(model.weights, copy.weights, strict=True):
        np.testing.assert_array_equal(numpy(a), numpy(b))
    backbone = ElectraBackbone.from_preset(path)
    for a, b in zip(model.backbone.weights, backbone.weights, strict=True):
        np.testing.assert_array_equal(numpy(a), numpy(b))
    for cls, there in (
        (ElectraReplacedTokenDetector, model.objective.has_detector()),
        (ElectraMaskedLM, name != "electric"),
    ):
        if there:
            assert cls.from_preset(path).backbone.count_params()
        else:
            with pytest.raises(ValueError, match=f"objective '{name}' has no"):
                cls.from_preset(path)


def test_another_objective_keeps_what_both_have(tmp_path):
    model = tiny.pretrainer(with_tokenizer=True)
    path = str(tmp_path / "electra")
    model.save_to_preset(path)
    with pytest.warns(UserWarning, match="fresh weights: encoder_lm_head"):
        other = ElectraPretrainer.from_preset(path, objective="clm_masked")
    for part in ("backbone", "generator", "detection_head", "masked_lm_head"):
        ours, theirs = getattr(model, part), getattr(other, part)
        for a, b in zip(ours.weights, theirs.weights, strict=True):
            np.testing.assert_array_equal(numpy(a), numpy(b))
    with pytest.warns(UserWarning, match="encoder_lm_head"):
        mlm = ElectraPretrainer.from_preset(path, objective="mlm")
    mlm.save_to_preset(str(tmp_path / "mlm"))
    with pytest.warns(UserWarning, match="generator, masked_lm_head, detec"):
        back = ElectraPretrainer.from_preset(
            str(tmp_path / "mlm"), objective="electra"
        )
    assert back.generator.hidden_dim == 4 and back.generator.num_heads == 1


def test_what_is_unused_is_not_counted():
    def count(name):
        model = tiny.pretrainer(objective=name)
        return model, model.objective.flops_per_token(model, 16, 2)

    mlm, found = count("mlm")
    v, e, h, g = len(tiny.VOCABULARY), 12, 16, 8
    head = 2 * h * e + 2 * e * v
    encoder = mlm.backbone.flops_per_token(16)
    assert found == pytest.approx(3 * (encoder + head * 2 / 16))
    electra, found = count("electra")
    small = electra.generator.flops_per_token(16)
    samples = (2 * g * e + 2 * e * v) * 2 / 16
    detect = 2 * h * (h + 1)
    assert found == pytest.approx(3 * (encoder + small + samples + detect))
    assert count("replace_mlm")[1] == pytest.approx(
        3 * (encoder + small + samples + head * 2 / 16)
    )
    assert count("all_tokens_mlm")[1] == pytest.approx(
        3 * (encoder + small + samples + detect + head)
    )
    assert count("clm_masked")[1] == pytest.approx(
        3 * (encoder + small + samples + detect + head * 2 / 16)
    )
    assert count("electric")[1] == pytest.approx(
        3 * (encoder + 2 * small + 2 * 2 * g * e + 2 * e * v + detect)
    )


def test_unknown_names_and_options_are_named():
    with pytest.raises(ValueError, match="'bert'. Known: electra, electra_15"):
        objectives.get("bert")
    with pytest.raises(
        ValueError, match="no option 'temperature'. Known: none"
    ):
        objectives.get("mlm", temperature=1.0)
    model = tiny.pretrainer()
    with pytest.raises(ValueError, match="'mlm' needs generator=None"):
        ElectraPretrainer(model.backbone, model.generator, objective="mlm")
    with pytest.raises(ValueError, match="needs generator=an ElectraBackbone"):
        ElectraPretrainer(model.backbone)


@pytest.mark.parametrize("name", ["electra_15", "all_tokens_mlm", "electric"])
def test_a_batch_in_micro_batches_is_the_batch(name):
    def trained(parts):
        keras.utils.set_random_seed(0)
        model = tiny.pretrainer(
            objective=name,
            optimizer_config={"learning_rate": 1e-3, "warmup_steps": 0},
        )
        model.compile(accumulate_steps=parts)
        batch = tiny.batch(7)
        # Parts of different counts, and samples that do not depend on them.
        batch["mask_weights"][1, 1:] = 0.0
        batch["sampled_ids"] = (batch["mask_ids"] + 1).astype("int32")
        logs = model.train_on_batch(batch, return_dict=True)
        return {k: float(v) for k, v in logs.items()}, model.get_weights()

    logs, weights = trained(1)
    parts_logs, parts_weights = trained(2)
    for key, value in logs.items():
        assert parts_logs[key] == pytest.approx(value, rel=1e-4, abs=1e-5), key
    keras.utils.set_random_seed(0)
    before = tiny.pretrainer(objective=name).get_weights()
    change = sum(np.sum((a - b) ** 2) for a, b in zip(weights, before))
    apart = sum(np.sum((a - b) ** 2) for a, b in zip(weights, parts_weights))
    assert change > 0 and np.sqrt(apart / change) < 1e-3
