"""Any tokenizer that Hugging Face `tokenizers` runs, from its JSON file."""

import functools
import hashlib
import json
import os
from collections.abc import Iterable
from typing import Any
from typing import Self

import keras
import numpy as np

from keras_rtd.tokenizers import fast_parts
from keras_rtd.tokenizers.base import Tokenizer
from keras_rtd.tokenizers.fast_special_tokens import complete
from keras_rtd.tokenizers.fast_special_tokens import special_tokens_of
from keras_rtd.utils import json_file
from keras_rtd.utils.types import Path
from keras_rtd.utils.writing import write_text

_FILE = "tokenizer.json"


@keras.saving.register_keras_serializable(package="keras_rtd")
class FastTokenizer(Tokenizer):
    """A tokenizer that a Hugging Face `tokenizer.json` describes.

    The file decides everything: normaliser, pre-tokeniser, vocabulary and
    special tokens. Texts are neither cut nor padded, whatever the file says,
    and nothing in a text is special: "[MASK]" is ordinary text.

    Args:
        content: dict, str (JSON), or `None` until the assets are loaded. A
            special token that it has not is added at the end.
        **kwargs: of `Tokenizer`.

    Raises:
        ValueError: `tokenizers` cannot read the content.
    """

    # The kind of model that a file of this class has; `None` for any.
    model_type: str | None = None

    def __init__(
        self,
        content: dict[str, Any] | str | None = None,
        **kwargs: Any,
    ) -> None:
        found = json.loads(content) if isinstance(content, str) else content
        if found is not None:
            kwargs = {**special_tokens_of(found), **kwargs}
        super().__init__(**{"unk_token": None, **kwargs})
        self.file_assets = [_FILE]
        self.fast: Any = None
        self.content: Any = None
        if found is not None:
            self.set_content(found)

    def set_content(self, content: dict[str, Any]) -> None:
        """Takes the content of a `tokenizer.json`, a dict."""
        from tokenizers import Tokenizer as Fast

        content = {**content, "truncation": None, "padding": None}
        try:
            fast = Fast.from_str(json.dumps(content))
        except Exception as error:
            raise ValueError(
                f"Hugging Face tokenizers cannot read this tokenizer.json: "
                f"{error}"
            ) from None
        strings = self.special_token_strings()
        if complete(fast, strings):
            content = json.loads(fast.to_str())
        fast.encode_special_tokens = True
        self.content, self.fast = content, fast
        found = fast.get_vocab(with_added_tokens=True)
        tokens = [f"<no token {i}>" for i in range(max(found.values()) + 1)]
        for token, i in found.items():
            tokens[i] = token or "<empty>"
        self.set_vocabulary(tokens)

    def encode_arrays(self, texts: Iterable[str]) -> list[np.ndarray]:
        self.check_vocabulary()
        found = self._encode(list(texts), self.fast.encode_batch_fast)
        return [np.array(encoding.ids, np.int32) for encoding in found]

    def encode_with_offsets(
        self, text: str
    ) -> tuple[list[int], list[tuple[int, int]]]:
        self.check_vocabulary()
        (found,) = self._encode([text], self.fast.encode_batch)
        return found.ids, found.offsets

    def _encode(self, texts, encode_batch):
        try:
            return encode_batch(texts, add_special_tokens=False)
        except (TypeError, UnicodeEncodeError):
            # Half of a surrogate pair is in a str, and in no UTF-8.
            clean = [
                text.encode("utf-16", "surrogatepass").decode(
                    "utf-16", "replace"
                )
                for text in texts
            ]
            return encode_batch(clean, add_special_tokens=False)

    def decode(self, ids: Iterable[int]) -> str:
        self.check_vocabulary()
        hidden = self._hidden_ids
        kept = [int(i) for i in ids if int(i) not in hidden]
        return self.fast.decode(kept, skip_special_tokens=False)

    def encode_piece(self, text: str) -> list[int]:
        (ids,) = self.encode_batch([text])
        if "".join(self.piece_texts[i] for i in ids) == f" {text}":
            # Unigram puts a space before every text.
            (ids,) = self.encode_batch([text.removeprefix(" ")])
        return ids

    @functools.cached_property
    def _hidden_ids(self):
        added = self.fast.get_added_tokens_decoder()
        special = {i for i, token in added.items() if token.special}
        return (special | set(self.special_token_ids)) - {self.unk_token_id}

    @functools.cached_property
    def piece_texts(self) -> list[str]:
        """list of str: the text that each id stands for inside a text.

        Bytes that are no whole character are U+FFFD.
        """
        self.check_vocabulary()
        numbers = range(self.vocabulary_size())
        hidden = self._hidden_ids
        alone = self.fast.decode_batch(
            [[i] for i in numbers], skip_special_tokens=False
        )
        anchor = next(
            (
                i
                for i in numbers
                if i not in hidden
                and i != self.unk_token_id
                and alone[i].strip().isalpha()
            ),
            None,
        )
        if anchor is None:
            texts = alone
        else:
            both = self.fast.decode_batch(
                [[anchor, i] for i in numbers], skip_special_tokens=False
            )
            texts = [text[len(alone[anchor]) :] for text in both]
        return ["" if i in hidden else texts[i] for i in numbers]

    @property
    def is_word_start(self) -> np.ndarray:
        return np.array([fast_parts.starts_word(t) for t in self.piece_texts])

    @property
    def keeps_lines(self) -> bool:
        return fast_parts.is_for_code(self.content)

    def fingerprint(self) -> str:
        self.check_vocabulary()
        decisive = {
            "tokenizer": self.content,
            "unicode": fast_parts.unicode_probe(),
            **self.special_token_strings(),
        }
        text = json.dumps(decisive, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def tokenizer_json(self) -> str:
        self.check_vocabulary()
        return json.dumps(self.content, ensure_ascii=False, indent=2)

    def huggingface_options(self) -> dict[str, Any]:
        return {"clean_up_tokenization_spaces": False}

    @classmethod
    def from_tokenizer_json(
        cls, content: dict[str, Any], options: dict[str, Any], **arguments: Any
    ) -> Self | None:
        model = content.get("model") or {}
        if not model or cls.model_type not in (None, model.get("type")):
            return None
        special = special_tokens_of(content, options)
        return cls(content, **{**special, **arguments})

    def save_assets(self, dir_path: Path) -> None:
        write_text(os.path.join(dir_path, _FILE), self.tokenizer_json())

    def load_assets(self, dir_path: Path) -> None:
        path = os.path.join(dir_path, _FILE)
        self.set_content(json_file.read_object(path))
