"""Muon beside torch.optim.Muon, singular values, and AdamW."""

import keras
import numpy as np
import pytest
import tiny
from keras import ops

from keras_rtd.training import AdamW
from keras_rtd.training import Checkpoint
from keras_rtd.training import Muon
from keras_rtd.training import make_optimizer
from keras_rtd.training.muon import orthogonalise

MUON = {"optimizer": "muon", "learning_rate": 1e-2, "warmup_steps": 2}
SHAPES = [(12, 20), (12, 20), (20, 12), (16, 16)]


def numpy(x):
    return np.array(ops.convert_to_numpy(x))


def gradients(seed):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=s).astype("float32") for s in SHAPES]


def moved(steps=3, **options):
    """(weights after some steps of Muon, weights before)."""
    start = gradients(99)
    variables = [keras.Variable(x, name="kernel") for x in start]
    optimizer = Muon(
        0.02,
        weight_decay=0.1,
        global_clipnorm=None,
        bias_correction=True,
        **options,
    )
    optimizer.set_kernels(variables)
    optimizer.build(variables)
    for step in range(steps):
        values = [ops.convert_to_tensor(g) for g in gradients(step)]
        optimizer.apply(values, variables)
    return [numpy(v) for v in variables], start


@pytest.mark.parametrize("shape", [(3, 24, 40), (2, 40, 24), (1, 32, 32)])
def test_singular_values_become_about_one(shape):
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    found = numpy(orthogonalise(ops.convert_to_tensor(x)))
    for before, after in zip(x, found):
        u, s, vt = np.linalg.svd(before, full_matrices=False)
        kept = s > 1e-2 * s.sum()
        inner = u.T @ after @ vt.T
        values = np.diag(inner)[kept]
        assert 0.65 < values.min() and values.max() < 1.25
        np.testing.assert_allclose(
            inner - np.diag(np.diag(inner)), 0.0, atol=1e-4
        )


def test_nothing_comes_of_nothing():
    found = numpy(orthogonalise(ops.zeros((2, 4, 6))))
    np.testing.assert_array_equal(found, 0.0)


def by_hand(start, steps, nesterov=True):
    weights = []
    for i, w in enumerate(np.array(x, np.float64) for x in start):
        m = np.zeros_like(w)
        for step in range(steps):
            g = gradients(step)[i].astype(np.float64)
            m = 0.95 * m + g
            x = g + 0.95 * m if nesterov else m
            if x.shape[0] > x.shape[1]:
                x = x.T
            x = x / np.linalg.norm(x)
            for _ in range(5):
                y = x @ x.T
                x = 3.4445 * x + (-4.7750 * y + 2.0315 * y @ y) @ x
            x = x if x.shape == w.shape else x.T
            w = w * (1 - 0.02 * 0.1) - 0.02 * 0.2 * np.sqrt(max(w.shape)) * x
        weights.append(w)
    return weights


@pytest.mark.parametrize("nesterov", [True, False])
def test_updates_are_those_of_the_authors(nesterov):
    found, start = moved(nesterov=nesterov)
    for w, expected in zip(found, by_hand(start, 3, nesterov)):
        np.testing.assert_allclose(w, expected, rtol=1e-4, atol=1e-5)


def test_torch_moves_them_the_same_way():
    torch = pytest.importorskip("torch")
    found, start = moved()
    parameters = [torch.nn.Parameter(torch.tensor(x)) for x in start]
    theirs = torch.optim.Muon(
        parameters, lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"
    )
    for step in range(3):
        for parameter, gradient in zip(parameters, gradients(step)):
            parameter.grad = torch.tensor(gradient)
        theirs.step()
    for w, parameter, before in zip(found, parameters, start):
        expected = parameter.detach().numpy()
        # PyTorch's products are bfloat16.
        error = np.linalg.norm(w - expected)
        assert error < 0.02 * np.linalg.norm(expected - before)


def test_bfloat16_products_are_near():
    exact, start = moved()
    rounded, _ = moved(product_dtype="bfloat16")
    for a, b, before in zip(exact, rounded, start):
        error = np.linalg.norm(a - b)
        assert 0 < error < 0.05 * np.linalg.norm(a - before)


