"""Words in, encoder inputs and the place of each word out."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_rtd.models.preprocessor import ElectraPreprocessor
from keras_rtd.tokenizers.base import Tokenizer


@dataclasses.dataclass(frozen=True)
class WordRow:
    """A row of the batch: consecutive words of one sentence.

    Attributes:
        sentence: int. Index of the sentence.
        first_word: int. Index in the sentence of the row's first word.
        token_ids: list of int, without [CLS] and [SEP].
        word_starts: list of int. Position in the packed row of each word's
            first token.
    """

    sentence: int
    first_word: int
    token_ids: list[int]
    word_starts: list[int]


@keras.saving.register_keras_serializable(package="keras_rtd")
class ElectraTokenClassifierPreprocessor(ElectraPreprocessor):
    """Tokenises sentences that are split into words.

    A sentence that is longer than a row goes on in the next row, so that
    nothing is lost; a word that fills a row by itself is cut.

    Args:
        tokenizer: `keras_rtd.tokenizers.Tokenizer`.
        sequence_length: int. Length of the packed rows. Defaults to 128.

    Call arguments:
        x: list of lists of string, the words of each sentence.
        y: list of lists of int, the class of each word, or `None`.

    Returns:
        dict of `token_ids`, `segment_ids` int32 and `padding_mask` bool, each
        (rows, sequence_length); with `y` a tuple of it, labels int32 and
        weights float32 of the same shape: a word's class stands at its first
        token, where the weight is 1.
    """

    def __init__(
        self, tokenizer: Tokenizer, sequence_length: int = 128, **kwargs: Any
    ) -> None:
        super().__init__(tokenizer, sequence_length=sequence_length, **kwargs)

    def call(self, x: Any, y: Any = None, sample_weight: Any = None) -> Any:
        check_words(x)
        if sample_weight is not None:
            raise ValueError(
                "`sample_weight` is not taken: the weights say where words "
                "begin."
            )
        rows = self.rows(x)
        features = self.pack(rows)
        if y is None:
            return features
        labels = np.zeros(features["token_ids"].shape, np.int32)
        weights = np.zeros(labels.shape, np.float32)
        for number, row in enumerate(rows):
            starts, first = row.word_starts, row.first_word
            classes = y[row.sentence][first : first + len(starts)]
            if len(y[row.sentence]) != len(x[row.sentence]):
                raise ValueError(
                    f"Sentence {row.sentence} has {len(x[row.sentence])} "
                    f"words and {len(y[row.sentence])} classes."
                )
            labels[number, starts] = classes
            weights[number, starts] = 1.0
        return features, labels, weights

    def rows(self, sentences: Sequence[Sequence[str]]) -> list[WordRow]:
        """The `WordRow`s of sentences, in order; empty ones have none."""
        room = self.sequence_length - 2
        unknown = [self.tokenizer.empty_word_id]
        found = []
        for number, words in enumerate(sentences):
            row = None
            pieces = self.tokenizer.encode_batch(words)
            for index, piece in enumerate(pieces):
                # A word of nothing but what the normaliser drops.
                ids = piece[:room] or unknown
                if row is None or len(row.token_ids) + len(ids) > room:
                    row = WordRow(number, index, [], [])
                    found.append(row)
                row.word_starts.append(1 + len(row.token_ids))
                row.token_ids.extend(ids)
        return found

    def pack(self, rows: Sequence[WordRow]) -> dict[str, np.ndarray]:
        """The features of `WordRow`s: [CLS] tokens [SEP], padded."""
        shape = len(rows), self.sequence_length
        ids = np.full(shape, self.tokenizer.pad_token_id, np.int32)
        mask = np.zeros(shape, bool)
        for number, row in enumerate(rows):
            tokens = row.token_ids
            ids[number, : len(tokens) + 2] = [
                self.tokenizer.cls_token_id,
                *tokens,
                self.tokenizer.sep_token_id,
            ]
            mask[number, : len(tokens) + 2] = True
        return {
            "token_ids": ids,
            "segment_ids": np.zeros(shape, np.int32),
            "padding_mask": mask,
        }


def check_words(x):
    """Raise unless `x` is a list of lists of words."""
    if isinstance(x, list | tuple) and all(
        isinstance(words, list | tuple)
        and all(isinstance(word, str) for word in words)
        for words in x
    ):
        return
    raise ValueError(
        "Sentences are lists of words, as in [['Ada', 'slept']]. Received: "
        f"{str(x)[:80]}"
    )
