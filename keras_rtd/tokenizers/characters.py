"""Characters, and k-mers of sequences such as DNA and proteins."""

import collections
import re
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any
from typing import Self

import keras

from keras_rtd.tokenizers import fast_parts
from keras_rtd.tokenizers import training
from keras_rtd.tokenizers.fast_tokenizer import FastTokenizer
from keras_rtd.tokenizers.normalizer import BOUNDARY

_ANY = r"[\s\S]"


@keras.saving.register_keras_serializable(package="keras_rtd")
class CharacterTokenizer(FastTokenizer):
    """Every character is a token, spaces and newlines too.

    A character that the vocabulary lacks is one [UNK]. See `FastTokenizer`.
    """

    model_type = "WordLevel"

    @classmethod
    def from_texts(
        cls,
        texts: Iterable[str],
        size: int,
        progress: bool = False,
        lowercase: bool = False,
        strip_accents: bool = False,
        normalization: str = "NFC",
        coverage: float = 1.0,
        special_tokens: Sequence[str] = training.SPECIAL_TOKENS,
    ) -> Self:
        """A tokenizer with the characters of texts.

        Args:
            texts, size, progress: see `Tokenizer.from_texts`; the most
                frequent characters, fewer than `size` where there are fewer.
            lowercase, strip_accents, normalization: see
                `fast_parts.normalizer`.
            coverage: float. The most frequent characters that make up this
                share of the text are tokens. Defaults to 1.0.
            special_tokens: sequence of str. The first ids, those for [PAD],
                [UNK], [CLS], [SEP] and [MASK] in front.
        """
        return _sequences(
            cls,
            texts,
            size,
            1,
            fast_parts.normalizer(normalization, lowercase, strip_accents),
            coverage,
            special_tokens,
            progress,
        )


@keras.saving.register_keras_serializable(package="keras_rtd")
class KmerTokenizer(FastTokenizer):
    """Every k letters in a row are a token, one after the other.

    What is left over, at an end of a run of letters or around a letter that
    the vocabulary lacks, is taken apart into the longest tokens there are;
    an unknown character is one [UNK]. See `FastTokenizer`.
    """

    model_type = "WordPiece"

    @classmethod
    def from_texts(
        cls,
        texts: Iterable[str],
        size: int,
        progress: bool = False,
        k: int = 6,
        lowercase: bool = False,
        strip_accents: bool = False,
        normalization: str = "NFC",
        coverage: float | None = None,
        special_tokens: Sequence[str] = training.SPECIAL_TOKENS,
    ) -> Self:
        """A tokenizer with the k-mers of texts.

        Args:
            texts, size, progress: see `Tokenizer.from_texts`; the most
                frequent k-mers, fewer than `size` where there are fewer.
            k: int. Letters of a token. Defaults to 6.
            lowercase, strip_accents, normalization: see
                `fast_parts.normalizer`.
            coverage: float. The most frequent characters that make up this
                share of the text are in the alphabet. `None`, the default,
                for 0.9995, and more as far as they fill half of the size.
            special_tokens: sequence of str. The first ids, those for [PAD],
                [UNK], [CLS], [SEP] and [MASK] in front.
        """
        if k < 1:
            raise ValueError(f"k must be at least 1. Received: {k}")
        return _sequences(
            cls,
            texts,
            size,
            k,
            fast_parts.normalizer(normalization, lowercase, strip_accents),
            coverage,
            special_tokens,
            progress,
        )

    @classmethod
    def from_tokenizer_json(
        cls, content: dict[str, Any], options: dict[str, Any], **arguments: Any
    ) -> Self | None:
        # Other WordPiece files mark the pieces inside words.
        if (content.get("model") or {}).get("continuing_subword_prefix") != "":
            return None
        return super().from_tokenizer_json(content, options, **arguments)


def _sequences(
    cls, texts, size, k, normalizer, coverage, special_tokens, progress
):
    """A tokenizer of single characters, with k-mers where `k` is above 1."""
    from tokenizers import Regex
    from tokenizers import Tokenizer
    from tokenizers import decoders
    from tokenizers import models
    from tokenizers import pre_tokenizers

    special = training.check_special_tokens(special_tokens)
    training.check_room(size, size - len(special), "special tokens")
    report = training.Progress(progress)
    characters: collections.Counter[str] = collections.Counter()
    kmers: collections.Counter[str] = collections.Counter()
    run = re.compile(rf"[^\W\d_]{{{k}}}")
    for text in report.texts(texts):
        if normalizer is not None:
            text = normalizer.normalize_str(text)
        text = text.replace(BOUNDARY, " ")
        characters.update(text)
        if k > 1:
            kmers.update(run.findall(text))
    report.end()
    training.check_words(characters)
    # Text may have them where this has none, and boundaries become spaces.
    characters.update(" \n")
    room = size - len(special)
    chosen = training.alphabet(characters, coverage, room, room // 2)
    known = set(chosen)
    tokens = [*special, *chosen]
    by_count = sorted(kmers, key=lambda kmer: (-kmers[kmer], kmer))
    tokens += [kmer for kmer in by_count if known.issuperset(kmer)]
    ids = {token: i for i, token in enumerate(tokens[:size])}
    unknown = training.special_arguments(special)["unk_token"]
    model: Any
    if k == 1:
        model = models.WordLevel(ids, unk_token=unknown)
        words = _ANY
    else:
        model = models.WordPiece(
            ids,
            unk_token=unknown,
            continuing_subword_prefix="",
            max_input_chars_per_word=k,
        )
        letters = "".join(c for c in chosen if re.match(r"[^\W\d_]", c))
        words = f"[{re.escape(letters)}]{{1,{k}}}|{_ANY}"
    fast = Tokenizer(model)
    fast.normalizer = fast_parts.with_boundary(normalizer)
    fast.pre_tokenizer = pre_tokenizers.Split(Regex(words), "isolated")
    fast.decoder = decoders.Fuse()
    return training.finish(cls, fast, special)
