"""POST /v1/detect: how likely each token of a text was replaced."""

import keras
import numpy as np

from keras_rtd.models import ElectraReplacedTokenDetector
from keras_rtd.serve.batching import Row
from keras_rtd.serve.buckets import batch_sizes
from keras_rtd.serve.buckets import bucket
from keras_rtd.serve.buckets import lengths
from keras_rtd.serve.forward import forward
from keras_rtd.serve.requests import read_texts


class Detect:
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

    def __init__(self, preset, max_batch):
        model = ElectraReplacedTokenDetector.from_preset(
            preset, dtype="float32"
        )
        if model.preprocessor is None:
            raise ValueError(f"The preset {preset!r} has no tokenizer.")
        self.preset = preset
        self.tokenizer = model.preprocessor.tokenizer
        self.sequence_length = min(
            model.preprocessor.sequence_length,
            model.backbone.max_sequence_length,
        )
        self._vocabulary = self.tokenizer.get_vocabulary()
        self._lengths = lengths(self.sequence_length)
        self._batch_sizes = batch_sizes(max_batch)
        self.model = model
        self._forward = forward(model)

    def describe(self):
        """What /v1/model says of it: a dict."""
        return {
            "task": type(self.model).__name__,
            "sequence_length": self.sequence_length,
            "parameters": self.model.count_params(),
        }

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
        rows: list[Row] = []
        texts = []
        content = self.sequence_length - 2
        for text in read_texts(body, limits):
            ids, starts, ends = self.tokenizer.encode_with_offsets(text)
            offsets = np.stack([starts, ends], axis=1).tolist()
            parts = windows(len(ids), content)
            texts.append((ids, offsets, len(rows), parts))
            for start, end, _, _ in parts:
                length = bucket(end - start + 2, self._lengths)
                rows.append(Row(length, ids[start:end]))

        def finish(results):
            return {
                "results": [
                    self._result(ids, offsets, results[first:], parts)
                    for ids, offsets, first, parts in texts
                ]
            }

        return rows, finish

    def _result(self, ids, offsets, scores, parts):
        kept = [
            part[first:last].tolist()
            for part, (_, _, first, last) in zip(scores, parts, strict=False)
        ]
        return {
            "tokens": [self._vocabulary[i] for i in ids],
            "offsets": offsets,
            "replaced_probability": [round(p, 6) for x in kept for p in x],
        }

    def run(self, length, values):
        """Probabilities of rows of one length.

        Args:
            length: int. What rows are padded to.
            values: list of int32 arrays of ids, without [CLS] and [SEP].

        Returns:
            list of float32 arrays, as long as those.
        """
        tokenizer = self.tokenizer
        shape = (bucket(len(values), self._batch_sizes), length)
        token_ids = np.full(shape, tokenizer.pad_token_id, np.int32)
        padding_mask = np.zeros(shape, np.int32)
        for i, ids in enumerate(values):
            row = [tokenizer.cls_token_id, *ids, tokenizer.sep_token_id]
            token_ids[i, : len(row)] = row
            padding_mask[i, : len(row)] = 1
        logits = self._forward(
            {
                "token_ids": token_ids,
                "segment_ids": np.zeros(shape, np.int32),
                "padding_mask": padding_mask,
            }
        )["discriminator_logits"]
        probabilities = 1 / (1 + np.exp(-logits.astype(np.float64)))
        return [
            row[1 : 1 + len(ids)] for row, ids in zip(probabilities, values)
        ]

    def warm_up(self):
        """Compile what will run, so that no request waits for it."""
        sizes = [(b, n) for n in self._lengths for b in self._batch_sizes]
        if keras.config.backend() != "jax":
            # PyTorch compiles nothing, TensorFlow once for all shapes.
            sizes = sizes[:1]
        for rows, length in sizes:
            self.run(length, [np.zeros(length - 2, np.int32)] * rows)


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
