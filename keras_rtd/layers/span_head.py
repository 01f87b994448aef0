"""The head that finds an answer in a passage."""

import keras
from keras import ops

from keras_rtd.kernels import gelu
from keras_rtd.layers.basic import Dense
from keras_rtd.layers.initializers import GlorotUniform

IMPOSSIBLE = -1e9


@keras.saving.register_keras_serializable(package="keras_rtd")
class SpanHead(keras.layers.Layer):
    """Start, end given the start, and whether there is an answer at all.

    start: dense(1). End: the start's vector beside each token's ->
    dense(512, gelu) -> dense(1); in training the start is the gold one, at
    prediction each of the best. No answer: the vector of [CLS] beside the mean
    under the start's distribution -> dense(512, gelu) -> dense(1). Source:
    google-research/electra, finetune/qa/qa_tasks.py (`joint_prediction`,
    `answerable_classifier`).

    Args:
        units: int. Width of the hidden layers. Defaults to 512.
        beam_size: int. Starts, and ends for each, at prediction. Defaults to
            20.
        no_answer: bool. Whether there is a no-answer classifier. Defaults to
            `False`.

    Call arguments:
        sequence_output: (batch, length, hidden_dim).
        answer_mask: bool (batch, length), where an answer may begin and end.
        start_positions: int32 (batch,) or `None`.

    Returns:
        dict. With `start_positions`: `start_logits` and `end_logits`, float32
        (batch, length). Without: `starts` int32 and `start_scores` float32
        (batch, beam), `ends` and `end_scores` (batch, beam, beam), scores
        being log-probabilities. Both with `no_answer_logits` float32 (batch,)
        where `no_answer` is.
    """

    def __init__(self, units=512, beam_size=20, no_answer=False, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.beam_size = beam_size
        self.no_answer = no_answer

    def build(self, sequence_output_shape):
        def dense(units, name, input_dim, use_bias=True):
            layer = keras.layers.Dense if units == 1 or not use_bias else Dense
            layer = layer(
                units,
                use_bias=use_bias,
                kernel_initializer=GlorotUniform(),
                dtype="float32" if units == 1 else self.dtype_policy,
                name=name,
            )
            layer.build((None, None, input_dim))
            return layer

        width = sequence_output_shape[-1]
        self.start = dense(1, "start", width)
        # Two products for one of the vectors side by side: the tokens' part
        # is the same for every start.
        self.end_token = dense(self.units, "end_token", width)
        self.end_start = dense(self.units, "end_start", width, use_bias=False)
        self.end = dense(1, "end", self.units)
        if self.no_answer:
            self.answer_hidden = dense(self.units, "answer_hidden", 2 * width)
            self.answer = dense(1, "answer", self.units)
        self.built = True

    def call(self, sequence_output, answer_mask, start_positions=None):
        mask = ops.cast(answer_mask, "float32")
        start_logits = _masked(self.start(sequence_output)[..., 0], mask)
        outputs = {}
        if self.no_answer:
            outputs["no_answer_logits"] = self._no_answer(
                sequence_output, start_logits
            )
        tokens = self.end_token(sequence_output)[:, None]
        if start_positions is not None:
            starts = ops.cast(start_positions, "int32")[:, None]
            logits = self._end_logits(sequence_output, tokens, starts, mask)
            return {
                "start_logits": start_logits,
                "end_logits": logits[:, 0],
                **outputs,
            }
        length = sequence_output.shape[1]
        beam = min(self.beam_size, length or self.beam_size)
        start_scores, starts = ops.top_k(ops.log_softmax(start_logits), beam)
        logits = self._end_logits(sequence_output, tokens, starts, mask)
        end_scores, ends = ops.top_k(ops.log_softmax(logits), beam)
        return {
            "starts": ops.cast(starts, "int32"),
            "start_scores": start_scores,
            "ends": ops.cast(ends, "int32"),
            "end_scores": end_scores,
            **outputs,
        }

    def _end_logits(self, sequence, tokens, starts, mask):
        """(batch, starts, length)."""
        vectors = ops.take_along_axis(sequence, starts[..., None], axis=1)
        hidden = gelu(tokens + self.end_start(vectors)[:, :, None])
        return _masked(self.end(hidden)[..., 0], mask[:, None])

    def _no_answer(self, sequence, start_logits):
        weights = ops.cast(ops.softmax(start_logits), sequence.dtype)
        mean = ops.einsum("bl,bld->bd", weights, sequence)
        both = ops.concatenate([sequence[:, 0], mean], axis=-1)
        return self.answer(gelu(self.answer_hidden(both)))[..., 0]

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "beam_size": self.beam_size,
            "no_answer": self.no_answer,
        }


def _masked(logits, mask):
    return ops.cast(logits, "float32") + (1.0 - mask) * IMPOSSIBLE
