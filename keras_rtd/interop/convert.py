"""Convert a model from one format to another, and say what was carried over.

    python -m keras_rtd.interop convert --from hf:DIR --to keras_hub:DIR

Formats: `hf` (Hugging Face), `keras_hub` (plain KerasHub), `google`
(TensorFlow 1 checkpoint: PREFIX, or a directory to read from), `deberta`
(Microsoft's generator and discriminator files), `preset` (keras_rtd's own).
Weights that are missing or misshapen end the program with their list and exit
status 2.
"""

import argparse
import dataclasses
import math
import os
import pathlib
import sys
import warnings
from typing import Any

from keras_rtd import tokenizers
from keras_rtd.interop import assembly
from keras_rtd.interop import deberta
from keras_rtd.interop import google
from keras_rtd.interop import huggingface
from keras_rtd.interop import keras_hub
from keras_rtd.interop import tokenizer_files
from keras_rtd.models import ElectraMaskedLM
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import ElectraReplacedTokenDetector
from keras_rtd.models import RtdBackbone
from keras_rtd.models.presets import read_task_name
from keras_rtd.models.weight_copies import own_weights
from keras_rtd.tokenizers.factory import holds_tokenizer
from keras_rtd.utils.targets import check_inputs


class Preset:
    """keras_rtd's own preset directories, as the other formats are."""

    @staticmethod
    def load(path):
        """The model of a preset, as the class that wrote it."""
        name = read_task_name(path)
        kinds = {
            f"keras_rtd>{kind.__name__}": kind
            for kind in (
                ElectraPretrainer,
                ElectraMaskedLM,
                ElectraReplacedTokenDetector,
            )
        }
        return kinds.get(name, RtdBackbone).from_preset(path)

    @staticmethod
    def load_tokenizer(path):
        """The tokenizer of a preset, or `None` where it has none."""
        path = pathlib.Path(path)
        if path.is_dir() and not holds_tokenizer(path):
            return None
        return tokenizers.load(path)

    @staticmethod
    def save(model, path, tokenizer=None):
        """Write a preset; a tokenizer that the model has not, beside it."""
        own = assembly.tokenizer_of(model)
        model.save_to_preset(str(path))
        if tokenizer is not None and own is None:
            tokenizer.save_to_preset(str(path))


FORMATS: dict[str, Any] = {
    "hf": huggingface,
    "keras_hub": keras_hub,
    "google": google,
    "deberta": deberta,
    "preset": Preset,
}


# Attributes of models beside the encoder -> what the table calls them.
LAYERS = {
    "detection_head": "detection head",
    "generator": "generator",
    "masked_lm_head": "masked-token head",
    "encoder_lm_head": "masked-token head",
    "prediction_head": "prediction head",
    "output_dense": "classifier",
}


@dataclasses.dataclass(frozen=True)
class ModelPath:
    """A format and a path, written `FORMAT:PATH`."""

    format: str
    path: str

    @classmethod
    def parse(cls, text):
        """Of `hf:DIR` and the like.

        Raises:
            ValueError: no such format, or no path.
        """
        name, colon, path = text.partition(":")
        if name not in FORMATS or not colon or not path:
            raise ValueError(
                f"{text!r} is not FORMAT:PATH with a FORMAT of "
                f"{', '.join(FORMATS)}, e.g. hf:runs/discriminator."
            )
        return cls(name, os.path.expanduser(path))

    def files(self):
        """Paths that stand for all that is read or written here."""
        if self.format == "google" and not os.path.isdir(self.path):
            return [self.path.removesuffix(".index") + ".index"]
        folders = [self.path]
        if self.format == "hf":
            folders += [
                os.path.join(self.path, name)
                for name in (huggingface.DISCRIMINATOR, huggingface.GENERATOR)
            ]
        return folders

    def load(self, config=None, vocabulary=None):
        """(model, tokenizer or `None`) of what is there."""
        if self.format == "google":
            model = google.load(self.path, config, vocabulary)
            return model, google.load_tokenizer(self.path, vocabulary)
        model = FORMATS[self.format].load(self.path)
        tokenizer = tokenizer_files.tokenizer_of(vocabulary)
        if tokenizer is None:
            tokenizer = FORMATS[self.format].load_tokenizer(self.path)
        return model, assembly.tokenizer_of(model, tokenizer)


