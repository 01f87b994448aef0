"""Packed rows through a model, in few shapes."""

from typing import Any

import keras
import numpy as np

from keras_rtd.serve.batching import Row
from keras_rtd.serve.forward import forward
from keras_rtd.serve.requests import RequestError

SHORTEST = 32


class Rows(list):
    """The rows of a request.

    Args:
        limits: `Limits`.

    Raises:
        RequestError: 413, more rows or tokens are appended than allowed.
    """

    def __init__(self, limits):
        super().__init__()
        self._limits = limits
        self._tokens = 0

    def append(self, row):
        super().append(row)
        self._tokens += len(row.value[0])
        for name, count, most in (
            ("rows", len(self), self._limits.max_rows),
            ("tokens", self._tokens, self._limits.max_tokens),
        ):
            if count > most:
                raise RequestError(
                    413,
                    f"The request makes more than {most:,} {name} of the "
                    "model. Send less at once, or start the server with a "
                    f"larger --max_{name}.",
                )


class PackedRows:
    """What the services share: a model and the batches it is given.

    Args:
        preset: string. Of the class's `task`.
        max_batch: int. Most rows of a batch.

    Raises:
        ValueError: the preset has no weights or no tokenizer.
    """

    task: Any

    def __init__(self, preset, max_batch):
        model = self.task.from_preset(preset, dtype="float32")
        if model.preprocessor is None:
            raise ValueError(f"The preset {str(preset)!r} has no tokenizer.")
        self.preset = preset
        self.model = model
        self.preprocessor = model.preprocessor
        self.tokenizer = model.preprocessor.tokenizer
        self.sequence_length = min(
            model.preprocessor.sequence_length,
            model.backbone.max_sequence_length,
        )
        self._forward = forward(model)
        self._lengths = lengths(self.sequence_length)
        self._batch_sizes = batch_sizes(max_batch)

    def describe(self):
        """What /v1/model says of the service: a dict."""
        return {
            "task": type(self.model).__name__,
            "sequence_length": self.sequence_length,
            "parameters": self.model.count_params(),
        }

    def row(self, token_ids, segment_ids=None):
        """A `Row` of ids that are packed, but not padded."""
        length = bucket(len(token_ids), self._lengths)
        return Row(length, (token_ids, segment_ids))

    def text_row(self, token_ids):
        """A `Row` of a text's ids, between [CLS] and [SEP]."""
        start, end = self.tokenizer.cls_token_id, self.tokenizer.sep_token_id
        return self.row([start, *token_ids, end])

    def run(self, length, values):
        """What the model gives for rows of one length.

        Args:
            length: int. What rows are padded to.
            values: list of (token_ids, segment_ids or `None`).

        Returns:
            list of outputs, nested as the model's, without the batch axis.
        """
        shape = (bucket(len(values), self._batch_sizes), length)
        token_ids = np.full(shape, self.tokenizer.pad_token_id, np.int32)
        segment_ids = np.zeros(shape, np.int32)
        padding_mask = np.zeros(shape, np.int32)
        for i, (ids, segments) in enumerate(values):
            token_ids[i, : len(ids)] = ids
            padding_mask[i, : len(ids)] = 1
            if segments is not None:
                segment_ids[i, : len(ids)] = segments
        outputs = self._forward(
            {
                "token_ids": token_ids,
                "segment_ids": segment_ids,
                "padding_mask": padding_mask,
            }
        )
        return [
            keras.tree.map_structure(lambda x, i=i: x[i], outputs)
            for i in range(len(values))
        ]

    def warm_up(self):
        """Compile what will run, so that no request waits for it."""
        sizes = [(b, n) for n in self._lengths for b in self._batch_sizes]
        if keras.config.backend() != "jax":
            # PyTorch compiles nothing, TensorFlow once for all shapes.
            sizes = sizes[:1]
        for rows, length in sizes:
            self.run(length, [(np.zeros(length, np.int32), None)] * rows)


def lengths(longest):
    """Lengths of rows, so few that little is compiled: 32, 64 … `longest`."""
    return [*_powers(SHORTEST, 2, longest), longest]


def batch_sizes(largest):
    """Numbers of rows of a batch: 1, 4, 16 … `largest`."""
    return [*_powers(1, 4, largest), largest]


def bucket(value, sizes):
    """The smallest of ascending `sizes` that is at least `value`."""
    return next(size for size in sizes if size >= value)


def _powers(first, factor, limit):
    while first < limit:
        yield first
        first *= factor
