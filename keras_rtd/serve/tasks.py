"""POST /v1/classify, /v1/tag and /v1/answer: the fine-tuned tasks."""

import keras
import numpy as np

from keras_rtd.models import ElectraQuestionAnswerer
from keras_rtd.models import ElectraTextClassifier
from keras_rtd.models import ElectraTokenClassifier
from keras_rtd.serve.packed import PackedRows
from keras_rtd.serve.packed import Rows
from keras_rtd.serve.requests import RequestError
from keras_rtd.serve.requests import check_text
from keras_rtd.serve.requests import parse
from keras_rtd.serve.requests import read_texts


class Classify(PackedRows):
    """Classifies texts and pairs of texts; longer ones are cut."""

    endpoint = "classify"
    task = ElectraTextClassifier

    def __init__(self, preset, max_batch):
        super().__init__(preset, max_batch)
        # Built now, because requests come in several threads.
        self.preprocessor(("",))
        self._names = self.model.class_names or [
            str(i) for i in range(self.model.num_classes)
        ]

    def describe(self):
        classes = {"classes": self._names} if len(self._names) > 1 else {}
        return {**super().describe(), **classes}

    def prepare(self, body, limits):
        """As `Detect.prepare`, of `{"texts": ["a", …]}` or `{"texts": [["a",
        "b"], …]}`."""
        rows = Rows(limits)
        for parts in read_texts(body, limits, _check_pair):
            features = {
                key: keras.ops.convert_to_numpy(value)
                for key, value in self.preprocessor(tuple(parts)).items()
            }
            count = int(features["padding_mask"].sum())
            rows.append(
                self.row(
                    features["token_ids"][:count],
                    features["segment_ids"][:count],
                )
            )
        return rows, lambda results: {"results": list(map(self._say, results))}

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


def _check_pair(entry, name, limits):
    """A text or a list of two, as a list."""
    if not isinstance(entry, list):
        return [check_text(entry, name, limits)]
    if len(entry) != 2:
        raise RequestError(
            422, f"{name} must be a string or a list of two strings."
        )
    return [
        check_text(part, f"{name}[{i}]", limits) for i, part in enumerate(entry)
    ]


class Tag(PackedRows):
    """Finds the entities of texts of any length, with their places.

    Raises:
        ValueError: the class names are not BIO or BIOES tags.
    """

    endpoint = "tag"
    task = ElectraTokenClassifier

    def __init__(self, preset, max_batch):
        super().__init__(preset, max_batch)
        self.model.check_tags()

    def describe(self):
        return {**super().describe(), "classes": self.model.class_names}

    def prepare(self, body, limits):
        """As `Detect.prepare`, of `{"texts": [...]}`."""
        rows = Rows(limits)
        texts = []
        for text in read_texts(body, limits):
            places, words = self.model.split(text)
            parts = self.preprocessor.rows([words])
            texts.append((text, places, len(rows), parts))
            for part in parts:
                rows.append(self.text_row(part.token_ids))

        def finish(results):
            found = []
            for text, places, row, parts in texts:
                logits = [
                    output[part.word_starts]
                    for output, part in zip(results[row:], parts, strict=False)
                ]
                found.append({"entities": self._entities(text, places, logits)})
            return {"results": found}

        return rows, finish

    def _entities(self, text, places, logits):
        if not places:
            return []
        found = self.model.decode(text, places, np.concatenate(logits))
        return [{**e, "score": round(e["score"], 6)} for e in found]


class Answer(PackedRows):
    """Finds the answers of questions in contexts of any length."""

    endpoint = "answer"
    task = ElectraQuestionAnswerer

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
        rows = Rows(limits)
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
