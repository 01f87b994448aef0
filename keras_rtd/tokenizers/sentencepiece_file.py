"""SentencePiece's `spm.model` of a unigram model, as a `tokenizer.json`.

The file is a protocol buffer (google/sentencepiece,
src/sentencepiece_model.proto), of which a few fields are read and written
here, so that neither `sentencepiece` nor `protobuf` is needed.
"""

import base64
import re
import struct
from typing import Any

from keras_rtd.tokenizers import fast_parts
from keras_rtd.utils.reading import read_bytes

NAMES = ("spm.model", "sentencepiece.bpe.model", "spiece.model")

# Fields of the messages.
PIECES, TRAINER, NORMALIZER = 1, 2, 3
MODEL_TYPE, BYTE_FALLBACK = 3, 35
CHARSMAP, DUMMY_PREFIX, EXTRA_SPACES = 2, 3, 4
UNIGRAM = 1
# Types of pieces.
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
# Lower than that of any text: SentencePiece takes no text for such a piece.
_NEVER = -1e6
_SPACE = fast_parts.METASPACE


def read(path):
    """`parse` of a file."""
    try:
        return parse(read_bytes(path), path)
    except FileNotFoundError:
        raise ValueError(f"There is no file {path!r}.") from None


def parse(data, where="The model"):
    """The content of a `tokenizer.json` that gives the same ids.

    Args:
        data: bytes of the file.
        where: names the source in messages.

    Returns:
        dict.

    Raises:
        ValueError: another file, or one of another kind of model.
    """
    try:
        model = _fields(data)
        pieces = [_piece(_fields(piece)) for piece in model[PIECES]]
        trainer = _fields(model[TRAINER][0])
        normalizer = _fields(model.get(NORMALIZER, [b""])[0])
    except (
        AttributeError,
        LookupError,
        TypeError,
        UnicodeDecodeError,
        struct.error,
    ) as error:
        raise ValueError(f"{where} is no SentencePiece model.") from error
    if trainer.get(MODEL_TYPE, [UNIGRAM])[0] != UNIGRAM:
        raise ValueError(f"{where} is not of the kind unigram.")
    if any(kind == USER_DEFINED for *_, kind in pieces):
        raise ValueError(f"{where} has user-defined pieces.")
    unknown = [n for n, (*_, kind) in enumerate(pieces) if kind == UNKNOWN]
    special = [n for n, (*_, kind) in enumerate(pieces) if kind == CONTROL]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            _added(n, pieces[n][0]) for n in sorted(special + unknown)
        ],
        "normalizer": _normalizer(
            normalizer.get(CHARSMAP, [b""])[0],
            bool(normalizer.get(DUMMY_PREFIX, [1])[0]),
            bool(normalizer.get(EXTRA_SPACES, [1])[0]),
        ),
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"Regex": _pattern(pieces)},
            "behavior": "Isolated",
            "invert": False,
        },
        "post_processor": _post_processor(pieces),
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {
                    "type": "Replace",
                    "pattern": {"String": _SPACE},
                    "content": " ",
                },
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            ],
        },
        "model": {
            "type": "Unigram",
            "unk_id": unknown[0] if unknown else None,
            "vocab": [
                [text, score if kind == NORMAL else _NEVER]
                for text, score, kind in pieces
            ],
            "byte_fallback": bool(trainer.get(BYTE_FALLBACK, [0])[0]),
        },
    }


def _pattern(pieces):
    """What is encoded together: words with one space in front."""
    known = {c for text, _, kind in pieces if kind == NORMAL for c in text}
    # Text like a piece that is for no text, where characters of it are
    # unknown: a path through that piece would be better than one through
    # what stands for unknown characters.
    apart = [
        re.escape(text)
        for text, _, kind in pieces
        if kind not in (NORMAL, BYTE) and not set(text) <= known
    ]
    if any(kind == BYTE for *_, kind in pieces) and not set("<0x>") <= known:
        apart.append("<0x[0-9A-F]{2}>")
    such = "|".join(apart) or "(?!)"
    return (
        rf"{_SPACE}+(?={_SPACE})|{_SPACE}?(?={such})[^{_SPACE}]|"
        rf"{_SPACE}?(?:(?!{such})[^{_SPACE}])+|{_SPACE}+"
    )


def _normalizer(charsmap, prefix, strip):
    steps: list[dict[str, Any]] = []
    if charsmap:
        text = base64.b64encode(charsmap).decode()
        steps.append({"type": "Precompiled", "precompiled_charsmap": text})
    if strip:
        steps += [
            {"type": "Strip", "strip_left": True, "strip_right": True},
            {
                "type": "Replace",
                "pattern": {"Regex": " {2,}"},
                "content": " ",
            },
        ]
    if prefix:
        steps.append({"type": "Prepend", "prepend": _SPACE})
    steps.append(
        {"type": "Replace", "pattern": {"String": " "}, "content": _SPACE}
    )
    return {"type": "Sequence", "normalizers": steps}


