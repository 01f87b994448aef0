"""Byte-level byte pair encoding: the kind of GPT-2 and ModernBERT."""

from collections.abc import Iterable
from collections.abc import Sequence
from typing import Self

import keras

from keras_rtd.tokenizers import fast_parts
from keras_rtd.tokenizers import training
from keras_rtd.tokenizers.fast_tokenizer import FastTokenizer


@keras.saving.register_keras_serializable(package="keras_rtd")
class BytePairTokenizer(FastTokenizer):
    """Merges of bytes: every text has ids, and `decode` gives it back.

    See `FastTokenizer`.
    """

    model_type = "BPE"

    @classmethod
    def from_texts(
        cls,
        texts: Iterable[str],
        size: int,
        progress: bool = False,
        lowercase: bool = False,
        strip_accents: bool = False,
        normalization: str = "NFC",
        pre_tokenizer: str = "letters",
        min_frequency: int = 2,
        special_tokens: Sequence[str] = training.SPECIAL_TOKENS,
    ) -> Self:
        """A tokenizer with merges of its own.

        Args:
            texts, size, progress: see `Tokenizer.from_texts`. The size has
                the 256 bytes in it; it is less where the texts give less.
            lowercase, strip_accents, normalization, pre_tokenizer: see
                `fast_parts.normalizer` and `fast_parts.pattern`.
            min_frequency: int. Two pieces are joined if they stand together
                at least that often. Defaults to 2.
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
        letters = sorted(pre_tokenizers.ByteLevel.alphabet())
        room = size - len(special) - len(letters)
        training.check_room(size, room, "special tokens and bytes")
        words = fast_parts.pattern(pre_tokenizer, apart=special)
        training.check_frequency(min_frequency)
        fast = Tokenizer(models.BPE())
        fast.normalizer = fast_parts.normalizer(
            normalization, lowercase, strip_accents
        )
        fast.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(words), "isolated"),
                pre_tokenizers.ByteLevel(
                    add_prefix_space=False, use_regex=False
                ),
            ]
        )
        fast.decoder = decoders.ByteLevel()
        report = training.Progress(progress)
        fast.train_from_iterator(
            report.texts(texts),
            trainers.BpeTrainer(
                vocab_size=size,
                min_frequency=min_frequency,
                special_tokens=special,
                initial_alphabet=letters,
                limit_alphabet=len(letters),
                show_progress=progress,
            ),
        )
        report.end()
        return training.finish(cls, fast, special)
