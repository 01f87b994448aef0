"""Weights and tokenizers from and to the other projects' formats."""

import functools
import importlib

from keras_rtd.interop import google
from keras_rtd.interop import huggingface
from keras_rtd.interop import keras_hub
from keras_rtd.models import foreign
from keras_rtd.utils.public_names import listed

__all__ = ["google", "huggingface", "keras_hub"]

__dir__ = listed(__name__)


def _load(name, path):
    # On demand: `convert` is the command's module.
    convert = importlib.import_module("keras_rtd.interop.convert")
    return convert.Place(name, path).load()


for _name in ("hf", "keras_hub", "google"):
    foreign.LOADERS[_name] = functools.partial(_load, _name)
