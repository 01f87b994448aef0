"""Pre-train ELECTRA text encoders by replaced token detection, on Keras 3."""

from keras_rtd.utils import tpu as _tpu

_tpu.choose_backend()  # Before Keras is imported.

# ruff: noqa: E402
from keras_rtd import data
from keras_rtd import evaluation
from keras_rtd import export
from keras_rtd import finetuning
from keras_rtd import interop
from keras_rtd import models
from keras_rtd import objectives
from keras_rtd import tokenizers
from keras_rtd import training

__version__ = "0.1.0"

__all__ = [
    "data",
    "evaluation",
    "export",
    "finetuning",
    "interop",
    "models",
    "objectives",
    "tokenizers",
    "training",
]