def convert(source, target, config=None, vocabulary=None):
    """Load from one path, save to another.

    Args:
        source: string, `FORMAT:PATH`.
        target: string, `FORMAT:PATH`.
        config: path of the reference's options as JSON, for a google source.
        vocabulary: path of a vocabulary file, where the source has none.

    Returns:
        list of (what, tensors, parameters, remark), the table's rows.

    Raises:
        ValueError: no `FORMAT:PATH`, a source that is wrong or partial, or a
            target that is or contains the source, or files of others.
    """
    source, target = ModelPath.parse(source), ModelPath.parse(target)
    inputs = [*source.files(), config, vocabulary]
    for path in target.files():
        check_inputs(path, inputs)
    model, tokenizer = source.load(config, vocabulary)
    options = {}
    if (source.format, target.format) == ("preset", "hf"):
        # The run that made the preset is around it; the model card tells.
        if os.path.isdir(source.path):
            options["run_dir"] = pathlib.Path(source.path).resolve().parent
    FORMATS[target.format].save(model, target.path, tokenizer, **options)
    return _rows(model, tokenizer, target)


def _rows(model, tokenizer, target):
    encoder = (
        "generator" if isinstance(model, ElectraMaskedLM) else "discriminator"
    )
    rows = []
    for component, variables in _components(model, encoder).items():
        tensors = len(variables)
        size = sum(math.prod(v.shape) for v in variables)
        remark = "carried over"
        if target.format == "keras_hub" and component not in (
            encoder,
            "embeddings",
        ):
            remark = "left out: KerasHub's encoder has no place for it"
        rows.append((component, tensors, size, remark))
    if tokenizer is None:
        rows.append(("tokenizer", 0, 0, "none found"))
    else:
        size = tokenizer.vocabulary_size()
        rows.append(("tokenizer", 0, 0, f"carried over, {size:,} tokens"))
    steps = _steps(model)
    if steps:
        remark = "left out: the format has no place for it"
        if target.format == "google":
            remark = "carried over"
        rows.append(("optimizer", 0, 0, f"{remark}, at step {steps:,}"))
    return rows


def _components(model, encoder):
    """Variables of a model by the names of its components."""
    backbone = getattr(model, "backbone", model)
    found = {
        "embeddings": backbone.embeddings.weights,
        encoder: own_weights(backbone),
    }
    for name, part in LAYERS.items():
        layer = getattr(model, name, None)
        if layer is not None:
            found[part] = own_weights(layer)
    return found


def _steps(model):
    if not isinstance(model, ElectraPretrainer):
        return 0
    return int(model.optimizer.iterations.numpy())


def table(rows):
    """The rows of `convert` as text."""
    lines = [f"{'component':<18} {'tensors':>7} {'parameters':>12}"]
    for component, tensors, size, remark in rows:
        count = f"{tensors:>7,} {size:>12,}" if tensors else " " * 20
        lines.append(f"{component:<18} {count}  {remark}")
    return "\n".join(lines)


def main(argv=None):
    """`python -m keras_rtd.interop`; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m keras_rtd.interop",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("convert", help="one format to another")
    command.add_argument("--from", dest="source", required=True)
    command.add_argument("--to", dest="target", required=True)
    command.add_argument(
        "--config", help="google: JSON of the reference's options"
    )
    command.add_argument("--vocabulary", help="where the source has none")
    arguments = parser.parse_args(argv)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            rows = convert(
                arguments.source,
                arguments.target,
                arguments.config,
                arguments.vocabulary,
            )
    except (ValueError, OSError, ImportError) as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    for message in {
        str(w.message) for w in caught if w.category is UserWarning
    }:
        print(f"note: {message}")
    print(table(rows))
    print(f"{arguments.source} -> {arguments.target}")
    return 0
