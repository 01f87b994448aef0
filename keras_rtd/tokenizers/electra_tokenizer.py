"""WordPiece, as KerasHub's ELECTRA tokenizer with BERT's own normaliser."""

import hashlib
import json
import os
import re
import unicodedata
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any
from typing import Self

import keras
import keras_hub
import numpy as np

from keras_rtd.keras_internals import WordPieceTokenizer
from keras_rtd.tokenizers import training
from keras_rtd.tokenizers import wordpiece_json
from keras_rtd.tokenizers import wordpiece_training
from keras_rtd.tokenizers.base import LAYER_ARGUMENTS
from keras_rtd.tokenizers.base import Tokenizer
from keras_rtd.tokenizers.normalizer import Normalizer
from keras_rtd.tokenizers.vocabulary_file import read_vocabulary
from keras_rtd.tokenizers.wordpiece import SUFFIX_INDICATOR
from keras_rtd.tokenizers.wordpiece import WordPieceEncoder
from keras_rtd.tokenizers.wordpiece import alphabet_of
from keras_rtd.tokenizers.wordpiece import continues_word
from keras_rtd.utils.types import Path

# Of Python 3.11, whose fingerprints do not name it.
_UNICODE = "14.0.0"

_SURROGATE = re.compile("[\ud800-\udfff]")


