"""BERT's tokeniser, in Python and in TensorFlow graphs."""

from keras_rtd.tokenizers.electra_tokenizer import ElectraTokenizer

__all__ = ["ElectraTokenizer"]
