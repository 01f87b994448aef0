"""The attention bias of an encoder, as a layer."""

import keras

from keras_rtd.layers.attention import attention_bias
from keras_rtd.layers.local_attention import local_bias


@keras.saving.register_keras_serializable(package="keras_rtd")
class AttentionBias(keras.layers.Layer):
    """`attention_bias`, or `local_bias` with a window, as a layer, so that it
    is computed once a model."""

    def __init__(self, direction="bidirectional", window=None, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.direction = direction
        self.window = window
        self.built = True

    def call(self, padding_mask, document_ids=None):
        if self.window is None:
            return attention_bias(padding_mask, self.direction, document_ids)
        return local_bias(
            padding_mask, self.window, self.direction, document_ids
        )

    def compute_output_spec(self, padding_mask, document_ids=None):
        # That of rows whose length is not known.
        batch, length = padding_mask.shape
        one_row = self.direction == "bidirectional" and self.window is None
        rows = 1 if one_row else length
        return keras.KerasTensor((batch, 1, rows, length), dtype="float32")

    def get_config(self):
        return {
            **super().get_config(),
            "direction": self.direction,
            "window": self.window,
        }
