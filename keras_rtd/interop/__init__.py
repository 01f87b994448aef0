"""Weights and tokenizers from and to the other projects' formats."""

import functools
import importlib

from keras_rtd.interop import google
from keras_rtd.interop import huggingface
from keras_rtd.interop import keras_hub
from keras_rtd.models import foreign

__all__ = ["google", "huggingface", "keras_hub"]


def _load(name, path):
    # On demand: `convert` is the command's module.
    convert = importlib.import_module("keras_rtd.interop.convert")
    return convert.Place(name, path).load()


def _pretrainer(name, path):
    # On demand too.
    model, tokenizer = _load(name, path)
    joining = importlib.import_module("keras_rtd.interop.parts")
    pretrainer, fresh = joining.complete(model, tokenizer)
    if fresh:
        print(f"note: {name}:{path}: initialised randomly: {', '.join(fresh)}")
    return pretrainer


for _name in ("hf", "keras_hub", "google"):
    foreign.LOADERS[_name] = functools.partial(_load, _name)
    foreign.PRETRAINERS[_name] = functools.partial(_pretrainer, _name)
