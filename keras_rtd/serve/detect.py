"""POST /v1/detect: how likely each token of a text was replaced."""

import numpy as np

from keras_rtd.models import ElectraReplacedTokenDetector
from keras_rtd.serve.packed import PackedRows
from keras_rtd.serve.packed import Rows
from keras_rtd.serve.requests import read_texts


class Detect(PackedRows):
    """Scores the tokens of texts of any length.

    A text longer than the model's rows is scored in windows that overlap by a
    quarter, cut in the middle of the overlap.

    Args:
        preset: string. Of an `ElectraPretrainer` or an
            `ElectraReplacedTokenDetector`, with weights and tokenizer.
        max_batch: int. Most rows of a batch.

    Raises:
        ValueError: a preset without weights or tokenizer.
    """

    endpoint = "detect"
    task = ElectraReplacedTokenDetector

    def __init__(self, preset, max_batch):
        super().__init__(preset, max_batch)
        self._vocabulary = self.tokenizer.get_vocabulary()

    def prepare(self, body, limits):
        """The rows of a request.

        Args:
            body: bytes. `{"texts": [...]}`.
            limits: `Limits`.

        Returns:
            `(rows, finish)`: list of `Row`, and a function from the list of
            their results to the answer, a dict.

        Raises:
            RequestError: the body is not as it should be.
        """
        rows = Rows(limits)
        texts = []
        for text in read_texts(body, limits):
            ids, offsets = self.tokenizer.encode_with_offsets(text)
            offsets = [_without_space(text, *place) for place in offsets]
            parts = windows(len(ids), self.sequence_length - 2)
            texts.append((ids, offsets, len(rows), parts))
            for start, end, _, _ in parts:
                rows.append(self.text_row(ids[start:end]))

        def finish(results):
            return {
                "results": [
                    self._result(ids, offsets, results[row:], parts)
                    for ids, offsets, row, parts in texts
                ]
            }

        return rows, finish

    def _result(self, ids, offsets, outputs, parts):
        scores: list[float] = []
        for output, (_, _, first, last) in zip(outputs, parts, strict=False):
            logits = output["discriminator_logits"].astype(np.float64)
            # After [CLS].
            kept = 1 / (1 + np.exp(-logits[1 + first : 1 + last]))
            scores += np.round(kept, 6).tolist()
        return {
            "tokens": [self._vocabulary[i] for i in ids],
            "offsets": offsets,
            "replaced_probability": scores,
        }


def _without_space(text, start, end):
    """Where a token's word is, without the space that some kinds count with
    it."""
    while start < end - 1 and text[start].isspace():
        start += 1
    return start, end


def windows(count, content):
    """How a text's tokens are cut into rows.

    Args:
        count: int. Tokens of the text.
        content: int. Tokens that a row holds.

    Returns:
        list of `(start, end, first, last)`: tokens `start` to `end` of the
        text are a row, of whose scores `first` to `last` count.
    """
    if count <= content:
        return [(0, count, 0, count)] if count else []
    starts = list(range(0, count - content, content - content // 4))
    starts.append(count - content)
    # The middle of what a row shares with the next.
    cuts = [(b + a + content) // 2 for a, b in zip(starts, starts[1:])]
    return [
        (start, start + content, first - start, last - start)
        for start, first, last in zip(starts, [0, *cuts], [*cuts, count])
    ]
