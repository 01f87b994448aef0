"""A SavedModel of the discriminator: strings in, scores and vectors out.

python -m keras_rtd.export.tensorflow_saved_model runs/mine saved_model
"""

import argparse
import importlib.util
import os
import pathlib
import shutil

import keras

from keras_rtd.export.second_process import run_in_tensorflow
from keras_rtd.models.backbone import ElectraBackbone
from keras_rtd.models.presets import PRETRAINER
from keras_rtd.models.presets import read_task_name
from keras_rtd.models.replaced_token_detector import (
    ElectraReplacedTokenDetector,
)
from keras_rtd.tokenizers import ElectraTokenizer

MODULE = "keras_rtd.export.tensorflow_saved_model"


def saved_model(preset, path):
    """Export a preset as a SavedModel that needs no keras_rtd to serve.

    The graph holds the tokenizer; loading it takes `tensorflow` and `import
    tensorflow_text`. It is built by TensorFlow whatever backend trained the
    model: on JAX and PyTorch a second Python process does it.

    Signatures:

    - `serve` (also `serving_default`): `texts`, string (batch,) ->
      `tokens`, string (batch, length), and `replaced_probability`, float32
      (batch, length).
    - `encode`: `texts` -> `token_embeddings`, float32 (batch, length,
      hidden_dim), and `cls_embedding`, float32 (batch, hidden_dim).
    - `serve_ids`: `token_ids`, `segment_ids`, `padding_mask`, int32 (batch,
      length) -> `replaced_probability`.

    It computes in float32, whatever the model was trained in. Rows start with
    [CLS], end with [SEP], and are padded with "" to the longest of the batch;
    a text longer than the model's positions is cut.

    Args:
        preset: string. A preset directory with weights.
        path: string. The directory to write; replaced if it is there, whole
            or not at all.

    Returns:
        `path`.

    Raises:
        ImportError: TensorFlow or tensorflow-text is not installed.
        ValueError: no such preset, or one without weights or tokenizer.
    """
    for module in ("tensorflow", "tensorflow_text"):
        if importlib.util.find_spec(module) is None:
            raise ImportError(
                f"Exporting a SavedModel needs {module}: "
                "pip install tensorflow tensorflow-text"
            )
    if keras.config.backend() == "tensorflow":
        _export(preset, path)
        return path
    run_in_tensorflow(MODULE, preset, str(path))
    return path


def _export(preset, path):
    import tensorflow as tf

    detector = None
    if read_task_name(preset) == PRETRAINER:
        detector = ElectraReplacedTokenDetector.from_preset(
            preset, dtype="float32"
        )
        backbone, tokenizer = detector.backbone, detector.preprocessor.tokenizer
    else:
        backbone = ElectraBackbone.from_preset(preset, dtype="float32")
        tokenizer = ElectraTokenizer.from_preset(preset)
    pack = _packer(tokenizer, backbone.max_sequence_length)
    vocabulary = tf.constant(tokenizer.get_vocabulary())
    texts = tf.TensorSpec((None,), tf.string, name="texts")
    ids = {
        name: tf.TensorSpec((None, None), tf.int32, name=name)
        for name in ("token_ids", "segment_ids", "padding_mask")
    }

    def encode(texts):
        outputs = backbone(pack(texts), training=False)
        return {
            "token_embeddings": tf.cast(outputs["sequence_output"], "float32"),
            "cls_embedding": tf.cast(outputs["pooled_output"], "float32"),
        }

    def serve(texts):
        batch = pack(texts)
        real = tf.cast(batch["padding_mask"], "bool")
        tokens = tf.where(real, tf.gather(vocabulary, batch["token_ids"]), "")
        return {"tokens": tokens, **_probability(detector, batch)}

    def serve_ids(token_ids, segment_ids, padding_mask):
        return _probability(
            detector,
            {
                "token_ids": token_ids,
                "segment_ids": segment_ids,
                "padding_mask": padding_mask,
            },
        )

    archive = keras.export.ExportArchive()
    archive.track(detector or backbone)
    if detector is not None:
        archive.add_endpoint("serve", serve, [texts])
        archive.add_endpoint("serve_ids", serve_ids, list(ids.values()))
    archive.add_endpoint("encode", encode, [texts])
    target = pathlib.Path(path)
    temporary = target.with_name(target.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    archive.write_out(str(temporary), verbose=False)
    shutil.rmtree(target, ignore_errors=True)
    os.replace(temporary, target)


def _probability(detector, batch):
    import tensorflow as tf

    logits = detector(batch, training=False)["discriminator_logits"]
    real = tf.cast(batch["padding_mask"], "float32")
    return {"replaced_probability": tf.sigmoid(logits) * real}


def _packer(tokenizer, max_sequence_length):
    """A graph function from texts to padded encoder inputs."""
    import tensorflow as tf

    def pack(texts):
        pieces = tokenizer.tokenize(texts)[:, : max_sequence_length - 2]
        rows = tf.shape(texts)[0]
        start = tf.fill((rows, 1), tokenizer.cls_token_id)
        end = tf.fill((rows, 1), tokenizer.sep_token_id)
        packed = tf.concat([start, pieces, end], axis=1)
        token_ids = packed.to_tensor(tokenizer.pad_token_id)
        lengths = tf.cast(packed.row_lengths(), tf.int32)
        return {
            "token_ids": token_ids,
            "segment_ids": tf.zeros_like(token_ids),
            "padding_mask": tf.sequence_mask(
                lengths, tf.shape(token_ids)[1], tf.int32
            ),
        }

    return pack


def main():
    parser = argparse.ArgumentParser(
        prog="python -m keras_rtd.export.tensorflow_saved_model",
        description=__doc__.splitlines()[0],
    )
    parser.add_argument("preset", help="a preset directory with weights")
    parser.add_argument("path", help="the SavedModel directory to write")
    arguments = parser.parse_args()
    try:
        saved_model(arguments.preset, arguments.path)
    except (ImportError, ValueError) as e:
        parser.exit(2, f"error: {e}\n")


if __name__ == "__main__":
    main()
