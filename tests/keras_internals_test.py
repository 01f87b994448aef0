"""Canaries: what this package assumes of private names of Keras and KerasHub.

A failure here says that a new version dropped a name, or means something else
by it; see `keras_rtd/keras_internals.py`.
"""

import ast
import inspect

import keras
import keras_hub
import numpy as np
import pytest
from keras import ops

import keras_rtd
from keras_rtd import keras_internals as internals

BACKEND = keras.config.backend()
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat"]
ONES = np.ones((8, 1), "float32")


def regression(optimizer, cls=keras.Model, **kwargs):
    """A compiled model of one weight w = 0, whose loss on `ONES` is (w - 1)^2
    and has the gradient -2."""
    inputs = keras.Input((1,))
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = cls(inputs, dense(inputs))
    model.compile(optimizer, loss="mse", **kwargs)
    return model


def weight(model):
    return float(ops.convert_to_numpy(model.trainable_variables[0]).item())


# === Optimizers ===


class Marked(internals.Optimizer):
    """SGD whose result shows what Keras called."""

    def clip_all(self, gradients, variables):
        assert [self.index_of(v) for v in variables] == [0]
        # -2 -> -1 by `clipvalue`.
        return [g * 0.5 for g in super().clip_all(gradients, variables)]

    def update_all(self, gradients, variables, learning_rate):
        super().update_all(gradients, variables, learning_rate * 2)

    def update_step(self, gradient, variable, learning_rate):
        assert self.index_of(variable) == 0
        rate = ops.cast(learning_rate, variable.dtype)
        self.assign_sub(variable, rate * ops.cast(gradient, variable.dtype))


@pytest.mark.parametrize("scaled", [False, True])
def test_keras_calls_what_our_optimizers_replace(scaled):
    optimizer = Marked(learning_rate=0.25, clipvalue=1.0)
    if scaled:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model = regression(optimizer)
    model.train_on_batch(ONES, ONES)
    # Clipped, halved, doubled: each once.
    assert weight(model) == pytest.approx(0.25)


def test_index_of_a_variable():
    variables = [keras.Variable(np.zeros(2)) for _ in range(3)]
    optimizer = internals.Optimizer(learning_rate=1.0)
    optimizer.build(variables)
    assert [optimizer.index_of(v) for v in variables] == [0, 1, 2]


def test_joint_norm():
    gradients = [ops.convert_to_tensor([3.0]), ops.convert_to_tensor([4.0])]
    for limit, expected in ((1.0, [0.6, 0.8]), (9.0, [3.0, 4.0])):
        clipped = internals.clip_by_global_norm(gradients, limit)
        clipped = [ops.convert_to_numpy(g).item() for g in clipped]
        np.testing.assert_allclose(clipped, expected, rtol=1e-6)


def test_rate_or_schedule():
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    optimizer = keras.optimizers.SGD(schedule)
    assert internals.rate_or_schedule(optimizer) is schedule
    optimizer = keras.optimizers.SGD(0.5)
    optimizer.learning_rate = 0.25
    rate = internals.rate_or_schedule(optimizer)
    assert not callable(rate) and float(ops.convert_to_numpy(rate)) == 0.25


def test_averages():
    optimizer = keras.optimizers.SGD(0.25, use_ema=True, ema_momentum=0.75)
    model = regression(optimizer)
    seen = []
    for _ in range(2):
        model.train_on_batch(ONES, ONES)
        seen.append(weight(model))
    assert internals.optimizer_variables(optimizer) == model.trainable_variables
    ((variable, average),) = internals.averages_of(optimizer)
    assert variable is model.trainable_variables[0]
    # The first average is the first weight.
    assert ops.convert_to_numpy(average).item() == pytest.approx(
        0.75 * seen[0] + 0.25 * seen[1]
    )


@pytest.mark.parametrize("kept", [False, True])
def test_fit_ends_with_the_averages_unless_told_otherwise(kept):
    optimizer = keras.optimizers.SGD(0.25, use_ema=True, ema_momentum=0.75)
    model = regression(optimizer)
    if kept:
        internals.keep_weights_after_fit(optimizer)
    model.fit(ONES, ONES, batch_size=4, epochs=1, verbose=0)
    # (w - 1) halves at each step.
    trained, average = 0.75, 0.75 * 0.5 + 0.25 * 0.75
    assert weight(model) == pytest.approx(trained if kept else average)


