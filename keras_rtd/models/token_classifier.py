"""A class for each word."""

import re
from collections.abc import Sequence
from typing import Any

import keras
import keras_hub
import numpy as np

from keras_rtd.layers.basic import Dropout
from keras_rtd.layers.initializers import GlorotUniform
from keras_rtd.models import classes
from keras_rtd.models.encoder_backbone import RtdBackbone
from keras_rtd.models.fine_tuning_task import FineTuningTask
from keras_rtd.models.preprocessor import ElectraPreprocessor
from keras_rtd.models.token_classifier_preprocessor import (
    ElectraTokenClassifierPreprocessor,
)
from keras_rtd.models.token_classifier_preprocessor import check_words
from keras_rtd.training.fine_tuning_optimizer import make_fine_tuning_optimizer
from keras_rtd.utils.tag_chunks import chunks
from keras_rtd.utils.tag_chunks import is_tag

# Text without given words: a run of letters, or one other character.
_WORD = re.compile(r"\w+|[^\w\s]")


@keras.saving.register_keras_serializable(package="keras_rtd")
class ElectraTokenClassifier(FineTuningTask, keras_hub.models.Task):
    """Gives each word a class: named entities, chunks, parts of speech.

    First token of the word -> dropout -> dense, as google-research/electra
    fine-tunes tagging (finetune/tagging/tagging_tasks.py). ModernBERT's tasks
    have dense -> gelu -> LayerNorm before the dropout.

    `fit` takes sentences as lists of words, and for each a list of class
    names or numbers. `predict` of such sentences gives lists of class names;
    of strings, lists of (word, class name); of prepared batches, the logits.

    Args:
        backbone: `ElectraBackbone` or another `RtdBackbone`.
        num_classes: int or `None` for the number of `class_names`.
        preprocessor: `ElectraTokenClassifierPreprocessor` or `None`.
        class_names: list of string, such as `["O", "B-LOC", "I-LOC"]`.
            Defaults to the numbers.
        dropout: float. Before the dense layer. Defaults to 0.1.

    Output: float32 logits (batch, length, num_classes).

    Example:
    ```python
    tagger = keras_rtd.models.ElectraTokenClassifier.from_preset(
        "runs/mine", class_names=["O", "B-LOC", "I-LOC"]
    )
    tagger.fit([["in", "New", "York"]], [["O", "B-LOC", "I-LOC"]])
    tagger.predict([["from", "Rome"]])      # [["O", "B-LOC"]]
    tagger.entities(["He left Rome."])      # text, start, end, label, score
    ```
    """

    preprocessor_cls = ElectraTokenClassifierPreprocessor
    pipeline_tag = "token-classification"

    def __init__(
        self,
        backbone: RtdBackbone,
        num_classes: int | None = None,
        preprocessor: ElectraPreprocessor | None = None,
        class_names: Sequence[str] | None = None,
        dropout: float = 0.1,
        **kwargs: Any,
    ) -> None:
        num_classes, class_names = classes.check_classes(
            num_classes, class_names
        )
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.output_dropout = Dropout(
            dropout, dtype=backbone.dtype_policy, name="output_dropout"
        )
        self.output_dense = keras.layers.Dense(
            num_classes,
            kernel_initializer=GlorotUniform(),
            dtype="float32",
            name="logits",
        )
        x = backbone.output["sequence_output"]
        self.prediction_head = backbone.make_prediction_head()
        if self.prediction_head is not None:
            x = self.prediction_head(x)
        outputs = self.output_dense(self.output_dropout(x))
        self.num_classes = num_classes
        self.class_names = class_names or [str(i) for i in range(num_classes)]
        self.dropout = dropout
        super().__init__(inputs=backbone.input, outputs=outputs, **kwargs)

    def compile(
        self, optimizer: Any = "auto", loss: Any = "auto", **kwargs: Any
    ) -> None:
        """As `keras.Model.compile`.

        Args:
            optimizer: `"auto"` takes
                `keras_rtd.training.make_fine_tuning_optimizer(self)`.
            loss: `"auto"` takes the mean cross-entropy of the words.
            **kwargs: for `keras.Model.compile`; `weighted_metrics` defaults
                to the accuracy of the words.
        """
        if isinstance(optimizer, str) and optimizer == "auto":
            optimizer = make_fine_tuning_optimizer(self)
        if isinstance(loss, str) and loss == "auto":
            loss = classes.ClassLoss(
                from_logits=True, reduction="mean_with_sample_weight"
            )
        kwargs.setdefault(
            "weighted_metrics",
            [keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        )
        super().compile(optimizer=optimizer, loss=loss, **kwargs)

    def prepare(
        self, x: Any, y: Any = None, sample_weight: Any = None
    ) -> tuple[Any, Any, Any] | None:
        if y is None:
            return self.preprocessor(x, y=None), None, None
        y = [
            [
                classes.class_of(tag, self.class_names, self.num_classes)
                for tag in tags
            ]
            for tags in y
        ]
        return self.preprocessor(x, y=y, sample_weight=sample_weight)

    def predict(self, x: Any = None, **kwargs: Any) -> Any:
        """Classes of words; see the class."""
        if not isinstance(x, list | tuple):
            return super().predict(x, **kwargs)
        if x and all(isinstance(text, str) for text in x):
            words = [_WORD.findall(text) for text in x]
            return [
                list(zip(*pair))
                for pair in zip(words, self.predict(words, **kwargs))
            ]
        best = [p.argmax(-1) for p in self._word_logits(x, **kwargs)]
        return [[self.class_names[i] for i in row] for row in best]

    def _word_logits(self, sentences, **kwargs):
        """Logits (words, num_classes) of each sentence."""
        check_words(sentences)
        if self.preprocessor is None:
            raise ValueError(
                "Words need a preprocessor, and this task has none."
            )
        rows = self.preprocessor.rows(sentences)
        found = [np.zeros((len(s), self.num_classes), "f4") for s in sentences]
        if rows:
            kwargs.setdefault("verbose", 0)
            logits = super().predict(self.preprocessor.pack(rows), **kwargs)
            for row, values in zip(rows, logits):
                end = row.first_word + len(row.word_starts)
                found[row.sentence][row.first_word : end] = values[
                    row.word_starts
                ]
        return found

    def entities(
        self, texts: Sequence[str], **kwargs: Any
    ) -> list[list[dict[str, Any]]]:
        """The chunks of running text, by BIO or BIOES class names.

        Args:
            texts: list of string.
            **kwargs: for `predict`, e.g. `batch_size`.

        Returns:
            for each text a list of dicts `text`, `start`, `end` (characters
            of the text), `label` and `score`, the mean probability of the
            words' classes.

        Raises:
            ValueError: the class names are not BIO or BIOES tags.
        """
        self.check_tags()
        split = [self.split(text) for text in texts]
        logits = self._word_logits([words for _, words in split], **kwargs)
        return [
            self.decode(text, places, values)
            for text, (places, _), values in zip(texts, split, logits)
        ]

    def check_tags(self) -> None:
        """Raise `ValueError` unless the class names are BIO or BIOES tags."""
        strange = [name for name in self.class_names if not is_tag(name)]
        if strange:
            raise ValueError(
                "Entities need class names such as O and B-LOC. This task "
                f"has: {strange}"
            )

    def split(self, text: str) -> tuple[list[tuple[int, int]], list[str]]:
        """Places (start, end) of a text's words, and the words: two lists."""
        places = [match.span() for match in _WORD.finditer(text)]
        return places, [text[start:end] for start, end in places]

    def decode(
        self, text: str, places: Sequence[tuple[int, int]], logits: np.ndarray
    ) -> list[dict[str, Any]]:
        """One text's entities, of the float (words, num_classes) logits of
        the words that `split` gave."""
        if not places:
            return []
        best = logits.argmax(-1)
        probability = np.exp(logits - logits.max(-1, keepdims=True))
        probability = (probability / probability.sum(-1, keepdims=True)).max(-1)
        found = []
        for label, first, end in chunks([self.class_names[i] for i in best]):
            start, stop = places[first][0], places[end - 1][1]
            found.append(
                {
                    "text": text[start:stop],
                    "start": start,
                    "end": stop,
                    "label": label,
                    "score": float(probability[first:end].mean()),
                }
            )
        return found

    @classmethod
    def check_new_head(cls, preset: str, kwargs: dict[str, Any]) -> None:
        classes.check_new_head(cls, preset, kwargs)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.update(
            {
                "num_classes": self.num_classes,
                "class_names": self.class_names,
                "dropout": self.dropout,
            }
        )
        return config
