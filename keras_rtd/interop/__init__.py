"""Weights and tokenizers from and to the other projects' formats."""

import functools

from keras_rtd.interop import google
from keras_rtd.interop import huggingface
from keras_rtd.interop import keras_hub
from keras_rtd.interop.assembly import join as _join
from keras_rtd.interop.convert import ModelPath as _ModelPath
from keras_rtd.models import ElectraMaskedLM as _ElectraMaskedLM
from keras_rtd.models import ElectraPretrainer as _ElectraPretrainer
from keras_rtd.models import other_libraries as _other_libraries
from keras_rtd.models.weight_copies import copied as _copied
from keras_rtd.utils.public_names import listed

__all__ = ["google", "huggingface", "keras_hub"]

__dir__ = listed(__name__)


def _load(name, path):
    return _ModelPath(name, path).load()


def _pretrainer(name, path):
    model, tokenizer = _load(name, path)
    if isinstance(model, _ElectraPretrainer):
        return model
    if isinstance(model, _ElectraMaskedLM):
        # ModernBERT is released so: what it knows is in its encoder.
        model = _copied(model.backbone, name="backbone")
    pretrainer, fresh = _join(model, tokenizer=tokenizer)
    print(f"note: {name}:{path}: initialised randomly: {', '.join(fresh)}")
    return pretrainer


for _name in ("hf", "keras_hub", "google"):
    _other_libraries.register(
        _name,
        functools.partial(_load, _name),
        functools.partial(_pretrainer, _name),
    )