@pytest.mark.only_on("tensorflow")
def test_keras_adds_up_gradients_by_the_method_we_replace():
    calls = []
    optimizer = keras.optimizers.SGD(0.25)
    original = optimizer._all_reduce_sum_gradients
    internals.do_not_add_up_gradients(optimizer)
    replacement = optimizer._all_reduce_sum_gradients
    assert replacement != original
    pairs = [(1, 2)]
    assert replacement(pairs) is pairs and original([]) == []
    optimizer._all_reduce_sum_gradients = lambda p: calls.append(p) or p
    regression(optimizer).train_on_batch(ONES, ONES)
    assert len(calls[0]) == 1


# === Training ===


def test_keras_builds_by_the_methods_that_do_nothing_here():
    calls = []

    class Counted(internals.BuiltWhenMade, keras.Model):
        def _symbolic_build(self, iterator=None, data_batch=None):
            calls.append("built")

        _maybe_symbolic_build = _symbolic_build

    model = regression("sgd", Counted)
    model.optimizer.build(model.trainable_variables)
    for train in (
        lambda: model.fit(ONES, ONES, verbose=0),
        lambda: model.evaluate(ONES, ONES, verbose=0),
        lambda: model.train_on_batch(ONES, ONES),
    ):
        calls.clear()
        train()
        assert calls == ["built"]
    for name in ("_symbolic_build", "_maybe_symbolic_build"):
        theirs = getattr(keras.Model, name, None)
        if theirs is not None:
            ours = getattr(internals.BuiltWhenMade, name)
            assert inspect.signature(ours) == inspect.signature(theirs)


def test_loss_and_its_metric():
    model = regression("sgd")
    y_pred = ops.zeros((8, 1))
    loss = internals.loss_of(model, ONES, ONES, y_pred, None)
    assert float(ops.convert_to_numpy(loss)) == pytest.approx(1.0)
    model.reset_metrics()
    for loss, rows in ((3.0, 2), (6.0, 1)):
        internals.track_loss(model, loss, rows)
    assert float(model.get_metrics_result()["loss"]) == pytest.approx(4.0)


@pytest.mark.only_on("jax")
def test_shardings_of_the_state():
    distribution = keras.distribution.DataParallel(
        devices=keras.distribution.list_devices()[:1]
    )
    with distribution.scope():
        model = regression("adam")
        model.optimizer.build(model.trainable_variables)
        shardings = internals.state_shardings(model)
    state = (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )
    for part, variables in zip(shardings, state, strict=True):
        assert list(part) == [v.value.sharding for v in variables]


def test_scopes():
    assert not internals.in_stateless_scope()
    with keras.StatelessScope():
        assert internals.in_stateless_scope()
    variable = keras.Variable(np.zeros(2), dtype="float32")
    for dtype in ("bfloat16", None):
        with (
            internals.AutocastScope("bfloat16"),
            internals.AutocastScope(dtype),
        ):
            seen = variable.value
        assert keras.backend.standardize_dtype(seen.dtype) == (
            dtype or "float32"
        )


# === Layers and tasks ===


def test_flat_layers():
    inner = keras.Sequential([keras.layers.Dropout(0.1)])
    outer = keras.Sequential([inner, keras.layers.Activation("relu")])
    layers = internals.flat_layers(outer)
    assert {outer, inner, *inner.layers, *outer.layers} == set(layers)
    assert len(layers) == len(set(layers))


def attributes(function, context):
    """Names that a method reads of `self`, or stores there."""
    tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(function)))
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, context)
        and ast.unparse(node.value) == "self"
    }


def test_a_subclassed_task_does_what_a_task_does_when_made():
    Task = keras_hub.models.Task
    assert attributes(Task.__init__, ast.Store) == {
        "_functional_layer_ids",
        "_initialized",
        # The encoder's, which a subclass takes itself.
        "dtype_policy",
    }
    names = ast.unparse(
        ast.parse(inspect.cleandoc("\n" + inspect.getsource(Task.__setattr__)))
    )
    assert "'_initialized'" in names

    before = Task.__mro__

    class Example(internals.SubclassedTask):
        def __init__(self):
            internals.init_task(self, name="example")
            self.dense = keras.layers.Dense(1)

        def call(self, x):
            return self.dense(x)

    task = Example()
    assert task(ONES).shape == (8, 1) and task.dense.built
    assert Task.__mro__ == before
    # Not a functional model's, whose graph it has not.
    assert len(task.layers) == 1 and len(task.trainable_variables) == 2
    for name in ("layers", "save_weights", "load_weights", "summary", "build"):
        theirs = inspect.getattr_static(keras.Model, name)
        functional = inspect.getattr_static(internals.Functional, name)
        if functional is not theirs:
            ours = inspect.getattr_static(internals.SubclassedTask, name)
            assert ours is theirs


