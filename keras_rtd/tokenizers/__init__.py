"""Tokenizers: one interface, one factory, one file a kind."""

from keras_rtd.tokenizers.base import Tokenizer
from keras_rtd.tokenizers.electra_tokenizer import ElectraTokenizer
from keras_rtd.tokenizers.factory import TOKENIZERS
from keras_rtd.tokenizers.factory import load
from keras_rtd.tokenizers.factory import register
from keras_rtd.utils.public_names import listed

__all__ = ["ElectraTokenizer", "TOKENIZERS", "Tokenizer", "load", "register"]

__dir__ = listed(__name__)
