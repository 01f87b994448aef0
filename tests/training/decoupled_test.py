"""Decoupled training: generator, then discriminator on the new embeddings."""

import keras
import numpy as np
import pytest
import tiny
from keras import ops

from keras_rtd import objectives
from keras_rtd.models import ElectraPreprocessor
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import families
from keras_rtd.models.encoders import make_encoders
from keras_rtd.training import AdamW
from keras_rtd.training import Checkpoint

STEPS = 3
OF_GENERATOR = {"learning_rate": 2e-3}
JOINT = {"decoupled_training": False}


def decoupled(clip=1.0):
    return {
        "learning_rate": 3e-3,
        "generator_learning_rate": OF_GENERATOR["learning_rate"],
        "warmup_steps": 0,
        "weight_decay": 0.1,
        "global_clipnorm": clip,
        "decoupled_training": True,
    }


def numpy(x):
    return np.array(ops.convert_to_numpy(x))


def pretrainer(
    sharing, family="electra", dtype="float32", dropout=0.0, **kwargs
):
    """A small pretrainer whose weights are the same each time."""
    like = tiny.pretrainer(family=family, dtype=dtype, dropout=dropout)
    encoder_class = families.get(family)
    configs = (
        like.backbone.get_config(),
        {**like.generator.get_config(), **encoder_class.generator_arguments},
    )
    backbone, generator = make_encoders(
        *(families.serialized(encoder_class, c) for c in configs), sharing
    )
    kwargs.setdefault("optimizer_config", decoupled())
    model = ElectraPretrainer(
        backbone, generator, embedding_sharing=sharing, seed=1, **kwargs
    )
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        shape = tuple(variable.shape)
        size = 1.0 if len(shape) == 1 and "gamma" in variable.name else 0.0
        variable.assign(size + 0.3 * rng.standard_normal(shape))
    return model


def batch(step, rows=4):
    made = tiny.batch(step, rows=rows)
    rng = np.random.default_rng(step)
    samples = rng.integers(5, len(tiny.VOCABULARY), made["mask_ids"].shape)
    return {**made, "sampled_ids": samples.astype("int32")}


def parts(model):
    """(the generator's variables, all others)."""
    first = model.trained_by_generator
    ids = {id(v) for v in first}
    return first, [v for v in model.trainable_variables if id(v) not in ids]


def values(variables):
    return [numpy(v) for v in variables]


def distance(ours, theirs, before):
    """How far apart two trainings are, by how far they have come."""
    differs, moved = (
        sum(
            np.square(a - b, dtype=np.float64).sum()
            for a, b in zip(one, other, strict=True)
        )
        for one, other in ((ours, theirs), (theirs, before))
    )
    return np.sqrt(differs / moved)


@pytest.mark.parametrize(
    ("family", "sharing", "clip"),
    [
        ("deberta_v3", "gradient_disentangled", 0.5),
        pytest.param("electra", "shared", None, marks=pytest.mark.run_once),
        pytest.param(
            "modernbert", "separate", 0.01, marks=pytest.mark.run_once
        ),
    ],
)
def test_it_equals_two_trainings_that_take_turns(family, sharing, clip):
    """One that trains the generator alone, and one that trains the
    discriminator alone, on what the first one left."""
    both = pretrainer(sharing, family, optimizer_config=decoupled(clip))
    joint = pretrainer(
        sharing, family, optimizer_config={**decoupled(clip), **JOINT}
    )
    first, second = (
        pretrainer(
            sharing,
            family,
            objective_config=weights,
            optimizer_config={**decoupled(clip), **JOINT, **rates},
        )
        for weights, rates in (
            ({"discriminator_weight": 0.0}, OF_GENERATOR),
            ({"generator_weight": 0.0}, {}),
        )
    )
    before = [values(part) for part in parts(both)]
    for step in range(STEPS):
        for model in (first, joint):
            model.train_on_batch(batch(step))
        for ours, theirs in zip(parts(second)[0], parts(first)[0], strict=True):
            ours.assign(numpy(theirs))
        logs = []
        for model in (both, second):
            model.reset_metrics()
            logs.append(model.train_on_batch(batch(step), return_dict=True))
        for name in ("discriminator_loss", "discriminator_accuracy"):
            found, expected = (float(log[name]) for log in logs)
            assert found == pytest.approx(expected, rel=1e-5)
    for i, expected in enumerate((first, second)):
        args = values(parts(expected)[i]), before[i]
        assert distance(values(parts(both)[i]), *args) < 1e-4
        if sharing != "separate":
            # And not what joint training does.
            assert distance(values(parts(joint)[i]), *args) > 1e-3