@keras.saving.register_keras_serializable(package="keras_rtd")
class ElectraTokenizer(WordPieceTokenizer, Tokenizer):
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
        normalization: `None`, the default, for BERT's rules: a word with an
            unknown character, or of over 200 characters, is one [UNK]. "NFC",
            "NFKC" or "none", as newly trained tokenizers have it: the text is
            normalised so, each unknown character is one [UNK], long words are
            cut, and U+200C, U+200D and characters of a newer Unicode are
            kept.
        **kwargs: `cls_token`, `sep_token`, `pad_token`, `mask_token`,
            `unk_token`, `name`, `dtype`, `trainable` and `config_file` of
            `Tokenizer`.

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

    runs_in_graph = True
    lowercase_by_default = True
    vocabulary_file: str | None = "vocab.txt"

    def __init__(
        self,
        vocabulary: Path | Sequence[str] | None = None,
        lowercase: bool = True,
        strip_accents: bool | None = None,
        unk_token: str = "[UNK]",
        normalization: str | None = None,
        **kwargs: Any,
    ) -> None:
        special = {f"{n}_token" for n in ("cls", "sep", "pad", "mask")}
        unsupported = sorted(set(kwargs) - LAYER_ARGUMENTS - special)
        if unsupported:
            raise ValueError(
                f"ElectraTokenizer does not take {', '.join(unsupported)}: it "
                "splits text as BERT does and knows no other way."
            )
        self._normalizer = Normalizer(lowercase, strip_accents, normalization)
        self.normalization = normalization
        if normalization is not None:
            # A file of tokens alone would be read by BERT's rules.
            self.vocabulary_file = None
        self._alphabet: Any = None
        # Past KerasHub's own ElectraTokenizer, which fixes the strings.
        super(keras_hub.tokenizers.ElectraTokenizer, self).__init__(
            vocabulary=vocabulary,
            lowercase=self._normalizer.lowercase,
            strip_accents=self._normalizer.strip_accents,
            suffix_indicator=SUFFIX_INDICATOR,
            oov_token=unk_token,
            unk_token=unk_token,
            **kwargs,
        )

    def set_vocabulary(
        self, vocabulary: Path | Sequence[str] | None, where: str = "the list"
    ) -> None:
        """Sets the vocabulary.

        Args:
            vocabulary: path of a text file, list of tokens, or `None`.
            where: str. Names a list in messages.

        Raises:
            ValueError: as the constructor.
        """
        self.forget_graph_kernel()
        self._encoder: Any = None
        self._fast: Any = None
        if isinstance(vocabulary, (str, os.PathLike)):
            where = repr(os.fspath(vocabulary))
            vocabulary = read_vocabulary(vocabulary)
        Tokenizer.set_vocabulary(self, vocabulary, where)
        if vocabulary is not None:
            if self.normalization is not None:
                self._alphabet = alphabet_of(self.vocabulary)
            self._encoder = WordPieceEncoder(
                self.ids_by_token,
                self.unk_token,
                self._normalizer,
                self._alphabet,
            )

    def token_text(self, token: str) -> str:
        if continues_word(token):
            return token.removeprefix(SUFFIX_INDICATOR)
        return f" {token}"

    def fingerprint(self) -> str:
        self.check_vocabulary()
        decisive = {
            "vocabulary": list(self.vocabulary),
            "lowercase": self.lowercase,
            "strip_accents": self.strip_accents,
            **self.special_token_strings(),
        }
        if self.normalization is not None:
            decisive["normalization"] = self.normalization
        # Letters and their lower case are Python's.
        if unicodedata.unidata_version != _UNICODE:
            decisive["unicode"] = unicodedata.unidata_version
        text = json.dumps(decisive, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def encode_arrays(self, texts: Iterable[str]) -> list[np.ndarray]:
        self.check_vocabulary()
        return [self._encoder.encode(text) for text in texts]

    def encode_with_offsets(
        self, text: str
    ) -> tuple[list[int], list[tuple[int, int]]]:
        self.check_vocabulary()
        if self.normalization is not None:
            # Composed characters have several places.
            fast = self._fast or wordpiece_json.fast_tokenizer(self)
            self._fast = fast
            # Half of a surrogate pair is dropped, as U+0000 is.
            text = _SURROGATE.sub("\0", text)
            found = fast.encode(text, add_special_tokens=False)
            return found.ids, found.offsets
        found = self._encoder.encode_with_offsets(text)
        ids, starts, ends = (part.tolist() for part in found)
        return ids, list(zip(starts, ends))

    def encode_piece(self, text: str) -> list[int]:
        if text.startswith(" "):
            return Tokenizer.encode_piece(self, text)
        text = text.lower() if self.lowercase else text
        inner = self._encoder.encode_inside_word(text)
        return inner or Tokenizer.encode_piece(self, text)

    # KerasHub's own split text otherwise.
    tokenize = Tokenizer.tokenize

    def tokenize_in_graph(self, inputs: Any) -> Any:
        from keras_rtd.tokenizers import graph_wordpiece

        return graph_wordpiece.tokenize(
            inputs,
            self._normalizer,
            self.graph_kernel,
            self.unk_token,
            self._alphabet,
        )

    def make_graph_kernel(self) -> Any:
        from keras_rtd.tokenizers import graph_wordpiece

        return graph_wordpiece.build(list(self.vocabulary), self.unk_token)

    @classmethod
    def from_texts(
        cls,
        texts: Iterable[str],
        size: int,
        progress: bool = False,
        lowercase: bool = True,
        strip_accents: bool | None = False,
        normalization: str | None = "NFC",
        min_frequency: int = 2,
        coverage: float | None = None,
        limit_alphabet: int | None = None,
        special_tokens: Sequence[str] = training.SPECIAL_TOKENS,
    ) -> Self:
        """A tokenizer with a vocabulary of its own.

        Args:
            texts, size, progress: see `Tokenizer.from_texts`.
            normalization: see `ElectraTokenizer`. Defaults to `"NFC"`.
            lowercase, strip_accents, min_frequency, coverage, limit_alphabet,
            special_tokens: see `wordpiece_training.train_vocabulary`. Accents
                are kept unless `strip_accents`.
        """
        rules: dict[str, Any] = {
            "lowercase": lowercase,
            "strip_accents": strip_accents,
            "normalization": normalization,
        }
        tokens = wordpiece_training.train_vocabulary(
            texts,
            size,
            min_frequency=min_frequency,
            coverage=coverage,
            limit_alphabet=limit_alphabet,
            special_tokens=special_tokens,
            progress=progress,
            **rules,
        )
        special = training.special_arguments(special_tokens)
        return cls(tokens, **rules, **special)

    def tokenizer_json(self) -> str:
        return wordpiece_json.write(self)

    def huggingface_options(self) -> dict[str, Any]:
        return {
            "do_lower_case": bool(self.lowercase),
            "strip_accents": bool(self.strip_accents),
            "tokenize_chinese_chars": True,
        }

    @classmethod
    def from_tokenizer_json(
        cls,
        content: dict[str, Any],
        options: dict[str, Any],
        vocabulary: Path | None = None,
        **arguments: Any,
    ) -> Self | None:
        """See `Tokenizer`; `vocabulary` is a path where there is no content.

        What nothing is said about is as in the published uncased models.
        """
        found = wordpiece_json.arguments_of(content, options)
        if found is None:
            return None
        made = cls(**{"vocabulary": vocabulary, **found, **arguments})
        if content and not wordpiece_json.splits_alike(
            cls(**found) if arguments else made, content
        ):
            return None
        return made

    @classmethod
    def from_keras_hub(cls, theirs: Any, **arguments: Any) -> Self | None:
        if not isinstance(theirs, keras_hub.tokenizers.WordPieceTokenizer):
            return None
        found = {
            name: getattr(theirs, name)
            for name in ("cls_token", "sep_token", "pad_token", "mask_token")
            if hasattr(theirs, name)
        }
        return cls(
            list(theirs.vocabulary),
            **{
                "lowercase": theirs.lowercase,
                "strip_accents": theirs.strip_accents,
                "unk_token": theirs.oov_token,
                **found,
                **arguments,
            },
        )

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        if isinstance(config.get("vocabulary"), str):
            raise ValueError(
                "The config of an ElectraTokenizer names the vocabulary file "
                f"{config['vocabulary']!r}. A config may come from anywhere, "
                "so files it names are not opened: pass the path to "
                "ElectraTokenizer itself."
            )
        return super().from_config(config)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        taken = {"vocabulary", "lowercase", "strip_accents", *LAYER_ARGUMENTS}
        config = {key: config[key] for key in config if key in taken}
        if self.normalization is not None:
            config["normalization"] = self.normalization
        return {**config, **self.special_token_strings()}
