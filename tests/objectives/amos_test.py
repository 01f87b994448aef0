"""AMOS: what the generator's depths learn from, and what moves the mixture."""

import keras
import numpy as np
import pytest
import tiny
from keras import ops
from scipy.special import log_softmax
from scipy.special import softmax

from keras_rtd.models import ElectraBackbone
from keras_rtd.models import ElectraPretrainer
from keras_rtd.objectives import amos
from keras_rtd.objectives.amos import Amos
from keras_rtd.utils.flops import training_flops

SIZE = len(tiny.VOCABULARY)


def numpy(x):
    return np.array(ops.convert_to_numpy(x), np.float64)


def pretrainer(block="classic", compile=True, **options):
    model = tiny.pretrainer(
        objective="amos",
        objective_config=options,
        block=block,
        kernel_stddev=0.3,
    )
    # Predictions that differ from token to token and from depth to depth.
    table = model.backbone.embeddings.token_table
    values = np.random.default_rng(0).normal(size=table.shape)
    table.assign(values.astype("float32"))
    if compile:
        # A step of rate 1 leaves the gradient as the difference.
        model.compile(optimizer=keras.optimizers.SGD(1.0))
    return model


def given(seed=3):
    batch = tiny.batch(seed)
    batch["sampled_ids"] = (batch["mask_ids"] + 1).astype("int32")
    return batch


def gradients(model, batch, variables):
    before = [numpy(v) for v in variables]
    model.train_on_batch(batch)
    return [old - numpy(v) for old, v in zip(before, variables)]


def shallow(model):
    """A generator of one layer with the first layer's weights."""
    config = model.generator.get_config()
    del config["name"]
    config["num_layers"] = 1
    one = ElectraBackbone.from_config(
        {**config, "embeddings": model.generator.embeddings}
    )
    by_path = {v.path: v for v in model.generator.weights}
    for variable in one.weights:
        variable.assign(numpy(by_path[variable.path]))
    return one


def generator_nll(model, generator, batch):
    inputs = {
        "token_ids": batch["masked_token_ids"],
        "segment_ids": batch["segment_ids"],
        "padding_mask": batch["padding_mask"].astype("int32"),
    }
    inputs = {k: ops.convert_to_tensor(v) for k, v in inputs.items()}
    encoded = generator(inputs)["sequence_output"]
    logits = model.masked_lm_head(
        encoded, ops.convert_to_tensor(batch["mask_positions"])
    )
    scores = log_softmax(numpy(logits), -1)
    ids = batch["mask_ids"][..., None].astype(int)
    nll = -np.take_along_axis(scores, ids, -1)[..., 0]
    return (nll * batch["mask_weights"]).sum() / batch["mask_weights"].sum()


@pytest.mark.parametrize("block", ["classic", "modern"])
def test_the_loss_adds_up_the_depths(block):
    model, batch = pretrainer(block, discriminator_weight=20.0), given()
    logs = model.test_on_batch(batch, return_dict=True)
    deep = generator_nll(model, model.generator, batch)
    first = generator_nll(model, shallow(model), batch)
    outputs = model.predict_on_batch(batch)
    scores = numpy(outputs["discriminator_logits"])
    replaced = outputs["corrupted_token_ids"] != batch["token_ids"]
    bce = np.logaddexp(0, scores) - replaced * scores
    detection = bce[batch["padding_mask"]].mean()
    assert logs["generator_loss"] == pytest.approx(deep, rel=2e-5)
    assert logs["shallow_generators_loss"] == pytest.approx(first, rel=2e-5)
    total = deep + first + 20.0 * detection
    assert logs["loss"] == pytest.approx(total, rel=2e-5)


def test_a_group_of_layers_learns_from_its_own_prediction():
    model, batch = pretrainer(discriminator_weight=0.0), given()
    one = ElectraPretrainer(
        model.backbone,
        shallow(model),
        objective_config={"discriminator_weight": 0.0},
    )
    for ours, theirs in zip(
        one.masked_lm_head.weights, model.masked_lm_head.weights
    ):
        ours.assign(numpy(theirs))
    one.compile(optimizer=keras.optimizers.SGD(1.0))
    values = [numpy(v) for v in model.backbone.weights]
    expected = gradients(
        one, batch, one.generator.transformer_layers[0].trainable_variables
    )
    for variable, value in zip(model.backbone.weights, values):
        variable.assign(value)
    found = gradients(
        model, batch, model.generator.transformer_layers[0].trainable_variables
    )
    assert max(np.abs(g).max() for g in expected) > 1e-3
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-6)


