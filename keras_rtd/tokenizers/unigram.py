"""Unigram with byte fallback: DeBERTaV3's kind."""

import json
import re
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any
from typing import Self

import keras
import keras_hub

from keras_rtd.tokenizers import fast_parts
from keras_rtd.tokenizers import sentencepiece_file
from keras_rtd.tokenizers import training
from keras_rtd.tokenizers.fast_tokenizer import FastTokenizer

BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
_BYTE = "<0x>"
# Lower than that of any text.
_NEVER = -1e6
_LONGEST_PIECE = 16


@keras.saving.register_keras_serializable(package="keras_rtd")
class UnigramTokenizer(FastTokenizer):
    """SentencePiece's unigram model; unseen characters become their bytes.

    Spaces are U+2581 in the pieces, and `decode` of a text's ids is the text,
    normalised. See `FastTokenizer`.
    """

    model_type = "Unigram"

    @classmethod
    def from_texts(
        cls,
        texts: Iterable[str],
        size: int,
        progress: bool = False,
        lowercase: bool = False,
        strip_accents: bool = False,
        normalization: str = "NFC",
        pre_tokenizer: str = "metaspace",
        coverage: float = training.COVERAGE,
        limit_alphabet: int | None = None,
        special_tokens: Sequence[str] = training.SPECIAL_TOKENS,
    ) -> Self:
        """A tokenizer with pieces of its own.

        Args:
            texts, size, progress: see `Tokenizer.from_texts`. The size has
                the 256 bytes in it; it is less where the texts give less.
            lowercase, strip_accents, normalization, pre_tokenizer: see
                `fast_parts.normalizer` and `fast_parts.pattern`.
            coverage: float. The most frequent characters that make up this
                share of the text are pieces, the rest become bytes. Defaults
                to 0.9995.
            limit_alphabet: int or `None`. So many characters at most.
            special_tokens: sequence of str. The first ids, those for [PAD],
                [UNK], [CLS], [SEP] and [MASK] in front.
        """
        from tokenizers import Regex
        from tokenizers import Tokenizer
        from tokenizers import decoders
        from tokenizers import models
        from tokenizers import pre_tokenizers
        from tokenizers import trainers

        special = training.check_special_tokens(special_tokens)
        room = size - len(special) - len(BYTES)
        training.check_room(size, room, "special tokens and bytes")
        space = fast_parts.METASPACE
        # No text is taken for "[CLS]" or "<0x41>".
        pattern = fast_parts.pattern(
            pre_tokenizer, space, [*special, _BYTE]
        ).replace(re.escape(_BYTE), "<0x[0-9A-F]{2}>")
        words_of = pre_tokenizers.Split(Regex(pattern), "isolated")
        fast = Tokenizer(models.Unigram())
        normalizer = fast_parts.normalizer(
            normalization, lowercase, strip_accents, metaspace=True
        )
        words = training.count_words(texts, normalizer, space, progress)
        alphabet = training.alphabet(
            words, coverage, min(room // 2, limit_alphabet or room)
        )
        fast.pre_tokenizer = words_of
        fast.train_from_iterator(
            training.repeat(training.known_parts(words, alphabet)),
            trainers.UnigramTrainer(
                vocab_size=room + 1,
                special_tokens=[special[1]],
                unk_token=special[1],
                max_piece_length=_LONGEST_PIECE,
                show_progress=progress,
            ),
        )
        made = json.loads(fast.to_str())["model"]["vocab"]
        # Equal pieces come in another order each time, and their scores
        # differ in the last digits.
        pieces = sorted(
            ([p, round(s, 5)] for p, s in made if p not in special),
            key=lambda item: (-item[1], item[0]),
        )[:room]
        fast = Tokenizer(
            models.Unigram(
                [
                    *((token, _NEVER) for token in [*special, *BYTES]),
                    *map(tuple, pieces),
                ],
                unk_id=1,
                byte_fallback=True,
            )
        )
        fast.normalizer = normalizer
        fast.pre_tokenizer = words_of
        fast.decoder = decoders.Sequence(
            [
                decoders.Replace(space, " "),
                decoders.ByteFallback(),
                decoders.Fuse(),
                decoders.Strip(" ", 1, 0),
            ]
        )
        return training.finish(cls, fast, special)

    @classmethod
    def from_keras_hub(cls, theirs: Any, **arguments: Any) -> Self | None:
        if not isinstance(theirs, keras_hub.tokenizers.DebertaV3Tokenizer):
            return None
        return cls(sentencepiece_file.parse(theirs.proto), **arguments)
