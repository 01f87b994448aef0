"""POST /v1/classify: the class, or the number, of a text or a pair."""

import keras
import numpy as np

from keras_rtd.models import ElectraTextClassifier
from keras_rtd.serve.packed import PackedRows
from keras_rtd.serve.requests import RequestError
from keras_rtd.serve.requests import check_list
from keras_rtd.serve.requests import check_text
from keras_rtd.serve.requests import parse


class Classify(PackedRows):
    """Classifies texts and pairs of texts; longer ones are cut.

    Args:
        preset: string. Of an `ElectraTextClassifier`.
        max_batch: int. Most rows of a batch.
    """

    endpoint = "classify"

    def __init__(self, preset, max_batch):
        model = ElectraTextClassifier.from_preset(preset, dtype="float32")
        super().__init__(preset, model, max_batch)
        # Built now, because requests come in several threads.
        self.preprocessor(("",))
        self._names = model.class_names or [
            str(i) for i in range(model.num_classes)
        ]

    def describe(self):
        classes = {"classes": self._names} if len(self._names) > 1 else {}
        return {**super().describe(), **classes}

    def prepare(self, body, limits):
        """As `Detect.prepare`, of `{"texts": ["a", …]}` or `{"texts": [["a",
        "b"], …]}`."""
        texts = parse(body, ("texts",))["texts"]
        rows = [
            self._packed(entry, f"texts[{i}]", limits)
            for i, entry in enumerate(check_list(texts, "texts", limits))
        ]
        return rows, lambda results: {"results": list(map(self._say, results))}

    def _packed(self, entry, name, limits):
        parts = entry if isinstance(entry, list) else [entry]
        if isinstance(entry, list) and len(entry) != 2:
            raise RequestError(
                422, f"{name} must be a string or a list of two strings."
            )
        for i, part in enumerate(parts):
            at = f"[{i}]" if isinstance(entry, list) else ""
            check_text(part, name + at, limits)
        features = {
            key: keras.ops.convert_to_numpy(value)
            for key, value in self.preprocessor(tuple(parts)).items()
        }
        count = int(features["padding_mask"].sum())
        return self.row(
            features["token_ids"][:count], features["segment_ids"][:count]
        )

    def _say(self, output):
        values = output.astype(np.float64)
        if len(self._names) == 1:
            return {"score": round(float(values[0]), 6)}
        if self.model.activation is keras.activations.linear:
            values = np.exp(values - values.max())
            values = values / values.sum()
        return {
            "label": self._names[int(values.argmax())],
            "probabilities": {
                name: round(float(value), 6)
                for name, value in zip(self._names, values)
            },
        }
