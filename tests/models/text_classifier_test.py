import warnings

import keras
import keras_hub
import numpy as np
import pytest
import tiny
from keras import ops

import keras_rtd
from keras_rtd.interop import huggingface
from keras_rtd.models import ElectraPreprocessor
from keras_rtd.models import ElectraReplacedTokenDetector
from keras_rtd.models import ElectraTextClassifier

TEXTS = ["the time was now.", "she said all of them", "how up", "made over"]


@pytest.fixture
def preset(tmp_path):
    path = str(tmp_path / "mine")
    tiny.pretrainer(with_tokenizer=True).save_to_preset(path)
    return path


def task(**kwargs):
    model = tiny.pretrainer()
    kwargs.setdefault("num_classes", 3)
    return ElectraTextClassifier(
        model.backbone,
        preprocessor=ElectraPreprocessor(tiny.tokenizer(), sequence_length=16),
        **kwargs,
    )


def test_logits_are_the_first_vector_times_the_head():
    model = task()
    logits = model.predict(TEXTS, verbose=0)
    assert logits.shape == (4, 3) and logits.dtype == np.float32
    first = model.backbone.predict_on_batch(
        {k: np.asarray(v) for k, v in model.preprocessor(TEXTS).items()}
    )["pooled_output"]
    kernel, bias = model.output_dense.get_weights()
    np.testing.assert_allclose(logits, first @ kernel + bias, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_the_mean_over_tokens_in_the_place_of_cls(dtype, tmp_path):
    model = ElectraTextClassifier(
        tiny.pretrainer(dtype=dtype).backbone,
        num_classes=3,
        pooling="mean",
        preprocessor=ElectraPreprocessor(tiny.tokenizer(), sequence_length=16),
    )
    logits = model.predict(TEXTS, verbose=0)
    data = {k: np.asarray(v) for k, v in model.preprocessor(TEXTS).items()}
    vectors = model.backbone.predict_on_batch(data)["sequence_output"]
    vectors = np.asarray(vectors, "float32")
    # Texts of different lengths: padding does not count.
    lengths = data["padding_mask"].sum(1)
    assert len(set(lengths)) > 1
    means = [v[:n].mean(0) for v, n in zip(vectors, lengths)]
    kernel, bias = model.output_dense.get_weights()
    np.testing.assert_allclose(
        logits, np.stack(means) @ kernel + bias, atol=1e-5
    )
    model.save_to_preset(str(tmp_path / "saved"))
    # KerasHub reads no mixed policy; the dtype is chosen again when loading.
    again = keras_hub.models.TextClassifier.from_preset(str(tmp_path / "saved"))
    assert again.pooling == "mean"
    assert again.backbone.dtype_policy.name == "float32"
    again = ElectraTextClassifier.from_preset(
        str(tmp_path / "saved"), dtype=dtype
    )
    np.testing.assert_allclose(
        again.predict(TEXTS, verbose=0), logits, atol=1e-5
    )


def test_raw_text_and_prepared_batches_give_the_same():
    model = task()
    pairs = (TEXTS, TEXTS[::-1])
    prepared = {k: np.asarray(v) for k, v in model.preprocessor(pairs).items()}
    assert prepared["segment_ids"].max() == 1
    np.testing.assert_allclose(
        model.predict(pairs, verbose=0),
        model.predict(prepared, verbose=0),
        atol=1e-6,
    )
    np.testing.assert_allclose(
        model.predict_on_batch(TEXTS),
        model.predict(TEXTS, verbose=0),
        atol=1e-6,
    )


def test_a_step_of_fit_is_that_of_plain_gradient_descent():
    """Twice, because gradients of two steps must not add up."""
    model = task(dropout=0.0)
    model.compile(keras.optimizers.SGD(0.1), jit_compile=False)
    kernel, bias = model.output_dense.get_weights()
    data = {k: np.asarray(v) for k, v in model.preprocessor(TEXTS).items()}
    labels = np.array([0, 2, 1, 2])
    # With the encoder frozen, the head is a softmax regression.
    model.backbone.trainable = False
    model.compile(keras.optimizers.SGD(0.1), jit_compile=False)
    x = model.backbone.predict_on_batch(data)["pooled_output"]
    for _ in range(2):
        model.fit(data, labels, batch_size=4, epochs=1, verbose=0)
        z = x @ kernel + bias
        p = np.exp(z - z.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        error = (p - np.eye(3)[labels]) / 4
        kernel, bias = kernel - 0.1 * x.T @ error, bias - 0.1 * error.sum(0)
    np.testing.assert_allclose(
        model.output_dense.get_weights()[0], kernel, atol=1e-5
    )
    np.testing.assert_allclose(
        model.output_dense.get_weights()[1], bias, atol=1e-5
    )


def test_learns_from_raw_text():
    model = task(num_classes=2, dropout=0.0)
    texts = [f"{word} the a" for word in tiny.WORDS[:32]]
    labels = np.arange(32) % 2
    model.compile(keras.optimizers.Adam(1e-2))
    model.fit(texts, labels, batch_size=8, epochs=20, verbose=0)
    loss, accuracy = model.evaluate(texts, labels, verbose=0)
    assert accuracy == 1.0 and loss < 0.2
    assert (model.predict(texts, verbose=0).argmax(1) == labels).all()


def test_regression():
    model = task(num_classes=1)
    model.fit(TEXTS, np.array([0.1, 0.2, 0.3, 0.4]), epochs=1, verbose=0)
    assert model.predict(TEXTS, verbose=0).shape == (4, 1)
    loss = model.evaluate(TEXTS, np.zeros(4), verbose=0)
    expected = np.mean(model.predict(TEXTS, verbose=0) ** 2)
    np.testing.assert_allclose(np.ravel(loss)[0], expected, rtol=1e-4)


def test_round_trip_and_names(tmp_path):
    model = task(class_names=["no", "maybe", "yes"])
    model.fit(TEXTS, [0, 1, 2, 0], verbose=0)
    model.save_to_preset(str(tmp_path / "saved"))
    for cls in (ElectraTextClassifier, keras_hub.models.TextClassifier):
        # Keras warns of an optimizer's state that does not fit.
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            again = cls.from_preset(str(tmp_path / "saved"))
        assert again.class_names == ["no", "maybe", "yes"]
        np.testing.assert_allclose(
            again.predict(TEXTS, verbose=0),
            model.predict(TEXTS, verbose=0),
            atol=1e-6,
        )
    assert again.preprocessor.sequence_length == 16


@pytest.mark.parametrize(
    "cls", [ElectraTextClassifier, keras_hub.models.TextClassifier]
)
def test_from_a_pretrainers_preset(preset, cls):
    model = cls.from_preset(preset, num_classes=2)
    assert isinstance(model, ElectraTextClassifier)
    pretrainer = keras_rtd.models.ElectraPretrainer.from_preset(preset)
    for mine, its in zip(
        model.backbone.get_weights(), pretrainer.backbone.get_weights()
    ):
        np.testing.assert_array_equal(mine, its)
    assert model.preprocessor.sequence_length == 16
    assert model.predict(TEXTS, verbose=0).shape == (4, 2)


def test_from_other_formats(tmp_path, preset):
    detector = ElectraReplacedTokenDetector.from_preset(preset)
    huggingface.save(detector, str(tmp_path / "hf"))
    for place in ("hf:" + str(tmp_path / "hf"), str(tmp_path / "hf")):
        model = ElectraTextClassifier.from_preset(
            place, num_classes=2, dropout=0.25
        )
        assert model.backbone.dropout == 0.25
        batch = {
            k: ops.convert_to_tensor(v)
            for k, v in model.preprocessor(TEXTS).items()
        }
        np.testing.assert_allclose(
            ops.convert_to_numpy(model.backbone(batch)["pooled_output"]),
            ops.convert_to_numpy(detector.backbone(batch)["pooled_output"]),
            atol=1e-5,
        )
    assert model.preprocessor.sequence_length == 32


def test_arguments_reach_the_encoder(preset, tmp_path):
    model = ElectraTextClassifier.from_preset(
        preset, num_classes=2, dropout=0.25, dtype="mixed_bfloat16"
    )
    assert model.backbone.dropout == model.dropout == 0.25
    assert model.backbone.dtype_policy.name == "mixed_bfloat16"
    model.save_to_preset(str(tmp_path / "saved"))
    again = ElectraTextClassifier.from_preset(
        str(tmp_path / "saved"), dropout=0.0, dtype="float32"
    )
    assert again.backbone.dropout == again.dropout == 0.0
    for mine, its in zip(again.get_weights(), model.get_weights()):
        if mine.dtype == np.float32:
            np.testing.assert_array_equal(mine, its)
    # Logits are float32 whatever the encoder computes in.
    assert model.predict(TEXTS, verbose=0).dtype == np.float32


def test_what_is_missing_is_said(preset):
    with pytest.raises(ValueError, match="num_classes"):
        ElectraTextClassifier.from_preset(preset)
    with pytest.raises(ValueError, match="load_weights=False"):
        ElectraTextClassifier.from_preset(
            "electra_small_uncased_en", num_classes=2
        )
    with pytest.raises(ValueError, match="No preset"):
        ElectraTextClassifier.from_preset("nothing/here", num_classes=2)
    with pytest.raises(ValueError, match="32 positions"):
        ElectraTextClassifier.from_preset(
            preset, num_classes=2, sequence_length=64
        )
    with pytest.raises(ValueError, match="there are 2"):
        task(num_classes=3, class_names=["a", "b"])
    with pytest.raises(ValueError, match="cls, mean. Received: pooling='max'"):
        task(pooling="max")


def test_a_bundled_architecture_without_weights():
    model = ElectraTextClassifier.from_preset(
        "electra_tiny_uncased_en", load_weights=False, num_classes=2
    )
    assert model.predict(["hello"], verbose=0).shape == (1, 2)
    assert model.preprocessor.sequence_length == 128


def test_lora_trains_little_and_keeps_the_encoder():
    model = task(num_classes=2, dropout=0.0)
    before = [w.copy() for w in model.backbone.get_weights()]
    model.backbone.enable_lora(2)
    model.compile(keras.optimizers.Adam(1e-2))
    # Query and value of two layers, two factors each, beside their biases.
    trained = [v.shape for v in model.backbone.trainable_variables]
    assert trained.count((16, 2)) == 4 and trained.count((2, 16)) == 4
    start = model.predict(TEXTS, verbose=0)
    model.fit(TEXTS, np.array([0, 1, 0, 1]), epochs=5, verbose=0)
    assert np.abs(model.predict(TEXTS, verbose=0) - start).max() > 1e-3
    frozen = [
        ops.convert_to_numpy(v) for v in model.backbone.non_trainable_variables
    ]
    moved = [
        w
        for w in before
        if not any(w.shape == f.shape and (w == f).all() for f in frozen)
    ]
    assert {w.shape for w in moved} <= {(16,)}


def test_a_loaded_one_takes_raw_text_before_any_other_call(tmp_path):
    model = task()
    model.save_to_preset(str(tmp_path / "saved"))
    loaded = ElectraTextClassifier.from_preset(str(tmp_path / "saved"))
    np.testing.assert_allclose(
        loaded.predict(TEXTS, verbose=0),
        model.predict(TEXTS, verbose=0),
        atol=1e-6,
    )
