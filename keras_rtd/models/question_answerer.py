"""Answers to questions, as spans of a context."""

from collections.abc import Sequence
from typing import Any
from typing import Self

import keras
import numpy as np
from keras import ops

from keras_rtd.keras_internals import SubclassedTask
from keras_rtd.keras_internals import init_task
from keras_rtd.layers.span_head import SpanHead
from keras_rtd.models import answers
from keras_rtd.models.encoder_backbone import RtdBackbone
from keras_rtd.models.fine_tuning_task import FineTuningTask
from keras_rtd.models.preprocessor import ElectraPreprocessor
from keras_rtd.models.question_answerer_preprocessor import (
    ElectraQuestionAnswererPreprocessor,
)
from keras_rtd.models.question_answerer_preprocessor import check_questions
from keras_rtd.training.fine_tuning_optimizer import make_fine_tuning_optimizer
from keras_rtd.utils.types import Tensor

NO_ANSWER_WEIGHT = 0.5
ENCODER_INPUTS = ("token_ids", "segment_ids", "padding_mask")


@keras.saving.register_keras_serializable(package="keras_rtd")
class ElectraQuestionAnswerer(FineTuningTask, SubclassedTask):
    """Finds the answer to a question in a text, or that there is none.

    The start, the end given the start, and whether there is an answer, as
    google-research/electra fine-tunes SQuAD (finetune/qa/qa_tasks.py); see
    `keras_rtd.layers.span_head.SpanHead`.

    `fit` takes a dict of `question` and `context`, lists of string, and a list
    of answers; see `ElectraQuestionAnswererPreprocessor`. `predict` of such a
    dict gives for each question a dict of `text`, `start`, `end` (characters
    of the context), `score` (a probability), `no_answer_probability` (`None`
    without the classifier) and `n_best`, a list of dicts of the first four.
    No answer is the text "" with start and end 0.

    Args:
        backbone: `ElectraBackbone` or another `RtdBackbone`.
        preprocessor: `ElectraQuestionAnswererPreprocessor` or `None`.
        no_answer: bool. Whether questions may have no answer (SQuAD 2.0).
            Defaults to `False`.
        no_answer_threshold: float. From this probability on there is no
            answer. Defaults to 0.5.
        max_answer_length: int. In tokens. Defaults to 30.
        num_best: int. Length of `n_best`, and of the beam. Defaults to 20.

    Example:
    ```python
    answerer = keras_rtd.models.ElectraQuestionAnswerer.from_preset("runs/mine")
    answerer.fit(
        {"question": ["Who slept?"], "context": ["Ada slept."]},
        [{"text": "Ada", "answer_start": 0}],
    )
    answerer.predict({"question": ["Who?"], "context": ["It was Ada."]})
    ```
    """

    preprocessor_cls = ElectraQuestionAnswererPreprocessor
    sequence_length = 512
    pipeline_tag = "question-answering"

    def __init__(
        self,
        backbone: RtdBackbone,
        preprocessor: ElectraPreprocessor | None = None,
        no_answer: bool = False,
        no_answer_threshold: float = 0.5,
        max_answer_length: int = 30,
        num_best: int = 20,
        **kwargs: Any,
    ) -> None:
        compile = kwargs.pop("compile", True)
        init_task(self, **kwargs)
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.span_head = SpanHead(
            beam_size=num_best,
            no_answer=no_answer,
            dtype=backbone.dtype_policy,
            name="span_head",
        )
        self.span_head.build((None, None, backbone.hidden_dim))
        self.no_answer = no_answer
        self.no_answer_threshold = no_answer_threshold
        self.max_answer_length = max_answer_length
        self.num_best = num_best
        self.dtype_policy = backbone.dtype_policy
        self.built = True
        if compile:
            self.compile()

    def compile(self, optimizer: Any = "auto", **kwargs: Any) -> None:
        """As `keras.Model.compile`, without `loss`, which is the task's own.

        Args:
            optimizer: `"auto"` takes
                `keras_rtd.training.make_fine_tuning_optimizer(self)`.
            **kwargs: for `keras.Model.compile`.
        """
        if isinstance(optimizer, str) and optimizer == "auto":
            optimizer = make_fine_tuning_optimizer(self)
        keras.Model.compile(self, optimizer=optimizer, **kwargs)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        encoded = self.backbone(
            {name: inputs[name] for name in ENCODER_INPUTS}, training=training
        )
        passage = ops.logical_and(
            ops.cast(inputs["segment_ids"], "bool"),
            ops.cast(inputs["padding_mask"], "bool"),
        )
        # [CLS] is where windows without the answer point.
        first = ops.arange(ops.shape(passage)[1]) == 0
        return self.span_head(
            encoded["sequence_output"],
            ops.logical_or(passage, first[None]),
            inputs.get("start_positions"),
        )

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        **kwargs: Any,
    ) -> Tensor:
        """Half the cross-entropies of start and end, and where there is a
        classifier, half its own."""
        loss = 0.0
        for part in ("start", "end"):
            loss = loss + 0.5 * ops.mean(
                ops.sparse_categorical_crossentropy(
                    y[f"{part}_positions"],
                    y_pred[f"{part}_logits"],
                    from_logits=True,
                )
            )
        if self.no_answer:
            loss = loss + NO_ANSWER_WEIGHT * ops.mean(
                ops.binary_crossentropy(
                    ops.cast(y["no_answer"], "float32"),
                    y_pred["no_answer_logits"],
                    from_logits=True,
                )
            )
        return loss

    def prepare(
        self, x: Any, y: Any = None, sample_weight: Any = None
    ) -> tuple[Any, Any, Any] | None:
        if sample_weight is not None:
            raise ValueError(
                "Answering questions takes no `sample_weight`: every window "
                "counts alike."
            )
        if y is None:
            return self.preprocessor(x, y=None), None, None
        features, labels = self.preprocessor(x, y=y)
        if not self.no_answer and labels["no_answer"].any():
            raise ValueError(
                "Some questions have no answer, and this task was made with "
                "no_answer=False: pass no_answer=True to from_preset, or leave "
                "these questions out."
            )
        return features, labels, None

    def predict(self, x: Any = None, **kwargs: Any) -> Any:
        """Answers to questions; see the class. Prepared batches give what
        `SpanHead` returns."""
        if not isinstance(x, dict) or "token_ids" in x:
            return super().predict(x, **kwargs)
        questions, contexts = check_questions(x)
        if self.preprocessor is None:
            raise ValueError(
                "Questions need a preprocessor, and this task has none."
            )
        if not questions:
            return []
        windows = self.preprocessor.windows(questions, contexts)
        kwargs.setdefault("verbose", 0)
        outputs = super().predict(self.preprocessor.pack(windows), **kwargs)
        return self.decode(windows, outputs, contexts)

    def decode(
        self,
        windows: Sequence[Any],
        outputs: dict[str, np.ndarray],
        contexts: Sequence[str],
    ) -> list[dict[str, Any]]:
        """Answers, as `predict` gives them, of what the model gave for the
        preprocessor's windows."""
        return answers.best_answers(
            windows,
            outputs,
            contexts,
            max_answer_length=self.max_answer_length,
            num_best=self.num_best,
            threshold=self.no_answer_threshold if self.no_answer else None,
        )

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(
            **{
                name: keras.layers.deserialize(value)
                if name in ("backbone", "preprocessor")
                and isinstance(value, dict)
                else value
                for name, value in config.items()
            }
        )

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.update(
            {
                "no_answer": self.no_answer,
                "no_answer_threshold": self.no_answer_threshold,
                "max_answer_length": self.max_answer_length,
                "num_best": self.num_best,
            }
        )
        return config
