"""Reading and checking WordPiece vocabularies."""

import os

from keras_rtd.tokenizers.wordpiece import continues_word
from keras_rtd.utils.reading import read_bytes
from keras_rtd.utils.targets import Kind
from keras_rtd.utils.targets import has_keys
from keras_rtd.utils.types import Path


def read_vocabulary(path: Path) -> list[str]:
    """Reads a vocabulary, one token a line.

    Spaces around a token are dropped, as google-research/electra
    model/tokenization.py `load_vocab` does.

    Args:
        path: str or path object. A UTF-8 text file.

    Returns:
        list of str, in the order of the lines: the index is the id.

    Raises:
        ValueError: no such file, not UTF-8, or an empty line; the message has
            file and line.
    """
    path = os.fspath(path)
    if not os.path.isfile(path):
        raise ValueError(
            f"vocabulary: there is no file {path!r}. Pass the path of a text "
            "file with one token a line; `python -m "
            "keras_rtd.data.vocabulary` makes one."
        )
    data = read_bytes(path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"vocabulary: {path!r}, line {line}: byte "
            f"0x{data[error.start]:02x} at offset {error.start} is not UTF-8. "
            "Save the file as UTF-8."
        ) from None
    lines = text.split("\n")
    if not lines[-1].strip():
        lines.pop()
    return check_tokens([line.strip() for line in lines], where=repr(path))


def check_tokens(tokens, where="the list"):
    """Checks that tokens can be a vocabulary.

    Args:
        tokens: list of str.
        where: str. Names the source in messages.

    Returns:
        `tokens`.

    Raises:
        ValueError: no tokens, a token that is empty, no str, or occurs twice;
            the message has both lines, counted from 1.
    """
    if not tokens:
        raise ValueError(
            f"vocabulary: {where} has no tokens. It needs one a line, the "
            "special tokens included."
        )
    line_of: dict[str, int] = {}
    for line, token in enumerate(tokens, start=1):
        if not isinstance(token, str):
            raise ValueError(
                f"vocabulary: {where}, line {line}: tokens must be str. "
                f"Received: {token!r}"
            )
        if not token:
            raise ValueError(
                f"vocabulary: {where}, line {line} is empty. Remove the line; "
                "the ids of the tokens after it change with it."
            )
        if token in line_of:
            raise ValueError(
                f"vocabulary: {where}, line {line}: the token {token!r} is "
                f"already on line {line_of[token]}. Each token may occur "
                "once; rename the one that is not used."
            )
        line_of[token] = line
    return tokens


def check_special_tokens(tokens, special_tokens, where="the list"):
    """Checks that special tokens are in a vocabulary and differ.

    Args:
        tokens: collection of str, the vocabulary.
        special_tokens: dict from argument name to token.
        where: str. Names the source in messages.

    Raises:
        ValueError: naming the argument and the token.
    """
    missing = [
        f"{name}={token!r}"
        for name, token in special_tokens.items()
        if token not in tokens
    ]
    if missing:
        raise ValueError(
            f"vocabulary: {where} does not have the special tokens "
            f"{', '.join(missing)}. Add each as a line of its own, or pass "
            "the strings that the vocabulary uses in their place."
        )
    name_of: dict[str, str] = {}
    for name, token in special_tokens.items():
        if token in name_of:
            raise ValueError(
                f"{name} and {name_of[token]} are both {token!r}. Special "
                "tokens must differ."
            )
        name_of[token] = name


def _is_vocabulary(path):
    """One token a line, each once, an unknown token or pieces among them."""
    try:
        tokens = path.read_text("utf-8").splitlines()
    except UnicodeDecodeError:
        return False
    return (
        len(set(tokens)) == len(tokens)
        and all(token.split() == [token] for token in tokens)
        and any(t == "[UNK]" or continues_word(t) for t in tokens)
    )


def _is_tokenizer_json(path):
    return has_keys(path, "model") or has_keys(path, "registered_name")


def file_kind(path):
    """The `Kind` of file that a tokenizer is saved as under this path."""
    if str(path).endswith(".json"):
        return Kind("a tokenizer.json", _is_tokenizer_json)
    return Kind("a vocabulary", _is_vocabulary)
