"""Weights and tokenizers from and to the other projects' formats."""

from keras_rtd.interop import google
from keras_rtd.interop import huggingface
from keras_rtd.interop import keras_hub

__all__ = ["google", "huggingface", "keras_hub"]
