"""Tokenizer kinds by name, and tokenizers from files."""

import os
from typing import Any

import keras
import keras_hub

from keras_rtd.tokenizers import sentencepiece_file
from keras_rtd.tokenizers.base import Tokenizer
from keras_rtd.tokenizers.byte_pair import BytePairTokenizer
from keras_rtd.tokenizers.characters import CharacterTokenizer
from keras_rtd.tokenizers.characters import KmerTokenizer
from keras_rtd.tokenizers.electra_tokenizer import ElectraTokenizer
from keras_rtd.tokenizers.fast_tokenizer import FastTokenizer
from keras_rtd.tokenizers.unigram import UnigramTokenizer
from keras_rtd.utils import json_file
from keras_rtd.utils.setting import nearest
from keras_rtd.utils.types import Path

# Kind -> class; `register` adds to it.
TOKENIZERS: dict[str, type[Tokenizer]] = {
    "wordpiece": ElectraTokenizer,
    "bpe": BytePairTokenizer,
    "unigram": UnigramTokenizer,
    "characters": CharacterTokenizer,
    "kmers": KmerTokenizer,
}

_JSON = "tokenizer.json"
_OPTIONS = "tokenizer_config.json"
_VOCABULARY = "vocab.txt"
_MODEL = ".model"


def register(kind: str, cls: type[Tokenizer]) -> None:
    """Adds a tokenizer kind, or exchanges one.

    Args:
        kind: str.
        cls: subclass of `keras_rtd.tokenizers.Tokenizer`.

    Raises:
        TypeError: another class.
    """
    if not (isinstance(cls, type) and issubclass(cls, Tokenizer)):
        raise TypeError(
            f"The kind {kind!r} must be a subclass of "
            f"keras_rtd.tokenizers.Tokenizer. Received: {cls!r}"
        )
    TOKENIZERS[kind] = cls


def load(
    path: Path,
    cased: bool = False,
    keep_accents: bool = False,
    **arguments: Any,
) -> Tokenizer:
    """A tokenizer from a file, a directory or a bundled preset.

    Args:
        path: str or path. A vocabulary with one WordPiece a line, which is
            BERT's uncased one unless the arguments say otherwise; a
            `tokenizer.json`; SentencePiece's `spm.model`, of the kind
            Unigram; a directory with one of these, or with a preset that
            KerasHub wrote; or the name of a preset.
        cased: bool. Upper case is kept, and accents with it. Only for a
            vocabulary: other files know. Defaults to `False`.
        keep_accents: bool. Accents are kept in lower-cased text too; as
            `cased`. Defaults to `False`.
        **arguments: of the kind's class, over what the files say.

    Returns:
        `Tokenizer`.

    Raises:
        ValueError: nothing there, or a kind that is not registered.

    Example:
        >>> keras_rtd.tokenizers.load("vocabulary.txt", cased=True)
    """
    path = os.fspath(path)
    is_json = path.endswith((".json", _MODEL))
    named = "://" in path or path in keras_hub.tokenizers.Tokenizer.presets
    if not (is_json or named or os.path.isdir(path)):
        if not (os.path.exists(path) or os.path.splitext(path)[1]):
            presets = keras_hub.tokenizers.Tokenizer.presets
            raise ValueError(
                f"{path!r} is no file, no directory and no bundled preset"
                f"{nearest(path, presets) or '.'}"
            )
        return _of_vocabulary(path, cased, keep_accents, arguments)
    if cased or keep_accents:
        raise ValueError(
            "--cased and --keep_accents (cased=, keep_accents=) go with a "
            f"vocabulary; {path} knows its own."
        )
    if os.path.isdir(path):
        return _of_directory(path, arguments)
    if is_json:
        return _of_json(path, arguments)
    return _ours(
        keras_hub.tokenizers.Tokenizer.from_preset(path), path, arguments
    )


def holds_tokenizer(directory):
    """Whether a directory has one of the files that `load` reads there."""
    names = (_JSON, _VOCABULARY, *sentencepiece_file.NAMES)
    return any(os.path.isfile(os.path.join(directory, n)) for n in names)


def _of_vocabulary(path, cased, keep_accents, arguments):
    case = {
        "lowercase": not cased,
        "strip_accents": not (cased or keep_accents),
    }
    if arguments.get("lowercase") is False:
        del case["strip_accents"]
    return ElectraTokenizer(path, **{**case, **arguments})


def _of_directory(path, arguments):
    if os.path.isfile(os.path.join(path, _JSON)):
        return _of_json(os.path.join(path, _JSON), arguments)
    for name in sentencepiece_file.NAMES:
        if os.path.isfile(os.path.join(path, name)):
            return _of_json(os.path.join(path, name), arguments)
    vocabulary = os.path.join(path, _VOCABULARY)
    if not os.path.isfile(vocabulary):
        raise ValueError(
            f"There is no tokenizer in {path}: neither {_JSON}, "
            f"{sentencepiece_file.NAMES[0]} nor {_VOCABULARY}."
        )
    options = read_json(os.path.join(path, _OPTIONS))
    return ElectraTokenizer.from_tokenizer_json(
        {}, options, vocabulary=vocabulary, **arguments
    )


def _of_json(path, arguments):
    if path.endswith(_MODEL):
        content = sentencepiece_file.read(path)
    else:
        content = read_json(path, needed=True)
    directory = os.path.dirname(path)
    if "registered_name" in content:
        config = {**content["config"], **arguments}
        theirs = keras.saving.deserialize_keras_object(
            {**content, "config": config}
        )
        theirs.load_assets(os.path.join(directory, "assets", "tokenizer"))
        return _ours(theirs, path, {})
    options = read_json(os.path.join(directory, _OPTIONS))
    kinds: list[type[Tokenizer]] = [*TOKENIZERS.values(), FastTokenizer]
    try:
        for cls in kinds:
            found = cls.from_tokenizer_json(content, options, **arguments)
            if found is not None:
                return found
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        # A TypeError may be of an argument that the kind does not take.
        if path in str(error) or (isinstance(error, TypeError) and arguments):
            raise
        raise ValueError(f"{path}: {error}") from error
    raise ValueError(f'{path} holds no tokenizer: it has no "model".')


def _ours(tokenizer, path, arguments):
    """A tokenizer of KerasHub as one of ours."""
    if isinstance(tokenizer, Tokenizer):
        return tokenizer
    for cls in TOKENIZERS.values():
        found = cls.from_keras_hub(tokenizer, **arguments)
        if found is not None:
            return found
    raise _unknown(path, type(tokenizer).__name__)


def _unknown(path, kind):
    return ValueError(
        f"{path} holds a tokenizer of the kind {kind}. Kinds that are read: "
        f"{', '.join(TOKENIZERS)}."
    )


def read_json(path, needed=False):
    """A file's JSON object; an empty one without the file, unless `needed`.

    Raises:
        ValueError: another content, or no file that is needed.
    """
    try:
        return json_file.read_object(path)
    except FileNotFoundError:
        if needed:
            raise ValueError(f"There is no file {path!r}.") from None
        return {}
