"""Warnings of a run in trouble, and none of a healthy one."""

import numpy as np
import pytest

from keras_rtd import objectives
from keras_rtd.pretraining.health import Health

# Four words of one frequency: 1.386 nats.
UNIGRAM = np.array([0.25, 0.25, 0.25, 0.25, 0.0])
# Of electra_tiny on 10 M words, docs/experiments/2026/weights.md: step,
# generator loss, AUC, always "original", probe AUC. Detection's loss was not
# written down there.
HEALTHY = (
    (600, 6.25, 0.540, 0.864, 0.513),
    (1200, 5.96, 0.559, 0.870, 0.555),
    (2400, 5.81, 0.608, 0.874, 0.618),
    (3600, 5.78, 0.635, 0.874, 0.641),
    (7200, 5.75, 0.742, 0.874, 0.739),
)


def look(rows, objective="electra", train_steps=1000, unigram=UNIGRAM):
    health = Health(objectives.get(objective), unigram, train_steps)
    return health.warnings(rows)


def evaluation(step, **values):
    return {
        "step": step,
        "val_generator_loss": 1.0,
        "val_sampled_accuracy": 0.2,
        "val_replaced_rate": 0.12,
        "val_discriminator_auc": 0.8,
        "val_discriminator_loss": 0.3,
        "probe_auc": 0.8,
        **values,
    }


def test_a_healthy_run_gets_no_warning():
    rows = [
        {
            "step": step,
            "val_generator_loss": loss,
            "val_sampled_accuracy": 0.12,
            "val_discriminator_auc": auc,
            "val_replaced_rate": 1 - original,
            # A little better than the prior, .38 to .40.
            "val_discriminator_loss": 0.36 - 0.01 * auc,
            "probe_auc": probe,
        }
        for step, loss, auc, original, probe in HEALTHY
    ]
    words = np.full(8192, 1 / 8192)
    for end in range(1, 6):
        assert look(rows[:end], train_steps=7200, unigram=words) == []


def test_a_generator_that_is_too_strong():
    rows = [
        evaluation(
            100 * i,
            val_sampled_accuracy=0.5 + 0.05 * i,
            val_replaced_rate=0.07 - 0.01 * i,
            val_discriminator_auc=0.7 - 0.03 * i,
            val_discriminator_loss=0.05,
            probe_auc=0.7 - 0.01 * i,
        )
        for i in range(1, 5)
    ]
    (line,) = look(rows)
    assert "generator is too strong: 70% of its samples" in line
    assert "--generator_hidden_dim" in line and "--temperature" in line
    # Its rise is what a generator is for, as long as the encoder learns.
    for i, row in enumerate(rows):
        row["probe_auc"] = 0.6 + 0.05 * i
    assert look(rows) == []


@pytest.mark.parametrize("part", ["generator", "masked_lm"])
def test_a_collapsed_model(part):
    losses = [1.2, 0.4, 1.1, 1.3, 1.2]
    rows = [
        {"step": 200 * i, f"val_{part}_loss": loss}
        for i, loss in enumerate(losses, 1)
    ]
    (line,) = look(rows, "mlm")
    assert "has collapsed" in line and "0.40 at best and is 1.20" in line
    assert "--learning_rate" in line
    assert ("--generator_learning_rate" in line) == (part == "generator")


def test_a_generator_that_knows_word_frequencies_only():
    rows = [evaluation(300 * i, val_generator_loss=1.4) for i in (1, 2, 3)]
    (line,) = look(rows)
    assert "no more than word frequencies" in line and "theirs 1.39" in line
    # Early in a run that is how it begins.
    assert look(rows, train_steps=100_000) == []


def test_a_discriminator_at_the_class_prior():
    # -.12 ln .12 - .88 ln .88 = .3669.
    rows = [
        evaluation(300 * i, val_discriminator_loss=0.3668) for i in (1, 2, 3)
    ]
    (line,) = look(rows)
    assert "no better than the class prior" in line and "0.3669" in line
    assert "--unigram_warmup_steps" in line
    assert look(rows, train_steps=100_000) == []
    rows[1]["val_discriminator_loss"] = 0.35
    assert look(rows) == []
    # Its detector is part of the copy mechanism and has no loss of its own.
    rows[1]["val_discriminator_loss"] = 0.3668
    assert look(rows, "all_tokens_mlm") == []


def test_the_prior_of_the_masked_tokens():
    # Four of five samples are wrong: -.2 ln .2 - .8 ln .8 = .5004.
    rows = [
        evaluation(300 * i, val_discriminator_loss=0.5003) for i in (1, 2, 3)
    ]
    (line,) = look(rows, "electra_15")
    assert "0.5004" in line
