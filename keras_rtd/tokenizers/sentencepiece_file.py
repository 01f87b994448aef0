"""SentencePiece's `spm.model`, as DeBERTaV3 is released with, to Unigram."""

import json
import re
import struct

from keras_rtd.tokenizers import fast_parts

NAMES = ("spm.model", "sentencepiece.bpe.model", "spiece.model")

# sentencepiece_model.proto: fields of the messages, kinds of pieces.
_PIECES, _TRAINER, _NORMALIZER = 1, 2, 3
_MODEL_TYPE, _UNK_ID, _BYTE_FALLBACK = 3, 40, 35
_CHARSMAP, _DUMMY_PREFIX, _REMOVE_EXTRA_SPACES = 2, 3, 4
_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED, _UNUSED, _BYTE = range(1, 7)


def read(path):
    """The `tokenizer.json` that gives the pieces of a SentencePiece model.

    Args:
        path: str.

    Returns:
        dict.

    Raises:
        ValueError: no such file, no SentencePiece model, or not of the kind
            Unigram.
    """
    try:
        with open(path, "rb") as file:
            model = _message(file.read())
        pieces = [_piece(data) for data in model[_PIECES]]
        trainer = _message(model[_TRAINER][0])
        rules = _message(model.get(_NORMALIZER, [b""])[0])
    except FileNotFoundError:
        raise ValueError(f"There is no file {path!r}.") from None
    except (KeyError, IndexError, struct.error, UnicodeDecodeError):
        raise ValueError(f"{path} is not a SentencePiece model.") from None
    if trainer.get(_MODEL_TYPE, [1])[0] != 1:
        raise ValueError(
            f"{path}: of SentencePiece's models only Unigram is read. Pass "
            "the tokenizer.json of the model."
        )
    return _content(pieces, trainer, rules)


def _content(pieces, trainer, rules):
    from tokenizers import AddedToken
    from tokenizers import Regex
    from tokenizers import Tokenizer
    from tokenizers import decoders
    from tokenizers import models
    from tokenizers import normalizers
    from tokenizers import pre_tokenizers

    space = fast_parts.METASPACE
    # The penalty of unknown characters counts from the lowest score of text.
    lowest = min(score for _, score, kind in pieces if kind == _NORMAL)
    apart = [p for p, _, kind in pieces if kind in (_UNKNOWN, _CONTROL, _BYTE)]
    fast = Tokenizer(
        models.Unigram(
            [
                (piece, lowest if piece in apart else score)
                for piece, score, _ in pieces
            ],
            unk_id=trainer.get(_UNK_ID, [0])[0],
            byte_fallback=bool(trainer.get(_BYTE_FALLBACK, [0])[0]),
        )
    )
    steps = []
    if rules.get(_CHARSMAP, [b""])[0]:
        steps.append(normalizers.Precompiled(rules[_CHARSMAP][0]))
    if rules.get(_REMOVE_EXTRA_SPACES, [1])[0]:
        steps += [
            normalizers.Strip(),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    ending = []
    if rules.get(_DUMMY_PREFIX, [1])[0]:
        steps.append(normalizers.Prepend(space))
        ending = [decoders.Strip(" ", 1, 0)]
    steps.append(normalizers.Replace(" ", space))
    fast.normalizer = normalizers.Sequence(steps)
    such = "|".join(map(re.escape, apart))
    fast.pre_tokenizer = pre_tokenizers.Split(
        Regex(
            f"(?={such})[^{space}]|{space}?(?:(?!{such})[^{space}])+|{space}"
        ),
        "isolated",
    )
    fast.decoder = decoders.Sequence(
        [
            decoders.Replace(space, " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            *ending,
        ]
    )
    fast.add_special_tokens(
        [p for p, _, kind in pieces if kind in (_UNKNOWN, _CONTROL)]
    )
    fast.add_tokens(
        [
            AddedToken(piece, normalized=False)
            for piece, _, kind in pieces
            if kind == _USER_DEFINED
        ]
    )
    ids = fast.get_vocab()
    around = [t for t in ("[CLS]", "[SEP]", "<s>", "</s>") if t in ids][:2]
    if len(around) == 2:
        fast.post_processor = fast_parts.post_processor(*around, ids)
    return json.loads(fast.to_str())


def _piece(data):
    """(text, score, kind) of a piece."""
    fields = _message(data)
    (score,) = struct.unpack("<f", fields.get(2, [bytes(4)])[0])
    return fields[1][0].decode(), score, fields.get(3, [_NORMAL])[0]


def _message(data):
    """Fields of a protocol buffer: dict from number to list of int or bytes."""
    fields: dict[int, list] = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(data, at)
        else:
            size = {1: 8, 5: 4}.get(wire)
            if wire == 2:
                size, at = _varint(data, at)
            if size is None or at + size > len(data):
                raise KeyError(wire)
            value, at = data[at : at + size], at + size
        fields.setdefault(number, []).append(value)
    return fields


def _varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