def test_layers_of_an_encoder_block():
    block = keras_hub.layers.TransformerEncoder(intermediate_dim=6, num_heads=2)
    block.build((None, None, 4))
    layers = internals.encoder_block_layers(block)
    shapes = {name: layer.weights[0].shape for name, layer in layers.items()}
    assert shapes == {
        **{name: (4, 2, 2) for name in ("query", "key", "value")},
        "attention_output": (2, 2, 4),
        "intermediate": (4, 6),
        "output_dense": (6, 4),
        "attention_norm": (4,),
        "output_norm": (4,),
    }
    found = {v.path for layer in layers.values() for v in layer.weights}
    assert found == {v.path for v in block.weights}
    for name in ("query", "key", "value"):
        assert layers[name].name == name
    # The norm of attention's residual comes first.
    x = ops.convert_to_tensor(np.random.default_rng(0).normal(size=(1, 3, 4)))
    x = ops.cast(x, "float32")
    h = layers["attention_norm"](x + block._self_attention_layer(x, x))
    y = layers["output_dense"](layers["intermediate"](h))
    np.testing.assert_allclose(
        ops.convert_to_numpy(layers["output_norm"](h + y)),
        ops.convert_to_numpy(block(x)),
        rtol=1e-5,
        atol=1e-5,
    )


# === Presets and tokenizers ===


def test_preset_files(tmp_path):
    preset = str(tmp_path)
    theirs = keras_hub.models.ElectraBackbone(
        vocab_size=9,
        num_layers=1,
        num_heads=1,
        hidden_dim=4,
        embedding_dim=4,
        intermediate_dim=4,
    )
    theirs.save_to_preset(preset)
    utils = internals.preset_utils
    assert utils.check_file_exists(preset, utils.MODEL_WEIGHTS_FILE)
    assert not utils.check_file_exists(preset, utils.TASK_CONFIG_FILE)
    assert utils.get_file(preset, utils.CONFIG_FILE) == str(
        tmp_path / "config.json"
    )
    config = utils.load_json(preset, utils.CONFIG_FILE)
    assert config["config"]["vocab_size"] == 9
    with pytest.raises(FileNotFoundError):
        utils.load_json(preset, utils.PREPROCESSOR_CONFIG_FILE)
    names = (
        utils.TASK_CONFIG_FILE,
        utils.TASK_WEIGHTS_FILE,
        utils.PREPROCESSOR_CONFIG_FILE,
        utils.SHARDED_MODEL_WEIGHTS_CONFIG_FILE,
    )
    assert names == (
        "task.json",
        "task.weights.h5",
        "preprocessor.json",
        "model.weights.json",
    )
    saved = [ops.convert_to_numpy(w) for w in theirs.weights]
    for variable in theirs.weights:
        variable.assign(np.zeros(variable.shape))
    internals.load_backbone_weights(preset, theirs)
    for variable, value in zip(theirs.weights, saved, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(variable), value)


def test_registered_presets_are_found():
    bundled = set(internals.preset_utils.BUILTIN_PRESETS)
    ours = {"electra_small_uncased_en", "rtd_modern_tiny_uncased_en"}
    assert ours < bundled
    assert ours < set(keras_rtd.models.RtdBackbone.presets)


class Tokenizer(internals.WordPieceTokenizer, internals.PlainTokenizer):
    kernels = 0

    def __init__(self, tokens):
        for name in ("cls", "sep", "pad", "mask"):
            self.add_special_token(f"[{name.upper()}]", f"{name}_token")
        self.tokens = tokens
        base = super(keras_hub.tokenizers.ElectraTokenizer, self)
        base.__init__(vocabulary=tokens)

    def set_vocabulary(self, vocabulary):
        self.forget_graph_kernel()
        self.use_vocabulary(vocabulary)

    def make_graph_kernel(self):
        self.kernels += 1
        return "kernel"


def test_tokenizer_with_a_vocabulary_of_its_own_making():
    tokenizer = Tokenizer(VOCABULARY)
    assert (tokenizer.pad_token_id, tokenizer.mask_token_id) == (0, 4)
    assert set(tokenizer.special_token_ids) == {0, 2, 3, 4}
    assert tokenizer.token_to_id("cat") == 6
    assert tokenizer.id_to_token(5) == "the"
    assert tokenizer.get_vocabulary() == VOCABULARY
    assert tokenizer.ids_by_token["the"] == 5
    assert tokenizer.kernels == 0
    assert tokenizer.graph_kernel == tokenizer.graph_kernel == "kernel"
    assert tokenizer.kernels == 1


def test_tokenizer_without_its_vocabulary():
    tokenizer = Tokenizer(None)
    with pytest.raises(ValueError, match="vocabulary"):
        tokenizer.get_vocabulary()
    with pytest.raises(ValueError, match="MASK"):
        tokenizer.use_vocabulary(VOCABULARY[:4])
