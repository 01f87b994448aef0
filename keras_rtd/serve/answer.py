"""POST /v1/answer: the answer to a question in a context."""

import keras
import numpy as np

from keras_rtd.models import ElectraQuestionAnswerer
from keras_rtd.serve.packed import PackedRows
from keras_rtd.serve.requests import RequestError
from keras_rtd.serve.requests import check_text
from keras_rtd.serve.requests import parse


class Answer(PackedRows):
    """Finds answers in contexts of any length.

    Args:
        preset: string. Of an `ElectraQuestionAnswerer`.
        max_batch: int. Most rows of a batch.
    """

    endpoint = "answer"

    def __init__(self, preset, max_batch):
        model = ElectraQuestionAnswerer.from_preset(preset, dtype="float32")
        super().__init__(preset, model, max_batch)

    def prepare(self, body, limits):
        """As `Detect.prepare`, of `{"question": "…", "context": "…"}`."""
        names = ("question", "context")
        value = parse(body, names)
        question, context = (
            check_text(value[name], name, limits) for name in names
        )
        try:
            windows = self.preprocessor.windows([question], [context])
        except ValueError as e:
            raise RequestError(422, str(e)) from None
        rows = []
        for window in windows:
            segments = np.zeros(len(window.token_ids), np.int32)
            segments[window.passage_start :] = 1
            rows.append(self.row(window.token_ids, segments))

        def finish(results):
            outputs = keras.tree.map_structure(
                lambda *parts: np.stack(parts), *results
            )
            return {"answer": self.model.decode(windows, outputs, [context])[0]}

        return rows, finish
