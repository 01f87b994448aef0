"""An ONNX file of a model: ids in, what the model says of them out.

python -m keras_rtd.export.onnx_model runs/mine model.onnx --quantize int8
"""

import argparse
import importlib.util
import os
import tempfile

import keras
import numpy as np

from keras_rtd import models
from keras_rtd.export.second_process import run_in_tensorflow
from keras_rtd.models.presets import DETECTOR
from keras_rtd.models.presets import PRETRAINER
from keras_rtd.models.presets import has_detector
from keras_rtd.models.presets import read_task_name
from keras_rtd.utils.targets import Kind
from keras_rtd.utils.targets import check_target
from keras_rtd.utils.types import Path
from keras_rtd.utils.writing import new_path

MODULE = "keras_rtd.export.onnx_model"
QUANTIZE = ("int8",)
# The newest that tf2onnx writes.
OPSET = 18
TOLERANCE = 1e-4

INPUTS = ("token_ids", "segment_ids", "padding_mask")
DETECTORS = (PRETRAINER, DETECTOR)
CLASSIFIERS = (
    "keras_rtd>ElectraTextClassifier",
    "keras_rtd>ElectraTokenClassifier",
)


def onnx(preset: str, path: Path, quantize: str | None = None) -> Path:
    """Export a preset as an ONNX file.

    Inputs: `token_ids`, `segment_ids`, `padding_mask`, int32 (batch, length),
    both free. Outputs, float32:

    - of a pretrainer or detector: `replaced_probability` (batch, length), and
      what a bare encoder has
    - of a bare encoder, or a pretrainer whose objective has no detector:
      `token_embeddings` (batch, length, hidden_dim) and `cls_embedding`
      (batch, hidden_dim)
    - of a text classifier (batch, num_classes), of a token classifier (batch,
      length, num_classes): `logits`, or `probabilities` where the model has an
      activation.

    TensorFlow traces the model, on JAX and PyTorch in a second process, and
    tf2onnx converts it. The file is compared with the model, on a batch in
    onnxruntime, before it is put in its place.

    Args:
        preset: string. A preset directory with weights.
        path: string. The file to write; replaced if it is there.
        quantize: `None` or `"int8"`: weights of products and the token table
            in 8 bits, a scale for each column, and activations rounded to 8
            bits as they come (onnxruntime's dynamic quantisation). A quarter
            of the size; docs/serving.md has what it costs. Defaults to `None`.

    Returns:
        `path`.

    Raises:
        ImportError: a package of the extra `onnx`, or TensorFlow, is missing.
        ValueError: no such preset, one without weights, a task that is not in
            the list, or another `quantize`; the path is there and is no ONNX
            file, or is or contains the preset.
        RuntimeError: the file does not compute what the model does, to 1e-4.
    """
    if quantize is not None and quantize not in QUANTIZE:
        raise ValueError(
            f"`quantize` must be None or one of {QUANTIZE}. Received: "
            f"{quantize!r}"
        )
    for module in ("onnx", "onnxruntime", "tf2onnx", "tensorflow"):
        if importlib.util.find_spec(module) is None:
            raise ImportError(
                f"Exporting to ONNX needs {module}: pip install "
                "tensorflow 'keras_rtd[onnx]'"
            )
    _check_task(read_task_name(preset), preset)
    check_target(path, ONNX_FILE, [preset])
    if keras.config.backend() == "tensorflow":
        _export(preset, path, quantize)
    else:
        options = ["--quantize", quantize] if quantize else []
        run_in_tensorflow(MODULE, preset, str(path), *options)
    return path


def _check_task(name, preset):
    if name not in (None, *DETECTORS, *CLASSIFIERS):
        raise ValueError(
            f"The preset {str(preset)!r} holds {name.rpartition('>')[2]}, "
            "which is not exported to ONNX. These are: encoders, "
            + ", ".join(
                name.rpartition(">")[2] for name in (*DETECTORS, *CLASSIFIERS)
            )
            + "."
        )


def _export(preset, path, quantize):
    function, backbone = _function(preset)
    with (
        new_path(path, ONNX_FILE, [preset]) as whole,
        tempfile.TemporaryDirectory() as folder,
    ):
        exact = whole if quantize is None else os.path.join(folder, "exact")
        _convert(function, exact)
        _compare(function, exact, backbone)
        if quantize is not None:
            _quantize(exact, whole)


