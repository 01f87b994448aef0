"""An ONNX file computes what the model does."""

import numpy as np
import pytest
import tiny
from keras import ops

from keras_rtd import export
from keras_rtd import models

pytest.importorskip("tensorflow")
pytest.importorskip("tf2onnx")
onnxruntime = pytest.importorskip("onnxruntime")

# Elsewhere a second process does the same; one test sees that it does.
in_process = pytest.mark.only_on("tensorflow")

INPUTS = ("token_ids", "segment_ids", "padding_mask")


def batch(**kwargs):
    found = tiny.batch(**kwargs)
    return {k: np.asarray(found[k]).astype(np.int32) for k in INPUTS}


def run(path, inputs):
    session = onnxruntime.InferenceSession(str(path))
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, inputs)))


def array(x):
    return ops.convert_to_numpy(x)


def assert_close(a, b):
    assert a.dtype == np.float32
    np.testing.assert_allclose(a, array(b), atol=1e-4)


def test_a_pretrainer_gives_its_discriminator(tmp_path):
    model = tiny.pretrainer(with_tokenizer=True)
    model.save_to_preset(str(tmp_path / "mine"))
    path = tmp_path / "folder" / "mine.onnx"
    assert export.onnx(str(tmp_path / "mine"), path) == path
    # Nothing else is left there.
    assert list(path.parent.iterdir()) == [path]
    detector = model.replaced_token_detector()
    for shape in ({}, {"rows": 1, "length": 24, "seed": 1}):
        inputs = batch(**shape)
        outputs = run(path, inputs)
        encoded = model.backbone(inputs)
        logits = detector(inputs)["discriminator_logits"]
        assert_close(outputs["token_embeddings"], encoded["sequence_output"])
        assert_close(outputs["cls_embedding"], encoded["pooled_output"])
        assert_close(
            outputs["replaced_probability"],
            array(ops.sigmoid(logits)) * inputs["padding_mask"],
        )
    # Once more gives the function, not the module of its name.
    assert callable(export.onnx)


@in_process
def test_int8_is_smaller_and_near(tmp_path):
    model = models.ElectraPretrainer.from_preset(
        "electra_tiny_uncased_en", num_layers=1
    )
    model.save_to_preset(str(tmp_path / "mine"))
    exact, rounded = tmp_path / "a.onnx", tmp_path / "b.onnx"
    export.onnx(str(tmp_path / "mine"), exact)
    export.onnx(str(tmp_path / "mine"), rounded, quantize="int8")
    assert rounded.stat().st_size < 0.3 * exact.stat().st_size
    inputs = batch(vocabulary=8000, length=64)
    a, b = (
        run(path, inputs)["replaced_probability"] for path in (exact, rounded)
    )
    assert 0 < np.abs(a - b).max() < 0.05


@in_process
@pytest.mark.parametrize(
    "activation, pooling", [(None, "cls"), ("softmax", "mean")]
)
def test_classifiers(tmp_path, activation, pooling):
    model = models.ElectraTextClassifier(
        tiny.pretrainer().backbone,
        num_classes=3,
        activation=activation,
        pooling=pooling,
    )
    model.save_to_preset(str(tmp_path / "mine"))
    export.onnx(str(tmp_path / "mine"), tmp_path / "mine.onnx")
    outputs = run(tmp_path / "mine.onnx", batch())
    (name,) = outputs
    assert name == ("probabilities" if activation else "logits")
    assert_close(outputs[name], model(batch()))


@in_process
def test_taggers_and_encoders(tmp_path):
    model = models.ElectraTokenClassifier(
        tiny.pretrainer().backbone, num_classes=3
    )
    model.save_to_preset(str(tmp_path / "tagger"))
    export.onnx(str(tmp_path / "tagger"), tmp_path / "mine.onnx")
    assert_close(run(tmp_path / "mine.onnx", batch())["logits"], model(batch()))
    model.backbone.save_to_preset(str(tmp_path / "encoder"))
    export.onnx(str(tmp_path / "encoder"), tmp_path / "mine.onnx")
    outputs = run(tmp_path / "mine.onnx", batch())
    assert set(outputs) == {"token_embeddings", "cls_embedding"}
    expected = model.backbone(batch())["sequence_output"]
    assert_close(outputs["token_embeddings"], expected)
    # An objective that trains no detector.
    tiny.pretrainer(objective="mlm").save_to_preset(str(tmp_path / "mlm"))
    export.onnx(str(tmp_path / "mlm"), tmp_path / "mine.onnx")
    outputs = run(tmp_path / "mine.onnx", batch())
    assert set(outputs) == {"token_embeddings", "cls_embedding"}


def test_what_cannot_be_exported_is_said(tmp_path, monkeypatch):
    tiny.pretrainer().save_to_preset(str(tmp_path / "mine"))
    mine, path = str(tmp_path / "mine"), tmp_path / "mine.onnx"
    with pytest.raises(ValueError, match="`quantize` must be None or one of"):
        export.onnx(mine, path, quantize="int4")
    with pytest.raises(ValueError, match="No preset"):
        export.onnx(str(tmp_path / "nothing"), path)
    models.ElectraQuestionAnswerer(tiny.pretrainer().backbone).save_to_preset(
        str(tmp_path / "answerer")
    )
    with pytest.raises(ValueError, match="ElectraQuestionAnswerer, which is"):
        export.onnx(str(tmp_path / "answerer"), path)
    module = export.onnx.__globals__["importlib"].util
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"keras_rtd\[onnx\]"):
        export.onnx(mine, path)
    assert not path.exists()


@in_process
def test_a_file_that_computes_something_else_is_not_kept(tmp_path, monkeypatch):
    tiny.pretrainer().save_to_preset(str(tmp_path / "mine"))
    monkeypatch.setitem(export.onnx.__globals__, "TOLERANCE", 0.0)
    with pytest.raises(RuntimeError, match="differ from the model's by"):
        export.onnx(str(tmp_path / "mine"), tmp_path / "mine.onnx")
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]
