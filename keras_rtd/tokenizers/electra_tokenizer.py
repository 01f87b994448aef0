"""KerasHub's ELECTRA tokenizer with BERT's own normaliser."""

import hashlib
import json
import os
import sys
from typing import Any

import keras
import keras_hub
import numpy as np

from keras_rtd.keras_internals import WordPieceTokenizer
from keras_rtd.tokenizers.normalizer import Normalizer
from keras_rtd.tokenizers.offsets import encode_with_offsets
from keras_rtd.tokenizers.vocabulary_file import check_special_tokens
from keras_rtd.tokenizers.vocabulary_file import check_tokens
from keras_rtd.tokenizers.vocabulary_file import read_vocabulary
from keras_rtd.tokenizers.wordpiece import SUFFIX_INDICATOR
from keras_rtd.tokenizers.wordpiece import WordPieceEncoder
from keras_rtd.tokenizers.wordpiece import word_starts
from keras_rtd.utils.writing import SavesPreset

_LAYER_ARGUMENTS = frozenset(("name", "dtype", "trainable", "config_file"))


@keras.saving.register_keras_serializable(package="keras_rtd")
class ElectraTokenizer(SavesPreset, WordPieceTokenizer):
    """A WordPiece tokenizer that gives the ids of BERT's reference.

    The same text gives the same ids in Python (`tokenize` on strings,
    `encode_batch`) and in a TensorFlow graph (`tokenize` inside `tf.data`,
    `tf.function` or a SavedModel). Nothing in a text is special: "[MASK]" is
    "[", "mask", "]". TensorFlow is imported only inside a graph.

    Source: google-research/electra model/tokenization.py `FullTokenizer`.

    Args:
        vocabulary: path of a text file with one token a line, or list of
            tokens; the index is the id.
        lowercase: bool. Lower the text as `str.lower` does. Defaults to `True`.
        strip_accents: bool or `None`. Drop accents (category Mn after NFD).
            `None`, the default, follows `lowercase`, as in BERT.
        cls_token, sep_token, pad_token, mask_token, unk_token: str. The special
            tokens' strings in this vocabulary. Default to "[CLS]", "[SEP]",
            "[PAD]", "[MASK]" and "[UNK]".
        **kwargs: `name`, `dtype` (int32), `trainable` and `config_file`, as in
            any KerasHub tokenizer.

    Attributes:
        cls_token_id, sep_token_id, pad_token_id, mask_token_id, unk_token_id:
            int, looked up in the vocabulary.

    Raises:
        ValueError: the vocabulary cannot be read, has empty lines or
            duplicates, or lacks a special token; or an argument of KerasHub's
            tokenizer that would change the ids.

    Example:
        >>> tokenizer = ElectraTokenizer("vocabulary.txt")
        >>> tokenizer.encode_batch(["The quick brown fox.", "It slept."])
    """

    # KerasHub finds the tokenizer of a preset by comparing this with the class
    # in the preset's config.json. `keras_rtd.models` sets it to its own
    # backbone, which this package is below and so cannot import.
    backbone_cls = keras_hub.models.ElectraBackbone

    def __init__(
        self,
        vocabulary=None,
        lowercase=True,
        strip_accents=None,
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        mask_token="[MASK]",
        unk_token="[UNK]",
        **kwargs,
    ):
        unsupported = sorted(set(kwargs) - _LAYER_ARGUMENTS)
        if unsupported:
            raise ValueError(
                f"ElectraTokenizer does not take {', '.join(unsupported)}: it "
                "splits text as BERT does and knows no other way."
            )
        self.add_special_token(cls_token, "cls_token")
        self.add_special_token(sep_token, "sep_token")
        self.add_special_token(pad_token, "pad_token")
        self.add_special_token(mask_token, "mask_token")
        self.add_special_token(cls_token, "start_token")
        self.add_special_token(sep_token, "end_token")
        self.unk_token = unk_token
        self._normalizer = Normalizer(lowercase, strip_accents)
        # Past KerasHub's own ElectraTokenizer, which fixes the strings.
        super(keras_hub.tokenizers.ElectraTokenizer, self).__init__(
            vocabulary=vocabulary,
            lowercase=self._normalizer.lowercase,
            strip_accents=self._normalizer.strip_accents,
            suffix_indicator=SUFFIX_INDICATOR,
            oov_token=unk_token,
            **kwargs,
        )

    def set_vocabulary(self, vocabulary):
        """Sets the vocabulary.

        Args:
            vocabulary: path of a text file, list of tokens, or `None`.

        Raises:
            ValueError: as the constructor.
        """
        self._encoder: Any = None
        self.unk_token_id: int | None = None
        if vocabulary is None:
            self.use_vocabulary(None)
            return
        where = "the list"
        if isinstance(vocabulary, (str, os.PathLike)):
            where = repr(os.fspath(vocabulary))
            tokens = read_vocabulary(vocabulary)
        else:
            tokens = check_tokens(list(vocabulary), where)
        ids = {token: i for i, token in enumerate(tokens)}
        check_special_tokens(ids, self._special_token_strings(), where)
        self.use_vocabulary(tokens)
        self.unk_token_id = ids[self.unk_token]
        self._encoder = WordPieceEncoder(ids, self.unk_token, self._normalizer)

    def _special_token_strings(self):
        return {
            "cls_token": self.cls_token,
            "sep_token": self.sep_token,
            "pad_token": self.pad_token,
            "mask_token": self.mask_token,
            "unk_token": self.unk_token,
        }

    @property
    def special_token_ids(self):
        """Sorted ids of [CLS], [SEP], [PAD] and [MASK].

        [UNK] is not among them: it stands for text.
        """
        return sorted(super().special_token_ids)

    @property
    def is_word_start(self):
        """Bool array `(vocabulary_size,)`, `False` for continuation pieces."""
        self.check_vocabulary()
        return word_starts(self.vocabulary)

    def fingerprint(self):
        """Hash of all that decides the ids.

        Returns:
            str, the SHA-256 in hexadecimal of vocabulary and options. Equal
            fingerprints mean equal ids for equal text.
        """
        self.check_vocabulary()
        decisive = {
            "vocabulary": list(self.vocabulary),
            "lowercase": self.lowercase,
            "strip_accents": self.strip_accents,
            **self._special_token_strings(),
        }
        text = json.dumps(decisive, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def encode_batch(self, texts):
        """Ids of many texts, without TensorFlow.

        Args:
            texts: iterable of str.

        Returns:
            list of int32 arrays `(num_tokens,)`, no special tokens added.
        """
        self.check_vocabulary()
        return [self._encoder.encode(text) for text in texts]

    def encode_with_offsets(self, text):
        """Ids of a text, and the characters that each token comes from.

        Args:
            text: str.

        Returns:
            (ids, starts, ends), int32 arrays `(num_tokens,)`: the ids are
            those of `encode_batch`, and token i comes from
            `text[starts[i]:ends[i]]`.
        """
        self.check_vocabulary()
        return encode_with_offsets(
            self._encoder, self._normalizer, self.vocabulary, text
        )

    def tokenize(self, inputs):
        """Ids of text, as KerasHub's tokenizers give them.

        Args:
            inputs: str, or nested lists, arrays or tensors of strings.

        Returns:
            Eagerly an int32 array `(num_tokens,)` for one string, and lists of
            int, nested like the input, for more. In a TensorFlow graph an
            int32 tensor `(num_tokens,)` for a scalar, and a RaggedTensor with
            one dimension more than the input otherwise.
        """
        self.check_vocabulary()
        tensorflow = sys.modules.get("tensorflow")
        if tensorflow is not None and not tensorflow.executing_eagerly():
            return self._tokenize_in_graph(inputs)
        if hasattr(inputs, "to_list"):
            inputs = inputs.to_list()
        elif hasattr(inputs, "numpy"):
            inputs = inputs.numpy()
        if isinstance(inputs, np.ndarray):
            inputs = inputs.tolist()
        if isinstance(inputs, (str, bytes)):
            return self._encoder.encode(_to_str(inputs))
        return self._tokenize_nested(inputs)

    def _tokenize_nested(self, inputs):
        if isinstance(inputs, (str, bytes)):
            return self._encoder.encode(_to_str(inputs)).tolist()
        if not isinstance(inputs, (list, tuple, np.ndarray)):
            raise ValueError(
                "inputs must be str or nested lists of str. Received: "
                f"{inputs!r}"
            )
        return [self._tokenize_nested(item) for item in inputs]

    def _tokenize_in_graph(self, inputs):
        from keras_rtd.tokenizers import graph_wordpiece

        return graph_wordpiece.tokenize(
            inputs, self._normalizer, self.graph_kernel, self.unk_token
        )

    def make_graph_kernel(self):
        from keras_rtd.tokenizers import graph_wordpiece

        return graph_wordpiece.build(list(self.vocabulary), self.unk_token)

    @classmethod
    def from_config(cls, config):
        if isinstance(config.get("vocabulary"), str):
            raise ValueError(
                "The config of an ElectraTokenizer names the vocabulary file "
                f"{config['vocabulary']!r}. A config may come from anywhere, "
                "so files it names are not opened: pass the path to "
                "ElectraTokenizer itself."
            )
        return super().from_config(config)

    def get_config(self):
        config = super().get_config()
        taken = {
            "vocabulary",
            "lowercase",
            "strip_accents",
            *_LAYER_ARGUMENTS,
        }
        config = {key: config[key] for key in config if key in taken}
        config.update(self._special_token_strings())
        return config


def _to_str(text):
    if isinstance(text, bytes):
        return text.decode("utf-8", errors="replace")
    return text
