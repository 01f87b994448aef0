"""POST /v1/tag: the entities of texts, with their places."""

import numpy as np

from keras_rtd.models import ElectraTokenClassifier
from keras_rtd.serve.batching import Row
from keras_rtd.serve.packed import PackedRows
from keras_rtd.serve.requests import read_texts


class Tag(PackedRows):
    """Finds the entities of texts of any length.

    Args:
        preset: string. Of an `ElectraTokenClassifier` with BIO or BIOES class
            names.
        max_batch: int. Most rows of a batch.

    Raises:
        ValueError: the class names are not BIO or BIOES tags.
    """

    endpoint = "tag"

    def __init__(self, preset, max_batch):
        model = ElectraTokenClassifier.from_preset(preset, dtype="float32")
        model.check_tags()
        super().__init__(preset, model, max_batch)

    def describe(self):
        return {**super().describe(), "classes": self.model.class_names}

    def prepare(self, body, limits):
        """As `Detect.prepare`, of `{"texts": [...]}`."""
        rows: list[Row] = []
        texts = []
        for text in read_texts(body, limits):
            places, words = self.model.split(text)
            parts = self.preprocessor.rows([words])
            texts.append((text, places, len(rows), parts))
            rows += [
                self.row(
                    [
                        self.tokenizer.cls_token_id,
                        *part.token_ids,
                        self.tokenizer.sep_token_id,
                    ]
                )
                for part in parts
            ]

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
