"""A SavedModel of a preset: strings in, scores and vectors out.

python -m keras_rtd.export.tensorflow_saved_model runs/mine saved_model
"""

import argparse
import importlib.util
import os
import sys

import keras

from keras_rtd import tokenizers
from keras_rtd.export.second_process import run_in_tensorflow
from keras_rtd.models.presets import has_detector
from keras_rtd.models.presets import read_task_name
from keras_rtd.utils.targets import SAVED_MODEL
from keras_rtd.utils.targets import check_target
from keras_rtd.utils.types import Path
from keras_rtd.utils.writing import new_path

TOKENIZER = "tokenizer.json"
MODULE = "keras_rtd.export.tensorflow_saved_model"


def saved_model(preset: str, path: Path) -> Path:
    """Export a preset as a SavedModel that needs no keras_rtd to serve.

    The graph holds the tokenizer; loading it takes `tensorflow` and `import
    tensorflow_text`. It is built by TensorFlow whatever backend trained the
    model: on JAX and PyTorch a second Python process does it.

    Every preset has the signature `encode`: `texts`, string (batch,) ->
    `token_embeddings`, float32 (batch, length, hidden_dim), and
    `cls_embedding`, float32 (batch, hidden_dim). Of the others, `serve` is
    `serving_default` too:

    - A pretrainer, `serve`: `texts` -> `tokens`, string (batch, length), and
      `replaced_probability`, float32 (batch, length). `serve_ids`:
      `token_ids`, `segment_ids`, `padding_mask`, int32 (batch, length) ->
      `replaced_probability`.
    - A text classifier, `serve`: `texts` -> `classes`, string (batch,), and
      `probabilities`, float32 (batch, num_classes); for regression `scores`,
      float32 (batch,). `serve_pairs`: `first`, `second`, string (batch,) ->
      the same.
    - A token classifier, `serve`: `texts`, words with spaces between ->
      `words`, `classes`, string (batch, words), and `probabilities`, float32
      (batch, words). Words past a row's length have the class "".
    - A question answerer, `serve`: `question`, `context`, string (batch,) ->
      `answers`, the tokens of the answer joined, `starts` and `ends`, int32
      (batch,), its first and last token of the context, `scores`, float32
      (batch,), and where it was trained on them `no_answer_probabilities`.
      Contexts longer than a row are read in windows, as `predict` does.

    A tokenizer that no TensorFlow graph computes (all kinds but WordPiece)
    is beside the model, as `tokenizer.json`, and a line on stderr says so.
    Every signature then takes `token_ids`, `segment_ids` and `padding_mask`
    as `serve_ids` does; there is no `serve_pairs`, a token classifier gives
    `classes` and `probabilities` of each token, and a question answerer its
    outputs for each row.

    A preset without a detector, such as one of the objective `"mlm"`, has
    `encode` alone.

    It computes in float32, whatever the model was trained in. Rows start with
    [CLS], end with [SEP], and are padded with "" to the longest of the batch;
    another text longer than a row is cut.

    Args:
        preset: string. A preset directory with weights.
        path: string. The directory to write, whole or not at all; a
            SavedModel that is there is replaced.

    Returns:
        `path`.

    Raises:
        ImportError: TensorFlow or tensorflow-text is not installed.
        ValueError: no such preset, or one without weights or tokenizer; the
            path is there and is no SavedModel, or is or contains the preset.
        OSError: the disk is full.
    """
    check_target(path, SAVED_MODEL, [preset])
    for module in ("tensorflow", "tensorflow_text"):
        if importlib.util.find_spec(module) is None:
            raise ImportError(
                f"Exporting a SavedModel needs {module}: "
                "pip install tensorflow tensorflow-text"
            )
    if keras.config.backend() == "tensorflow":
        _export(preset, path)
    else:
        run_in_tensorflow(MODULE, preset, str(path))
    if os.path.isfile(os.path.join(path, TOKENIZER)):
        print(
            f"{path} takes ids: no graph computes this kind of tokenizer, "
            f"which is in {TOKENIZER}.",
            file=sys.stderr,
        )
    return path


def _export(preset, path):
    from keras_rtd.export import signatures

    build = signatures.BY_TASK.get(read_task_name(preset), signatures.encoder)
    if build is signatures.detector and not has_detector(preset):
        build = signatures.encoder
    model, endpoints = build(preset)
    archive = keras.export.ExportArchive()
    archive.track(model)
    for name, (function, specs) in endpoints.items():
        archive.add_endpoint(name, function, specs)
    with new_path(path, SAVED_MODEL, [preset]) as temporary:
        archive.write_out(temporary, verbose=False)
        tokenizer = tokenizers.load(preset)
        if not tokenizer.runs_in_graph:
            tokenizer.save(os.path.join(temporary, TOKENIZER))


def main(argv=None):
    parser = argparse.ArgumentParser(
        prog="python -m keras_rtd.export.tensorflow_saved_model",
        description=__doc__.splitlines()[0],
    )
    parser.add_argument("preset", help="a preset directory with weights")
    parser.add_argument("path", help="the SavedModel directory to write")
    arguments = parser.parse_args(argv)
    try:
        saved_model(arguments.preset, arguments.path)
    except (ImportError, OSError, RuntimeError, ValueError) as e:
        parser.exit(2, f"error: {e}\n")


if __name__ == "__main__":
    main()