@pytest.mark.parametrize("objective", ["electric", "clm_masked"])
def test_micro_batches_equal_the_whole_batch(objective):
    whole, divided = (
        tiny.pretrainer(
            objective=objective, optimizer_config=decoupled(), dropout=0.0
        )
        for _ in range(2)
    )
    for ours, theirs in zip(divided.variables, whole.variables, strict=True):
        ours.assign(numpy(theirs))
    divided.compile(accumulate_steps=4)
    before = values(whole.trainable_variables)
    for step in range(STEPS):
        logs = []
        for model in (whole, divided):
            model.reset_metrics()
            logs.append(
                model.train_on_batch(batch(step, rows=8), return_dict=True)
            )
        for name in ("loss", "generator_loss", "discriminator_loss"):
            found, expected = (float(log[name]) for log in logs)
            assert found == pytest.approx(expected, rel=1e-4)
    found, expected = (values(m.trainable_variables) for m in (divided, whole))
    assert distance(found, expected, before) < 1e-4


def test_a_float16_step_that_overflows_is_skipped_as_a_whole():
    model = pretrainer("gradient_disentangled", dtype="mixed_float16")
    # So low that no step overflows by itself.
    model.optimizer.dynamic_scale.assign(1.0)
    model.train_on_batch(batch(0))
    before = values(model.trainable_variables)
    bad = batch(1)
    # Of the generator alone.
    bad["mask_weights"][-1] = np.inf
    model.train_on_batch(bad)
    for ours, theirs in zip(values(model.trainable_variables), before):
        np.testing.assert_array_equal(ours, theirs)
    assert float(numpy(model.optimizer.dynamic_scale)) == 0.5
    assert model.skipped_steps() == 1
    model.train_on_batch(batch(2))
    assert model.skipped_steps() == 1
    moved = values(model.trainable_variables)
    assert distance(moved, before, [0.0 * v for v in before]) > 0


@pytest.mark.parametrize("steps_per_execution", [1, 2])
def test_a_killed_run_goes_on_to_the_same_weights(
    tmp_path, steps_per_execution
):
    if keras.config.backend() == "torch" and steps_per_execution > 1:
        pytest.skip("PyTorch has no such thing")

    def train(steps, path):
        keras.utils.set_random_seed(1)
        sharing = "gradient_disentangled"
        model = pretrainer(sharing, "deberta_v3", dropout=0.1)
        model.compile(steps_per_execution=steps_per_execution)
        model.fit(
            tiny.Batches(),
            steps_per_epoch=steps,
            callbacks=[Checkpoint(path, every=2)],
            verbose=0,
        )
        return values(model.variables)

    whole = train(4, tmp_path / "whole")
    train(2, tmp_path / "killed")
    for ours, theirs in zip(train(4, tmp_path / "killed"), whole, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_preset_keeps_what_was_trained(tmp_path):
    model = pretrainer(
        "gradient_disentangled",
        "deberta_v3",
        preprocessor=ElectraPreprocessor(tiny.tokenizer(), sequence_length=16),
    )
    model.train_on_batch(batch(0))
    model.save_to_preset(tmp_path)
    again = ElectraPretrainer.from_preset(str(tmp_path))
    assert again.decoupled
    assert again.generator.enhanced_mask_decoder
    assert again.embedding_sharing == "gradient_disentangled"
    found, expected = (m.predict_on_batch(batch(1)) for m in (again, model))
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-5)
    delta, theirs = (
        numpy(m.backbone.embeddings.token_table) for m in (again, model)
    )
    np.testing.assert_allclose(delta, theirs, atol=1e-6)
    assert np.isfinite(again.train_on_batch(batch(1))).all()


def test_without_a_generator_that_learns_nothing_changes():
    model = tiny.pretrainer(objective="mlm", optimizer_config=decoupled())
    assert not model.decoupled
    model.train_on_batch(tiny.batch())


def test_an_objective_in_one_piece_is_refused():
    @objectives.register
    class OnePiece(objectives.Objective):
        name = "one_piece"

        @classmethod
        def generator_class(cls, encoder_class):
            return encoder_class

        def make_heads(self, backbone, generator):
            return {"masked_lm_head": generator.make_masked_lm_head()}

    try:
        with pytest.raises(ValueError, match="'one_piece' cannot be trained"):
            tiny.pretrainer(objective="one_piece", optimizer_config=decoupled())
    finally:
        del objectives.OBJECTIVES["one_piece"]


def test_keras_accumulation_is_refused():
    optimizer = AdamW(decoupled_training=True, gradient_accumulation_steps=4)
    model = tiny.pretrainer()
    with pytest.raises(ValueError, match="accumulate_steps"):
        model.compile(optimizer=optimizer)
