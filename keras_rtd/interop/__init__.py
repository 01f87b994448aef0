"""Weights and tokenizers from and to the other projects' formats."""

import functools
import sys

from keras_rtd.interop import deberta
from keras_rtd.interop import google
from keras_rtd.interop import huggingface
from keras_rtd.interop import keras_hub
from keras_rtd.interop.assembly import complete as _complete
from keras_rtd.interop.convert import ModelPath as _ModelPath
from keras_rtd.models import other_libraries as _other_libraries
from keras_rtd.utils.public_names import listed

__all__ = ["deberta", "google", "huggingface", "keras_hub"]

__dir__ = listed(__name__)


def _load(name, path):
    return _ModelPath(name, path).load()


def _pretrainer(name, path):
    model, tokenizer = _load(name, path)
    pretrainer, fresh = _complete(model, tokenizer)
    if fresh:
        text = f"{name}:{path}: initialised randomly: {', '.join(fresh)}"
        print(f"note: {text}", file=sys.stderr)
    return pretrainer


_other_libraries.register(
    "deberta", functools.partial(_load, "deberta"), deberta.load_pretrainer
)
for _name in ("hf", "keras_hub", "google"):
    _other_libraries.register(
        _name,
        functools.partial(_load, _name),
        functools.partial(_pretrainer, _name),
    )
