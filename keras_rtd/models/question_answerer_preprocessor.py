"""Questions and contexts in, windows of encoder inputs out."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_rtd.models.preprocessor import ElectraPreprocessor
from keras_rtd.tokenizers.base import Tokenizer


@dataclasses.dataclass(frozen=True)
class Window:
    """One row: a question with a part of its context.

    Attributes:
        example: int. Index of the question.
        token_ids: list of int, the whole packed row without padding.
        passage_start: int. Position of the part's first token in the row.
        starts, ends: int arrays (tokens,). Characters of the context that
            each token of the part comes from.
        best_context: bool array (tokens,). Whether no other window shows the
            token with more around it.
    """

    example: int
    token_ids: list[int]
    passage_start: int
    starts: Any
    ends: Any
    best_context: Any

    def position_of(self, start, end):
        """Row positions (first, last) of the tokens that cover the characters
        from `start` to `end`, or `None` where they are not all here."""
        inside = np.flatnonzero((self.ends > start) & (self.starts < end))
        if not len(inside) or self.starts[0] > start or self.ends[-1] < end:
            return None
        return self.passage_start + inside[0], self.passage_start + inside[-1]


@keras.saving.register_keras_serializable(package="keras_rtd")
class ElectraQuestionAnswererPreprocessor(ElectraPreprocessor):
    """Packs [CLS] question [SEP] part of the context [SEP].

    A context that is longer than a row is shown in windows that overlap.

    Args:
        tokenizer: `keras_rtd.tokenizers.Tokenizer`.
        sequence_length: int. Length of the packed rows. Defaults to 512.
        question_length: int. Longer questions are cut to as many tokens.
            Defaults to 64.
        stride: int. Tokens from one window's start to the next's, at most
            half of the window's. Defaults to 128.

    Call arguments:
        x: dict of `question` and `context`, lists of string.
        y: list of answers or `None`. An answer is a dict of `text` and
            `answer_start`, as SQuAD has it (a string and an int, or lists of
            these, the first of which counts), or `None` for no answer.

    Returns:
        dict of `token_ids`, `segment_ids` int32 and `padding_mask` bool, each
        (windows, sequence_length). With `y` a tuple of this, with
        `start_positions` in it, and a dict of `start_positions`,
        `end_positions` int32 and `no_answer` float32 (windows,). The positions
        are 0, that of [CLS], in windows that do not show the whole answer.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        sequence_length: int = 512,
        question_length: int = 64,
        stride: int = 128,
        **kwargs: Any,
    ) -> None:
        self.question_length = question_length
        self.stride = stride
        super().__init__(tokenizer, sequence_length=sequence_length, **kwargs)

    def call(self, x: Any, y: Any = None, sample_weight: Any = None) -> Any:
        questions, contexts = check_questions(x)
        windows = self.windows(questions, contexts)
        features = self.pack(windows)
        if y is None:
            return features
        if len(y) != len(questions):
            raise ValueError(
                f"There are {len(questions)} questions and {len(y)} answers."
            )
        spans = [
            _span(answer, context, number)
            for number, (answer, context) in enumerate(zip(y, contexts))
        ]
        labels = {
            "start_positions": np.zeros(len(windows), np.int32),
            "end_positions": np.zeros(len(windows), np.int32),
            "no_answer": np.zeros(len(windows), np.float32),
        }
        for row, window in enumerate(windows):
            span = spans[window.example]
            labels["no_answer"][row] = span is None
            found = span and window.position_of(*span)
            if found:
                labels["start_positions"][row] = found[0]
                labels["end_positions"][row] = found[1]
        features["start_positions"] = labels["start_positions"]
        return features, labels

    def windows(
        self, questions: Sequence[str], contexts: Sequence[str]
    ) -> list[Window]:
        """The `Window`s of all questions, in order."""
        encoded: dict[str, Any] = {}
        found = []
        ids = self.tokenizer.encode_batch(questions)
        for number, (question, context) in enumerate(zip(ids, contexts)):
            if context not in encoded:
                # Questions of one paragraph follow one another.
                encoded = {context: self.tokenizer.encode_with_offsets(context)}
            found.extend(self._windows(number, question, *encoded[context]))
        return found

    def _windows(self, number, question, ids, offsets):
        question = question[: self.question_length]
        room = self.sequence_length - len(question) - 3
        if room < 1:
            raise ValueError(
                f"Rows of {self.sequence_length} tokens have no room for a "
                f"context beside a question of {len(question)}: lower "
                "`question_length` or raise `sequence_length`."
            )
        step = max(1, min(self.stride, room // 2))
        begins = [0]
        while begins[-1] + room < len(ids):
            begins.append(begins[-1] + step)
        head = [
            self.tokenizer.cls_token_id,
            *question,
            self.tokenizer.sep_token_id,
        ]
        best = _best_windows(begins, room, len(ids))
        places = np.array(offsets, np.int32).reshape(-1, 2)
        for index, begin in enumerate(begins):
            part = slice(begin, begin + room)
            yield Window(
                number,
                [*head, *ids[part], self.tokenizer.sep_token_id],
                len(head),
                places[part, 0],
                places[part, 1],
                best[part] == index,
            )

    def pack(self, windows: Sequence[Window]) -> dict[str, np.ndarray]:
        """The features of `Window`s, padded to `sequence_length`."""
        shape = len(windows), self.sequence_length
        ids = np.full(shape, self.tokenizer.pad_token_id, np.int32)
        segments = np.zeros(shape, np.int32)
        mask = np.zeros(shape, bool)
        for row, window in enumerate(windows):
            count = len(window.token_ids)
            ids[row, :count] = window.token_ids
            mask[row, :count] = True
            segments[row, window.passage_start : count] = 1
        return {
            "token_ids": ids,
            "segment_ids": segments,
            "padding_mask": mask,
        }

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "question_length": self.question_length,
            "stride": self.stride,
        }


def _best_windows(begins, room, count):
    """For each token the window that shows most on its poorer side, and a
    little for the rest of the window (google-research/electra,
    `_check_is_max_context`)."""
    best = np.zeros(count, np.int32)
    scores = np.full(count, -1.0)
    for index, begin in enumerate(begins):
        here = np.arange(begin, min(begin + room, count))
        size = len(here)
        left, right = here - begin, begin + size - 1 - here
        score = np.minimum(left, right) + 0.01 * size
        better = score > scores[here]
        best[here[better]] = index
        scores[here[better]] = score[better]
    return best


def check_questions(x):
    """(questions, contexts) of a dict, lists of string of one length."""
    if isinstance(x, dict) and {"question", "context"} == set(x):
        parts = [list(x["question"]), list(x["context"])]
        if isinstance(x["question"], str) or isinstance(x["context"], str):
            raise ValueError(
                "`question` and `context` are lists of string. Received one "
                "string."
            )
        if len(parts[0]) != len(parts[1]):
            raise ValueError(
                f"There are {len(parts[0])} questions and {len(parts[1])} "
                "contexts."
            )
        return parts
    raise ValueError(
        "Data for answering questions is a dict of `question` and `context`, "
        f"lists of string. Received: {str(x)[:80]}"
    )


def _span(answer, context, number):
    """Characters (start, end) of an answer, `None` where there is none."""
    if answer is None:
        return None
    try:
        text, start = answer["text"], answer["answer_start"]
    except (KeyError, TypeError):
        raise ValueError(
            f"Answer {number} must be a dict of `text` and `answer_start`, or "
            f"None. Received: {str(answer)[:80]}"
        ) from None
    if isinstance(text, list | tuple):
        if not text:
            return None
        text, start = text[0], start[0]
    end = int(start) + len(text)
    if context[int(start) : end] != text or not text:
        raise ValueError(
            f"Answer {number} is not where it is said to be: "
            f"{text[:40]!r} is not at character {start} of its context."
        )
    return int(start), end
