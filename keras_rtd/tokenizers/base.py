"""What the rest of the package asks of a tokenizer."""

import functools
import hashlib
import json
import os
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any
from typing import Self

import numpy as np

from keras_rtd.keras_internals import PlainTokenizer
from keras_rtd.tokenizers import string_inputs
from keras_rtd.tokenizers.pieces import texts_in_row
from keras_rtd.tokenizers.vocabulary_file import check_special_tokens
from keras_rtd.tokenizers.vocabulary_file import check_tokens
from keras_rtd.tokenizers.vocabulary_file import file_kind
from keras_rtd.utils.types import Path
from keras_rtd.utils.writing import SavesPreset
from keras_rtd.utils.writing import write_text

LAYER_ARGUMENTS = frozenset(("name", "dtype", "trainable", "config_file"))


class Tokenizer(SavesPreset, PlainTokenizer):
    """A tokenizer of any kind; each kind is a subclass.

    A kind calls `set_vocabulary`, and defines `encode_with_offsets` and
    `get_config`. It overrides what differs from its defaults: `encode_arrays`
    where ids are wanted faster than offsets, `token_text` where a token is
    not a whole word, `from_texts`, `tokenizer_json`, `from_tokenizer_json` and
    `from_keras_hub` for files, and `runs_in_graph` with `tokenize_in_graph`.
    What is not in `get_config` is in files that `file_assets` names, which
    `save_assets` and `load_assets` write and read, as KerasHub has it.

    Args:
        cls_token, sep_token, pad_token, mask_token: str. The special tokens'
            strings in the vocabulary. Default to "[CLS]", "[SEP]", "[PAD]"
            and "[MASK]".
        unk_token: str. Defaults to "[UNK]"; `None` for a kind to which no
            text is unknown.
        **kwargs: `name`, `dtype` (int32), `trainable` and `config_file`, as
            in any KerasHub tokenizer.

    Attributes:
        cls_token_id, sep_token_id, pad_token_id, mask_token_id: int.
        unk_token_id: int or `None`.
        runs_in_graph: bool. Ids can be had in a TensorFlow graph that is
            saved; a `tf.data` pipeline of this process takes any kind.
        lowercase_by_default: bool. The vocabulary command lowers the text
            unless `--cased` is given.
        vocabulary_file: str or `None`. Name of the text file in which other
            libraries look for this kind's vocabulary, one token a line.
        keeps_lines: bool. Newlines are tokens that matter, as in code: the
            lines of a document are encoded with theirs.

    CONTRIBUTING.md has an example.
    """

    runs_in_graph = False
    vocabulary_file: str | None = None
    lowercase_by_default = False

    def __init__(
        self,
        cls_token: str = "[CLS]",
        sep_token: str = "[SEP]",
        pad_token: str = "[PAD]",
        mask_token: str = "[MASK]",
        unk_token: str | None = "[UNK]",
        **kwargs: Any,
    ) -> None:
        self.vocabulary: Any = None
        self.unk_token = unk_token
        self.unk_token_id: int | None = None
        self.add_special_token(cls_token, "cls_token")
        self.add_special_token(sep_token, "sep_token")
        self.add_special_token(pad_token, "pad_token")
        self.add_special_token(mask_token, "mask_token")
        # What KerasHub's packers call them.
        self.add_special_token(cls_token, "start_token")
        self.add_special_token(sep_token, "end_token")
        super().__init__(**{"dtype": "int32", **kwargs})
        self.file_assets: Any = []

    def set_vocabulary(
        self, vocabulary: Sequence[str] | None, where: str = "the list"
    ) -> None:
        """Sets the tokens; the index is the id.

        Args:
            vocabulary: list of str, or `None` until the assets are loaded.
            where: str. Names the source in messages.

        Raises:
            ValueError: empty or equal tokens, or no such special token.
        """
        self.__dict__.pop("piece_texts", None)
        self.unk_token_id = None
        if vocabulary is None:
            self.use_vocabulary(None)
            return
        tokens = check_tokens(list(vocabulary), where)
        ids = {token: i for i, token in enumerate(tokens)}
        check_special_tokens(ids, self.special_token_strings(), where)
        self.use_vocabulary(tokens)
        self.unk_token_id = ids.get(self.unk_token)

    def special_token_strings(self) -> dict[str, str]:
        """dict of the constructor's arguments for the special tokens."""
        names = ("cls", "sep", "pad", "mask", "unk")
        strings = {f"{n}_token": getattr(self, f"{n}_token") for n in names}
        return {name: s for name, s in strings.items() if s is not None}

    @property
    def special_token_ids(self) -> list[int]:
        """Sorted ids of all but [UNK], which stands for text."""
        return sorted(super().special_token_ids)

    @property
    def keeps_lines(self) -> bool:
        """bool, see the class."""
        return False

    @property
    def empty_word_id(self) -> int:
        """int, what stands for a word without tokens: [UNK], or else
        [MASK]."""
        if self.unk_token_id is None:
            return self.mask_token_id
        return self.unk_token_id

    def get_vocabulary(self) -> list[str]:
        """list of str, the tokens by id."""
        self.check_vocabulary()
        return self.vocabulary

    def vocabulary_size(self) -> int:
        """int, the number of ids."""
        return len(self.get_vocabulary())

    def id_to_token(self, id: int) -> str:
        """str, the token of an id."""
        return self.get_vocabulary()[id]

    def token_to_id(self, token: str) -> int:
        """int, the id of a token.

        Raises:
            ValueError: no such token.
        """
        self.check_vocabulary()
        ids: Any = self.ids_by_token
        if token not in ids:
            raise ValueError(f"Token {token!r} is not in the vocabulary.")
        return ids[token]

    def encode_with_offsets(
        self, text: str
    ) -> tuple[list[int], list[tuple[int, int]]]:
        """Ids of a text, and the characters that each token comes from.

        Args:
            text: str.

        Returns:
            (ids, offsets), lists of equal length: token i comes from
            `text[start:end]` with `start, end = offsets[i]`.
        """
        raise NotImplementedError

    def encode_batch(self, texts: Iterable[str]) -> list[list[int]]:
        """Ids of many texts, without TensorFlow.

        Args:
            texts: iterable of str.

        Returns:
            list of lists of int, no special tokens added, none cut.
        """
        return [ids.tolist() for ids in self.encode_arrays(texts)]

    def encode_arrays(self, texts: Iterable[str]) -> list[np.ndarray]:
        """`encode_batch` as int32 arrays `(num_tokens,)`, which the input
        pipeline takes."""
        self.check_vocabulary()
        return [
            np.array(self.encode_with_offsets(text)[0], np.int32)
            for text in texts
        ]

    def encode_piece(self, text: str) -> list[int]:
        """Ids of one of another tokenizer's `piece_texts`: list of int."""
        return self.encode_batch([text.strip()])[0]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids, as the tokenizer normalises it.

        Args:
            ids: sequence of int. Special tokens are skipped.

        Returns:
            str.
        """
        texts = self.piece_texts
        return "".join(texts[int(i)] for i in ids).removeprefix(" ")

    def token_text(self, token: str) -> str:
        """Text of a token that is not special; a word begins with a space."""
        return f" {token}"

    @functools.cached_property
    def piece_texts(self) -> list[str]:
        """list of str: the text that each id stands for.

        A word's first piece begins with a space, and special tokens are
        empty, so that the texts of ids, joined, can be read by people.
        """
        special = set(self.special_token_ids)
        return [
            "" if i in special else self.token_text(token)
            for i, token in enumerate(self.get_vocabulary())
        ]

    def texts_of(self, ids: Iterable[int]) -> list[str]:
        """The text of each id of a row, for people.

        Joined, they are the text: pieces of a word follow one another, and a
        word's first piece begins with a space.

        Args:
            ids: sequence of int.

        Returns:
            list of str, empty for special tokens. Where several ids make one
            character, the first has it, and the others U+200B.
        """
        return texts_in_row(self, ids)

    @property
    def is_word_start(self) -> np.ndarray:
        """Bool array `(vocabulary_size,)`, `False` inside words."""
        return np.array([t[:1].isspace() or not t for t in self.piece_texts])

    def fingerprint(self) -> str:
        """SHA-256 of all that decides the ids, in hexadecimal."""
        config = self.get_config()
        decisive = {
            **{k: v for k, v in config.items() if k not in LAYER_ARGUMENTS},
            **self.special_token_strings(),
            "class": type(self).__name__,
            "vocabulary": list(self.get_vocabulary()),
        }
        text = json.dumps(decisive, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config = {k: config[k] for k in config if k in LAYER_ARGUMENTS}
        return {**config, **self.special_token_strings()}

    def tokenize(self, inputs: Any) -> Any:
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
        return string_inputs.tokenize(self, inputs)

    def tokenize_in_graph(self, inputs: Any) -> Any:
        """`tokenize` of tensors, by `encode_arrays` in this process."""
        return string_inputs.tokenize_by_python(self.encode_arrays, inputs)

    @classmethod
    def from_texts(
        cls,
        texts: Iterable[str],
        size: int,
        progress: bool = False,
        *args: Any,
        **kwargs: Any,
    ) -> Self:
        """A new tokenizer: `size` tokens, or what the texts give, from an
        iterable of str; `progress` reports on stderr, other options are the
        kind's."""
        raise ValueError(f"{cls.__name__} is of a kind that is not trained.")

    def tokenizer_json(self) -> str:
        """str, the `tokenizer.json` of Hugging Face `tokenizers`."""
        raise ValueError(f"{type(self).__name__} has no tokenizer.json.")

    def huggingface_options(self) -> dict[str, Any]:
        """dict, what `tokenizer_config.json` says of this kind."""
        return {}

    @classmethod
    def from_tokenizer_json(
        cls, content: dict[str, Any], options: dict[str, Any], **arguments: Any
    ) -> Self | None:
        """A tokenizer from Hugging Face's files, `None` for other kinds.

        Args:
            content: dict, a `tokenizer.json`.
            options: dict, the `tokenizer_config.json` beside it; may be empty.
            **arguments: of the constructor, over what the files say.
        """

    @classmethod
    def from_keras_hub(cls, theirs: Any, **arguments: Any) -> Self | None:
        """The same tokenizer as one of KerasHub, `None` for other kinds."""

    def save(self, path: Path) -> None:
        """Writes the tokenizer to a file, whole or not at all.

        Args:
            path: str or path. Missing directories are made, a file of this
                kind that is there is replaced. `.json` has the
                whole tokenizer, any other name the vocabulary alone, one token
                a line, where the kind has such a file.

        Raises:
            ValueError: a file that the kind does not have, or a path where
                something else is.
        """
        path = os.fspath(path)
        if path.endswith(".json"):
            text = self.tokenizer_json() + "\n"
        elif self.vocabulary_file:
            text = "".join(f"{token}\n" for token in self.get_vocabulary())
        else:
            raise ValueError(
                f"{path}: {type(self).__name__} is saved as tokenizer.json."
            )
        write_text(path, text, file_kind(path))

    def save_assets(self, dir_path: Path) -> None:
        """Writes the files of `file_assets`: none."""

    def load_assets(self, dir_path: Path) -> None:
        """Reads the files of `file_assets`: none."""

    def load_preset_assets(self, preset: Any) -> None:
        if self.file_assets:
            super().load_preset_assets(preset)

    def check_vocabulary(self) -> None:
        """Raise a ValueError while there is no vocabulary."""
        if self.vocabulary is None:
            raise ValueError(f"{type(self).__name__} has no vocabulary yet.")