def test_only_kernels_of_hidden_layers_move_otherwise():
    batch = {**tiny.batch(), "sampled_ids": tiny.batch()["mask_ids"]}
    models = {}
    for name in ("adamw", "muon"):
        keras.utils.set_random_seed(0)
        models[name] = tiny.pretrainer(
            optimizer_config={**MUON, "optimizer": name}
        )
        models[name].train_on_batch(batch)
    pairs = list(zip(*(m.trainable_variables for m in models.values())))
    different = set()
    for one, other in pairs:
        if not np.allclose(numpy(one), numpy(other), rtol=1e-4, atol=1e-7):
            different.add(other.path)
    kernels = {
        v.path
        for v in models["muon"].trainable_variables
        if v.name == "kernel" and "head" not in v.path
    }
    assert different == kernels
    # 2 layers of 6 kernels and a projection, twice.
    assert len(models["muon"].hidden_kernels) == 26
    states = len(models["adamw"].optimizer.variables)
    assert len(models["muon"].optimizer.variables) == states - 26


def test_the_generators_kernels_take_its_rate():
    model = tiny.pretrainer(
        optimizer_config={
            **MUON,
            "warmup_steps": 0,
            "generator_learning_rate": 1e-9,
            "weight_decay": 0.0,
        }
    )
    before = [numpy(v) for v in model.hidden_kernels]
    model.train_on_batch(tiny.batch())
    own = {id(v) for v in model.generator_variables}
    for variable, value in zip(model.hidden_kernels, before):
        change = np.abs(numpy(variable) - value).max()
        assert (change > 1e-4) == (id(variable) not in own)


def test_adamws_part_has_its_share_of_the_rate():
    batch = {**tiny.batch(), "sampled_ids": tiny.batch()["mask_ids"]}

    def change(ratio):
        keras.utils.set_random_seed(0)
        model = tiny.pretrainer(
            optimizer_config={
                **MUON,
                "warmup_steps": 0,
                "generator_learning_rate": 5e-3,
                "adam_lr_ratio": ratio,
                "weight_decay": 0.0,
            }
        )
        before = [numpy(v) for v in model.trainable_variables]
        model.train_on_batch(batch)
        pairs = zip(model.trainable_variables, before)
        kernels = {id(v) for v in model.hidden_kernels}
        return [(id(v) in kernels, numpy(v) - b) for v, b in pairs]

    for (is_kernel, whole), (_, part) in zip(change(1.0), change(0.25)):
        share = 1.0 if is_kernel else 0.25
        np.testing.assert_allclose(part, share * whole, rtol=1e-2, atol=1e-6)


def test_a_model_learns():
    model = tiny.pretrainer(optimizer_config={**MUON, "ema_momentum": 0.9})
    losses = []
    for _ in range(10):
        model.reset_metrics()
        logs = model.train_on_batch(tiny.batch(), return_dict=True)
        losses.append(float(logs["loss"]))
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.slow
def test_a_resumed_run_is_the_same(tmp_path):
    def run(folder, steps):
        keras.utils.set_random_seed(3)
        model = tiny.pretrainer(dropout=0.1, optimizer_config=MUON)
        model.fit(
            tiny.Batches(),
            steps_per_epoch=steps,
            callbacks=[Checkpoint(str(tmp_path / folder), every=2)],
            verbose=0,
        )
        return [numpy(v) for v in model.variables]

    whole = run("whole", 4)
    run("parts", 2)
    for one, other in zip(whole, run("parts", 4)):
        np.testing.assert_array_equal(one, other)


def test_config_round_trip():
    optimizer = make_optimizer(
        1e-3,
        optimizer="muon",
        adam_lr_ratio=0.5,
        momentum=0.9,
        product_dtype="bfloat16",
    )
    copy = Muon.from_config(optimizer.get_config())
    assert copy.get_config() == optimizer.get_config()
    assert (copy.momentum, copy.product_dtype) == (0.9, "bfloat16")
    assert copy.adam_lr_ratio == 0.5
    assert isinstance(copy, AdamW)


def test_what_it_cannot_move_is_named():
    vector = keras.Variable(np.ones(3, "float32"), name="bias")
    with pytest.raises(ValueError, match="two axes. Received: bias"):
        Muon().set_kernels([vector])
    with pytest.raises(ValueError, match="call `set_kernels` before"):
        Muon().build([vector])