def _post_processor(pieces):
    numbers = {text: n for n, (text, *_) in enumerate(pieces)}
    if not {"[CLS]", "[SEP]"} <= set(numbers):
        return None
    cls, sep = (
        {"SpecialToken": {"id": token, "type_id": 0}}
        for token in ("[CLS]", "[SEP]")
    )
    first, second = (
        {"Sequence": {"id": name, "type_id": number}}
        for number, name in enumerate("AB")
    )
    end = {"SpecialToken": {"id": "[SEP]", "type_id": 1}}
    return {
        "type": "TemplateProcessing",
        "single": [cls, first, sep],
        "pair": [cls, first, sep, second, end],
        "special_tokens": {
            token: {"id": token, "ids": [numbers[token]], "tokens": [token]}
            for token in ("[CLS]", "[SEP]")
        },
    }


def _added(number, text):
    return {
        "id": number,
        "content": text,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    }


def _piece(fields):
    score = fields.get(2, [struct.pack("<f", 0.0)])[0]
    (score,) = struct.unpack("<f", score)
    return fields[1][0].decode(), score, fields.get(3, [NORMAL])[0]


# === Protocol buffers ===


def _fields(data):
    """dict of a message's field numbers to lists of int or bytes."""
    found: dict[int, list] = {}
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        kind = tag & 7
        if kind == 0:
            value, place = _varint(data, place)
        else:
            if kind == 2:
                size, place = _varint(data, place)
            else:
                size = {1: 8, 5: 4}[kind]
            value = data[place : place + size]
            if len(value) < size:
                raise IndexError
            place += size
        found.setdefault(tag >> 3, []).append(value)
    return found


def _varint(data, place):
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, place
        if shift > 63:
            raise IndexError


# === Writing ===

_BYTE = re.compile("<0x[0-9A-F]{2}>")


def dump(content):
    """The inverse of `parse`.

    Args:
        content: dict, a `tokenizer.json`.

    Returns:
        bytes of the file.

    Raises:
        ValueError: a tokenizer that is not what `parse` makes of some file,
            so that SentencePiece would give other ids. The message is the
            reason.
    """
    model = content["model"]
    if model["type"] != "Unigram":
        raise ValueError(f"its kind is {model['type']}, not Unigram.")
    special = {t["content"] for t in content["added_tokens"] if t["special"]}
    pieces = []
    for number, (text, score) in enumerate(model["vocab"]):
        kind = NORMAL
        if number == model["unk_id"]:
            kind = UNKNOWN
        elif score == _NEVER:
            kind = CONTROL if text in special else UNUSED
            if model["byte_fallback"] and _BYTE.fullmatch(text):
                kind = BYTE
        pieces.append((text, score if kind == NORMAL else 0.0, kind))
    steps = (content["normalizer"] or {}).get("normalizers", [])
    kinds = [step["type"] for step in steps]
    charsmap = b""
    if "Precompiled" in kinds:
        step = steps[kinds.index("Precompiled")]
        charsmap = base64.b64decode(step["precompiled_charsmap"])
    prefix, strip = "Prepend" in kinds, "Strip" in kinds
    if content["normalizer"] != _normalizer(charsmap, prefix, strip):
        raise ValueError(
            "it normalises text in a way that SentencePiece has not: "
            f"{', '.join(kinds) or 'none'}."
        )
    found = (content["pre_tokenizer"] or {}).get("pattern", {}).get("Regex")
    if found != _pattern(pieces):
        raise ValueError("it cuts text into words in a way of its own.")
    names = {text: number for number, (text, *_) in enumerate(pieces)}
    trainer = [(MODEL_TYPE, UNIGRAM), (BYTE_FALLBACK, model["byte_fallback"])]
    for field, token in zip(
        (40, 41, 42, 43),
        (model["vocab"][model["unk_id"]][0], "[CLS]", "[SEP]", "[PAD]"),
    ):
        # An int of -1 where there is none; then the piece's name.
        trainer.append((field, names.get(token, -1)))
        trainer.append((field + 5, token.encode()))
    return _message(
        [
            *((PIECES, _message(_fields_of(piece))) for piece in pieces),
            (TRAINER, _message(trainer)),
            (
                NORMALIZER,
                _message(
                    [
                        (1, b"keras_rtd"),
                        (CHARSMAP, charsmap),
                        (DUMMY_PREFIX, prefix),
                        (EXTRA_SPACES, strip),
                    ]
                ),
            ),
        ]
    )


def _fields_of(piece):
    text, score, kind = piece
    return [(1, text.encode()), (2, float(score)), (3, kind)]


def _message(fields):
    parts = []
    for field, value in fields:
        if isinstance(value, bytes):
            parts += [_number(field << 3 | 2), _number(len(value)), value]
        elif isinstance(value, float):
            parts += [_number(field << 3 | 5), struct.pack("<f", value)]
        else:
            parts += [_number(field << 3), _number(int(value) % (1 << 64))]
    return b"".join(parts)


def _number(value):
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])