def _is_onnx(path):
    """The version of the format, then who made it: ONNX has no magic bytes."""
    with open(path, "rb") as file:
        start = file.read(64)
    return start[:1] == b"\x08" and b"onnx" in start


ONNX_FILE = Kind("an ONNX file", _is_onnx)


def _function(preset):
    """The model of a preset as a `tf.function`, and its encoder."""
    import tensorflow as tf

    name = read_task_name(preset)
    if name in CLASSIFIERS:
        cls = getattr(models, name.rpartition(">")[2])
        model = cls.from_preset(preset, dtype="float32")
        linear = keras.activations.linear
        raw = getattr(model, "activation", linear) is linear
        backbone = model.backbone

        def call(batch):
            outputs = model(batch, training=False)
            return {"logits" if raw else "probabilities": outputs}

    else:
        model = None
        if has_detector(preset):
            model = models.ElectraReplacedTokenDetector.from_preset(
                preset, dtype="float32"
            )
            backbone = model.backbone
        else:
            backbone = models.RtdBackbone.from_preset(preset, dtype="float32")

        def call(batch):
            encoded = backbone(batch, training=False)
            outputs = {
                "token_embeddings": encoded["sequence_output"],
                "cls_embedding": encoded["pooled_output"],
            }
            if model is not None:
                logits = model.detection_head(encoded["sequence_output"])
                real = tf.cast(batch["padding_mask"], "float32")
                outputs["replaced_probability"] = tf.sigmoid(logits) * real
            return outputs

    signature = [
        tf.TensorSpec((None, None), tf.int32, name=name) for name in INPUTS
    ]

    @tf.function(input_signature=signature)
    def function(token_ids, segment_ids, padding_mask):
        return call(dict(zip(INPUTS, (token_ids, segment_ids, padding_mask))))

    return function, backbone


def _convert(function, path):
    import tf2onnx

    tf2onnx.convert.from_function(
        function,
        input_signature=function.input_signature,
        opset=OPSET,
        output_path=path,
        custom_op_handlers={"Erfc": (_erfc, [])},
    )


def _erfc(context, node, name, arguments):
    """1 - erf(x): ONNX has no erfc, which TensorFlow's GELU is made of."""
    one = context.make_const(f"{name}/one", np.array(1.0, np.float32))
    node.type = "Erf"
    difference = context.insert_new_node_on_output(
        "Sub", node.output[0], name=f"{name}/difference"
    )
    context.replace_inputs(difference, [one.output[0], node.output[0]])


def _compare(function, path, backbone):
    import onnxruntime

    rng = np.random.default_rng(0)
    shape = (3, min(40, backbone.max_sequence_length))
    real = np.arange(shape[1]) < np.array([[shape[1]], [shape[1] // 2], [2]])
    batch = {
        "token_ids": rng.integers(0, backbone.vocabulary_size, shape) * real,
        "segment_ids": rng.integers(0, max(1, backbone.num_segments), shape)
        * real,
        "padding_mask": real,
    }
    batch = {name: value.astype(np.int32) for name, value in batch.items()}
    session = onnxruntime.InferenceSession(path)
    expected = function(*batch.values())
    found = session.run(list(expected), batch)
    for name, value in zip(expected, found):
        difference = float(np.abs(value - expected[name].numpy()).max())
        if not difference <= TOLERANCE:
            raise RuntimeError(
                f"The ONNX file's {name} differ from the model's by "
                f"{difference:.1e}, more than {TOLERANCE}."
            )


def _quantize(exact, path):
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization import quantize_dynamic

    quantize_dynamic(exact, path, weight_type=QuantType.QInt8, per_channel=True)


def main(argv=None):
    parser = argparse.ArgumentParser(
        prog=f"python -m {MODULE}",
        description=__doc__.splitlines()[0],
    )
    parser.add_argument("preset", help="a preset directory with weights")
    parser.add_argument("path", help="the ONNX file to write")
    parser.add_argument("--quantize", choices=QUANTIZE)
    arguments = parser.parse_args(argv)
    try:
        onnx(arguments.preset, arguments.path, arguments.quantize)
    except (ImportError, OSError, RuntimeError, ValueError) as e:
        parser.exit(2, f"error: {e}\n")


if __name__ == "__main__":
    main()
