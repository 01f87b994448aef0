"""One vector for a text from the vectors of its tokens."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_rtd")
class MeanPooling(keras.layers.Layer):
    """The mean over real tokens, [CLS] and [SEP] with them.

    Call arguments:
        sequence_output: (batch, length, hidden_dim).
        padding_mask: int or bool (batch, length), nonzero for real tokens.

    Returns:
        (batch, hidden_dim), in the layer's compute dtype.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.built = True

    def call(self, sequence_output, padding_mask):
        real = ops.cast(padding_mask, self.compute_dtype)[:, :, None]
        return ops.sum(sequence_output * real, axis=1) / ops.sum(real, axis=1)

    def compute_output_shape(self, sequence_output_shape, padding_mask_shape):
        return (sequence_output_shape[0], sequence_output_shape[2])
