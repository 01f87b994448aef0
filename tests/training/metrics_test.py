import numpy as np
import pytest
import scipy.special
import sklearn.metrics as reference
import tiny
from keras import ops

from keras_rtd.objectives.losses import detection_bce
from keras_rtd.objectives.term_metrics import BINS
from keras_rtd.objectives.term_metrics import RANGE
from keras_rtd.objectives.term_metrics import logit_histogram
from keras_rtd.objectives.term_metrics import ranking_metrics


def numpy_outputs(model, batch):
    outputs = model.predict_on_batch(batch)
    return {name: ops.convert_to_numpy(v) for name, v in outputs.items()}


def test_ranking_metrics_equal_scikit_learn():
    rng = np.random.default_rng(0)
    labels = (rng.random((64, 128)) < 0.13).astype("float32")
    real = (rng.random((64, 128)) < 0.9).astype("float32")
    logits = (rng.normal(size=labels.shape) * 2 + labels).astype("float32")
    histogram = logit_histogram(
        *map(ops.convert_to_tensor, (logits, labels, real))
    )
    auc, precision = map(float, ranking_metrics(histogram))
    kept = real > 0
    expected = reference.roc_auc_score(labels[kept], logits[kept])
    assert auc == pytest.approx(expected, abs=1e-4)
    expected = reference.average_precision_score(labels[kept], logits[kept])
    assert precision == pytest.approx(expected, abs=2e-4)


def test_ranking_metrics_without_one_class_are_zero():
    logits, zeros = np.zeros((1, 4), "float32"), np.zeros((1, 4), "float32")
    histogram = logit_histogram(
        *map(ops.convert_to_tensor, (logits, zeros, zeros + 1))
    )
    assert [float(v) for v in ranking_metrics(histogram)] == [0.0, 0.0]


def test_all_metrics_by_hand_over_two_batches():
    model = tiny.pretrainer()
    model.reset_metrics()
    batches = []
    for seed in range(2):
        batch = tiny.batch(seed)
        outputs = numpy_outputs(model, batch)
        # Given samples, so that the evaluation below sees the same ones.
        batch["sampled_ids"] = outputs["sampled_ids"]
        batches.append((batch, outputs))
    logs = model.evaluate(
        ((batch,) for batch, _ in batches), return_dict=True, verbose=0
    )

    def column(f):
        return np.concatenate([f(b, o).ravel() for b, o in batches])

    weights = column(lambda b, o: b["mask_weights"])
    real = column(lambda b, o: b["padding_mask"])
    nll = column(
        lambda b, o: (
            -np.take_along_axis(
                scipy.special.log_softmax(o["generator_logits"], axis=-1),
                b["mask_ids"].astype("int64")[..., None],
                axis=-1,
            )
        )
    )
    bce = column(
        lambda b, o: ops.convert_to_numpy(
            detection_bce(
                ops.convert_to_tensor(o["discriminator_logits"]),
                ops.convert_to_tensor(o["is_replaced"]),
            )
        )
    )
    guess = column(
        lambda b, o: o["generator_logits"].argmax(-1) == b["mask_ids"]
    )
    sampled = column(lambda b, o: o["sampled_ids"] == b["mask_ids"])
    labels = column(lambda b, o: o["is_replaced"])[real]
    logits = column(lambda b, o: o["discriminator_logits"])[real]
    predicted = logits > 0
    # Logits in the same bin of the histogram are ties, for the judge too.
    binned = np.floor((logits + RANGE) / (2 * RANGE) * BINS)
    generator_loss = (nll * weights).sum() / weights.sum()
    discriminator_loss = bce[real].mean()
    expected = {
        "loss": generator_loss + 50 * discriminator_loss,
        "generator_loss": generator_loss,
        "generator_accuracy": (guess * weights).sum() / weights.sum(),
        "sampled_accuracy": (sampled * weights).sum() / weights.sum(),
        "discriminator_loss": discriminator_loss,
        "discriminator_accuracy": (predicted == labels).mean(),
        "discriminator_auc": reference.roc_auc_score(labels, binned),
        "discriminator_average_precision": reference.average_precision_score(
            labels, binned
        ),
        "discriminator_precision": reference.precision_score(
            labels, predicted, zero_division=0
        ),
        "discriminator_recall": reference.recall_score(labels, predicted),
        "replaced_rate": labels.mean(),
    }
    assert set(logs) == set(expected)
    for name, value in expected.items():
        assert float(logs[name]) == pytest.approx(value, abs=1e-5), name


def test_detection_loss_equals_numpy():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(2, 3)).astype("float32") * 5
    labels = rng.integers(0, 2, (2, 3)).astype("int32")
    bce = ops.convert_to_numpy(
        detection_bce(*map(ops.convert_to_tensor, (scores, labels)))
    )
    chance = 1 / (1 + np.exp(-scores.astype("float64")))
    expected = -np.where(labels, np.log(chance), np.log(1 - chance))
    np.testing.assert_allclose(bce, expected, rtol=1e-4)
