"""DeBERTaV3's heads."""

import keras
from keras import ops

from keras_rtd import kernels
from keras_rtd.kernels.gather import gather_positions
from keras_rtd.layers.basic import Dense
from keras_rtd.layers.basic import LayerNormalization
from keras_rtd.layers.embedding import positions_within
from keras_rtd.layers.heads import DetectionHead
from keras_rtd.layers.heads import MaskedLMHead
from keras_rtd.layers.initializers import Normal


class DebertaV3MaskedLMHead(MaskedLMHead):
    """`MaskedLMHead` with DeBERTa's first weights.

    Microsoft's `lm_predictions.lm_head` computes the same; the enhanced mask
    decoder before it is the generator's own, see `DebertaV3Backbone`.
    """

    initializer = Normal


@keras.saving.register_keras_serializable(package="keras_rtd")
class DebertaV3DetectionHead(DetectionHead):
    """Says for each token how likely it is to have been replaced.

    LayerNorm([CLS]'s vector + the token's) -> dense(gelu) -> dense(1). Source:
    microsoft/DeBERTa, DeBERTa/apps/models/replaced_token_detection_model.py.

    Args, call arguments and returns: see `DetectionHead`; `layer_norm_epsilon`
    is of the first LayerNorm. Where documents share a row, each has its own
    [CLS].
    """

    def build(self, input_shape):
        self.layer_norm = LayerNormalization(
            epsilon=self.layer_norm_epsilon,
            dtype=self.dtype_policy,
            name="layer_norm",
        )
        self.layer_norm.build(input_shape)
        self.dense = self._dense(input_shape, input_shape[-1], "dense")
        self.logits = self._dense(input_shape, 1, "logits")
        self.built = True

    def _dense(self, input_shape, units, name):
        layer = Dense(
            units,
            kernel_initializer=Normal(self.kernel_stddev),
            dtype=self.dtype_policy,
            name=name,
        )
        layer.build(input_shape)
        return layer

    def call(self, sequence_output, document_ids=None):
        if document_ids is None:
            first = sequence_output[:, :1]
        else:
            place = ops.arange(ops.shape(document_ids)[1], dtype="int32")
            start = place[None] - positions_within(document_ids)
            first = gather_positions(sequence_output, start)
        x = self.dense(self.layer_norm(sequence_output + first))
        tanh = self.activation == "gelu_approximate"
        logits = self.logits(kernels.gelu(x, approximate=tanh))
        return ops.cast(ops.squeeze(logits, axis=-1), "float32")
