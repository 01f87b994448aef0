"""Tokenizers: one interface, one factory, one file a kind."""

from keras_rtd.tokenizers.base import Tokenizer
from keras_rtd.tokenizers.byte_pair import BytePairTokenizer
from keras_rtd.tokenizers.characters import CharacterTokenizer
from keras_rtd.tokenizers.characters import KmerTokenizer
from keras_rtd.tokenizers.electra_tokenizer import ElectraTokenizer
from keras_rtd.tokenizers.factory import TOKENIZERS
from keras_rtd.tokenizers.factory import load
from keras_rtd.tokenizers.factory import register
from keras_rtd.tokenizers.fast_tokenizer import FastTokenizer
from keras_rtd.tokenizers.unigram import UnigramTokenizer
from keras_rtd.utils.public_names import listed

__all__ = [
    "BytePairTokenizer",
    "CharacterTokenizer",
    "ElectraTokenizer",
    "FastTokenizer",
    "KmerTokenizer",
    "TOKENIZERS",
    "Tokenizer",
    "UnigramTokenizer",
    "load",
    "register",
]

__dir__ = listed(__name__)
