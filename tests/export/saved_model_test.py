import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tiny
from keras import ops

from keras_rtd import export
from keras_rtd.models import ElectraBackbone

# Elsewhere a second process does the same; the first test sees that it does.
in_process = pytest.mark.only_on("tensorflow")

# Runs where keras_rtd and KerasHub cannot be imported (tensorflow_text itself
# imports Keras).
SERVE = """
import json, sys
sys.modules["keras_rtd"] = sys.modules["keras_hub"] = None
import tensorflow as tf
import tensorflow_text
model = tf.saved_model.load(sys.argv[1])
inputs = json.loads(sys.argv[2])
out = {}
texts = tf.constant(inputs["texts"])
for name in ("serving_default", "serve", "encode"):
    if name in model.signatures:
        values = model.signatures[name](texts=texts)
        out[name] = {k: v.numpy().tolist() for k, v in values.items()}
ids = {k: tf.constant(v, tf.int32) for k, v in inputs["ids"].items()}
if "serve_ids" in model.signatures:
    values = model.signatures["serve_ids"](**ids)
    out["serve_ids"] = {k: v.numpy().tolist() for k, v in values.items()}
def text(value):
    return value.decode() if isinstance(value, bytes) else value
print(json.dumps(out, default=text))
"""

TEXTS = ["the time was now.", "she said all of them"]


def serve(path, ids):
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            SERVE,
            str(path),
            json.dumps({"texts": TEXTS, "ids": ids}),
        ],
        capture_output=True,
        text=True,
        cwd="/",
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_serves_strings_without_keras_rtd_and_equals_the_model(tmp_path):
    model = tiny.pretrainer(with_tokenizer=True)
    model.save_to_preset(str(tmp_path / "mine"))
    path = export.saved_model(str(tmp_path / "mine"), str(tmp_path / "saved"))
    batch = {
        k: np.asarray(v).astype("int32")
        for k, v in model.preprocessor(TEXTS).items()
    }
    ids = {name: value.tolist() for name, value in batch.items()}
    out = serve(path, ids)
    detector = model.replaced_token_detector()
    logits = ops.convert_to_numpy(detector(batch)["discriminator_logits"])
    probability = 1 / (1 + np.exp(-logits)) * batch["padding_mask"]
    width = batch["padding_mask"].sum(1).max()
    np.testing.assert_allclose(
        out["serve"]["replaced_probability"], probability[:, :width], atol=1e-5
    )
    np.testing.assert_allclose(
        out["serve_ids"]["replaced_probability"], probability, atol=1e-5
    )
    assert out["serving_default"] == out["serve"]
    assert set(out["serve"]) == {"tokens", "replaced_probability"}
    assert out["serve"]["tokens"][0][:3] == ["[CLS]", "the", "time"]
    assert out["serve"]["tokens"][0][-1] in ("[SEP]", "")
    encoded = model.backbone.predict_on_batch(batch)
    real = batch["padding_mask"][:, :width].astype(bool)
    np.testing.assert_allclose(
        np.array(out["encode"]["token_embeddings"])[real],
        np.asarray(encoded["sequence_output"])[:, :width][real],
        atol=1e-5,
    )
    np.testing.assert_allclose(
        out["encode"]["cls_embedding"],
        np.asarray(encoded["pooled_output"]),
        atol=1e-5,
    )


@in_process
def test_a_bare_encoder_exports_encode_only(tmp_path):
    model = tiny.pretrainer(with_tokenizer=True)
    model.backbone.save_to_preset(str(tmp_path / "encoder"))
    model.tokenizer.save_to_preset(str(tmp_path / "encoder"))
    path = export.saved_model(
        str(tmp_path / "encoder"), str(tmp_path / "saved")
    )
    assert set(serve(path, {})) - {"serving_default"} == {"encode"}


@in_process
def test_exporting_again_replaces_and_leaves_nothing_behind(tmp_path):
    model = tiny.pretrainer(with_tokenizer=True)
    model.save_to_preset(str(tmp_path / "mine"))
    for _ in range(2):
        export.saved_model(str(tmp_path / "mine"), str(tmp_path / "saved"))
    assert not list(tmp_path.glob("*.tmp"))
    # A server need not have XLA: what training compiles stays out of it.
    graph = pathlib.Path(tmp_path / "saved" / "saved_model.pb").read_bytes()
    assert b"_XlaMustCompile" not in graph
    assert pathlib.Path(tmp_path / "saved" / "saved_model.pb").exists()


def test_what_cannot_be_exported_is_said(tmp_path):
    with pytest.raises((ValueError, RuntimeError), match="no such|No preset"):
        export.saved_model(str(tmp_path / "nothing"), str(tmp_path / "saved"))
    assert not (tmp_path / "saved").exists()


@in_process
def test_a_model_trained_in_bfloat16_serves_in_float32(tmp_path):
    model = tiny.pretrainer(with_tokenizer=True, dtype="mixed_bfloat16")
    model.save_to_preset(str(tmp_path / "mine"))
    path = export.saved_model(str(tmp_path / "mine"), str(tmp_path / "saved"))
    exact = ElectraBackbone.from_preset(str(tmp_path / "mine"), dtype="float32")
    batch = {
        k: np.asarray(v).astype("int32")
        for k, v in model.preprocessor(TEXTS).items()
    }
    out = serve(path, {name: value.tolist() for name, value in batch.items()})
    np.testing.assert_allclose(
        out["encode"]["cls_embedding"],
        np.asarray(exact.predict_on_batch(batch)["pooled_output"]),
        atol=1e-5,
    )
