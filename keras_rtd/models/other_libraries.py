"""Models from checkpoints of other libraries, for `from_preset`."""

import contextlib
import os
import pathlib
import tempfile
from typing import Any

from keras_rtd.models import families
from keras_rtd.utils import json_file

# Name of a format -> function of a path that returns (model, tokenizer or
# `None`). `keras_rtd.interop`, which stands above, registers its own here.
LOADERS: dict[str, Any] = {}
# Name -> function of a path that returns an `ElectraPretrainer`.
PRETRAINERS: dict[str, Any] = {}


def register(name, loader, pretrainer):
    """Let `from_preset` read `NAME:PATH`, see `LOADERS` and `PRETRAINERS`."""
    LOADERS[name] = loader
    PRETRAINERS[name] = pretrainer


def find(preset):
    """Which library's checkpoint `preset` is.

    Args:
        preset: string. A directory as Hugging Face or KerasHub write it, the
            prefix or directory of a TensorFlow 1 checkpoint, or any of these
            with its format before it, as in `"hf:runs/discriminator"`.

    Returns:
        (format, path), or `None` for a bundled name, a preset of this package,
        or an address such as `hf://user/name`, which KerasHub reads.
    """
    if not isinstance(preset, str | os.PathLike):
        return None
    text = os.fspath(preset)
    name, colon, rest = text.partition(":")
    if colon and name in LOADERS and not rest.startswith("//"):
        return name, os.path.expanduser(rest)
    path = pathlib.Path(text)
    if path.is_dir():
        return _directory(path)
    if path.with_name(path.name + ".index").is_file():
        return "google", text
    return None


def _directory(path):
    config = path / "config.json"
    if not config.is_file():
        has_index = any(path.glob("*.index"))
        return ("google", str(path)) if has_index else None
    try:
        content = json_file.read_object(config)
    except (OSError, ValueError):
        return None
    if str(content.get("model_type")) in families.huggingface_types():
        return "hf", str(path)
    if str(content.get("registered_name", "")).startswith("keras_hub>"):
        return "keras_hub", str(path)
    return None


def load(preset):
    """(encoder, tokenizer or `None`) of a checkpoint that `find` knows, or
    `None`."""
    found = find(preset)
    if found is None:
        return None
    name, path = found
    model, tokenizer = LOADERS[name](path)
    return getattr(model, "backbone", model), tokenizer


@contextlib.contextmanager
def as_preset(preset):
    """A preset of the pretrainer of a checkpoint; others are left as they are.

    Args:
        preset: string, as for `find`.

    Yields:
        string: `preset` itself, or a temporary directory.
    """
    found = find(preset)
    if found is None:
        yield preset
        return
    name, path = found
    with tempfile.TemporaryDirectory() as folder:
        directory = os.path.join(folder, "preset")
        PRETRAINERS[name](path).save_to_preset(directory)
        yield directory
