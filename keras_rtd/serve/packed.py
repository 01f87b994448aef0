"""Packed rows through a model, in few shapes."""

import keras
import numpy as np

from keras_rtd.serve.batching import Row
from keras_rtd.serve.buckets import batch_sizes
from keras_rtd.serve.buckets import bucket
from keras_rtd.serve.buckets import lengths
from keras_rtd.serve.forward import forward


class PackedRows:
    """What the services share: a model and the batches it is given.

    Args:
        preset: string. The model's preset.
        model: a task with `preprocessor` and `backbone`.
        max_batch: int. Most rows of a batch.

    Raises:
        ValueError: the model has no preprocessor.
    """

    def __init__(self, preset, model, max_batch):
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