def test_detection_moves_the_mixture_backwards(monkeypatch):
    """Against differences of detection's loss, as the softened draw in place
    of the drawn token changes it."""
    batch = tiny.batch(3)
    shape = *batch["mask_ids"].shape, 128
    noise = np.random.default_rng(0).gumbel(size=shape).astype("float32")
    monkeypatch.setattr(
        amos, "gumbel_noise", lambda shape, seed: ops.convert_to_tensor(noise)
    )

    def kernel_gradient(factor):
        keras.utils.set_random_seed(0)
        model = pretrainer(
            generator_weight=0.0,
            discriminator_weight=1.0,
            mixture_gradient=factor,
        )
        (kernel,) = model.depth_mixture.trainable_variables
        start = numpy(kernel)
        expected = by_differences(model, batch, noise, start)
        (found,) = gradients(model, batch, [kernel])
        return found, expected

    found, expected = kernel_gradient(-1.0)
    assert np.abs(expected).max() > 1e-4
    np.testing.assert_allclose(
        found, -expected, atol=0.02 * np.abs(expected).max()
    )
    np.testing.assert_allclose(kernel_gradient(0.5)[0], -0.5 * found, rtol=1e-3)
    assert not kernel_gradient(0.0)[0].any()


def by_differences(model, batch, noise, start):
    tensors = {k: ops.convert_to_tensor(v) for k, v in batch.items()}
    positions = batch["mask_positions"][..., None]
    vectors = [
        np.take_along_axis(numpy(x), positions, 1)
        for x in model.generator_encode_depths(tensors)
    ]
    logits = [
        numpy(model.masked_lm_head.logits(model.masked_lm_head.features(v)))
        for v in (ops.convert_to_tensor(v.astype("float32")) for v in vectors)
    ]
    table = numpy(model.backbone.embeddings.token_table)

    def noisy(kernel):
        parts = np.concatenate([v @ kernel for v in vectors], -1)
        weights = softmax(parts, -1)
        mixed = sum(
            one * weights[..., i : i + 1] for i, one in enumerate(logits)
        )
        return mixed + noise

    drawn = noisy(start).argmax(-1)
    ids, real = batch["token_ids"].copy(), batch["padding_mask"]
    for row, slot in zip(*np.nonzero(batch["mask_weights"])):
        ids[row, batch["mask_positions"][row, slot]] = drawn[row, slot]
    replaced = ids != batch["token_ids"]
    before = softmax(noisy(start) / 0.3, -1) @ table

    def loss(kernel):
        terms = np.zeros((*ids.shape, table.shape[1]), np.float32)
        change = softmax(noisy(kernel) / 0.3, -1) @ table - before
        for row, slot in zip(*np.nonzero(batch["mask_weights"])):
            position = batch["mask_positions"][row, slot]
            terms[row, position] = change[row, slot]
        encoded = model.encode(
            tensors,
            ops.convert_to_tensor(ids),
            token_terms=ops.convert_to_tensor(terms),
        )
        scores = numpy(model.detection_head(encoded))
        return (np.logaddexp(0, scores) - replaced * scores)[real].mean()

    gradient = np.zeros_like(start)
    for i in range(len(start)):
        step = np.zeros_like(start)
        step[i] = 0.02
        gradient[i] = (loss(start + step) - loss(start - step)) / 0.04
    return gradient


def test_draws_follow_the_mixture():
    model, batch = pretrainer(), tiny.batch(3, rows=1, slots=1)
    model.depth_mixture.trainable_variables[0].assign(np.zeros((8, 1)))
    tensors = {k: ops.convert_to_tensor(v) for k, v in batch.items()}
    head, positions = model.masked_lm_head, tensors["mask_positions"]
    logits = [
        numpy(head(x, positions))[0, 0]
        for x in model.generator_encode_depths(tensors)
    ]
    # Weights of one half each: the mean of the logits.
    expected = softmax(np.mean(logits, 0))[:SIZE]
    counts = np.zeros(SIZE)
    many = {k: np.repeat(v, 500, 0) for k, v in batch.items()}
    many["mask_weights"] = np.ones_like(many["mask_weights"])
    for _ in range(4):
        drawn = np.asarray(model.predict_on_batch(many)["sampled_ids"])
        counts += np.bincount(drawn[:, 0], minlength=SIZE)
    top = expected.argsort()[-5:]
    share = counts / counts.sum()
    error = np.sqrt(expected * (1 - expected) / counts.sum())
    assert (np.abs(share - expected)[top] < 5 * error[top] + 1e-9).all()
    assert expected[top].sum() > 0.1


def test_depths():
    assert Amos().depths(12) == [4, 8, 12]
    assert Amos().depths(4) == [2, 3, 4]
    assert Amos().depths(1) == [1]
    assert Amos(generator_depths=[4, 6]).depths(8) == [4, 6, 8]
    with pytest.raises(ValueError, match="at most 2, the generator's layers"):
        pretrainer(generator_depths=[3])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"frozen_generator": True}, "frozen_generator"),
        ({"mixture_temperature": 0.0}, "mixture_temperature"),
        ({"generator_depths": [0]}, "generator_depths"),
        ({"generator_depths": []}, "generator_depths"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Amos(**options)


def test_flops_by_hand():
    model = pretrainer(compile=False)
    plain = tiny.pretrainer()
    masked = 3 / 16
    # Of one more prediction by the shared head, and of two mixture weights.
    head = 2 * 8 * 12 + 2 * 12 * SIZE
    forward = masked * (head + 2 * 2 * 8)
    # The softened draw's embedding, forward and to the draw.
    soft = masked * 2 * (2 * 12 * SIZE)
    assert training_flops(model, 16, 3) == pytest.approx(
        training_flops(plain, 16, 3) + 3 * forward + soft
    )
