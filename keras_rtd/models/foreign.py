"""Models from checkpoints of other libraries, for `from_preset`."""

import contextlib
import json
import os
import pathlib
import tempfile

from keras_rtd.models import families

# Filled by `keras_rtd.interop`, which stands above this room: name of a format
# -> function of a path that returns (model, tokenizer or `None`).
LOADERS: dict = {}
# Filled too: name -> function of a path that returns an `ElectraPretrainer`.
PRETRAINERS: dict = {}


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
    text = os.fspath(preset)
    name, colon, path = text.partition(":")
    if colon and name in LOADERS and not path.startswith("//"):
        return name, os.path.expanduser(path)
    place = pathlib.Path(text)
    if place.is_dir():
        return _directory(place)
    if place.with_name(place.name + ".index").is_file():
        return "google", text
    return None


def _directory(place):
    config = place / "config.json"
    if not config.is_file():
        has_index = any(place.glob("*.index"))
        return ("google", str(place)) if has_index else None
    try:
        content = json.loads(config.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if content.get("model_type") in families.huggingface_types():
        return "hf", str(place)
    if str(content.get("registered_name", "")).startswith("keras_hub>"):
        return "keras_hub", str(place)
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
