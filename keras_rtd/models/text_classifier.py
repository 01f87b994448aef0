"""Classes or a number for one or two texts."""

from collections.abc import Sequence
from typing import Any

import keras
import keras_hub
import numpy as np

from keras_rtd.layers.basic import Dropout
from keras_rtd.layers.heads import MeanPooling
from keras_rtd.layers.initializers import GlorotUniform
from keras_rtd.models import classes
from keras_rtd.models.encoder_backbone import RtdBackbone
from keras_rtd.models.fine_tuning_task import FineTuningTask
from keras_rtd.models.preprocessor import ElectraPreprocessor
from keras_rtd.training.fine_tuning_optimizer import make_fine_tuning_optimizer

# What a text's vector is.
POOLINGS = ("cls", "mean")


@keras.saving.register_keras_serializable(package="keras_rtd")
class ElectraTextClassifier(FineTuningTask, keras_hub.models.TextClassifier):
    """Classifies one text or a pair, or gives them a number.

    [CLS] -> dropout -> dense, as google-research/electra fine-tunes GLUE
    (finetune/classification/classification_tasks.py). With `pooling="mean"`
    the mean over the tokens takes [CLS]'s place, which is better where a
    sentence's form is judged (CoLA, docs/finetuning.md). ModernBERT's tasks
    have dense -> gelu -> LayerNorm before the dropout, DeBERTaV3's dense ->
    gelu.

    `fit` takes strings, or a tuple of two lists of strings, and int labels;
    with `num_classes=1` labels are float and the loss is the squared error
    (STS-B: score / 5).

    Args:
        backbone: `ElectraBackbone` or another `RtdBackbone`.
        num_classes: int. 1 means regression.
        preprocessor: `ElectraPreprocessor` or `None`.
        class_names: list of string or `None`. Stored with the model.
        activation: of the output. Defaults to `None`: logits.
        dropout: float. Before the dense layer. Defaults to 0.1.
        pooling: `"cls"` or `"mean"`, over all tokens but padding. Defaults to
            `"cls"`.

    Raises:
        ValueError: another `pooling`, or classes that do not fit.

    Output: float32 (batch, num_classes).

    Example:
    ```python
    classifier = keras_rtd.models.ElectraTextClassifier.from_preset(
        "runs/mine", class_names=["negative", "positive"]
    )
    classifier.fit(["a triumph", "a bore"], [1, 0])
    classifier.predict(["no triumph"])
    ```
    """

    pipeline_tag = "text-classification"

    def __init__(
        self,
        backbone: RtdBackbone,
        num_classes: int | None = None,
        preprocessor: ElectraPreprocessor | None = None,
        class_names: Sequence[str] | None = None,
        activation: Any = None,
        dropout: float = 0.1,
        pooling: str = "cls",
        **kwargs: Any,
    ) -> None:
        num_classes, class_names = classes.check_classes(
            num_classes, class_names
        )
        if pooling not in POOLINGS:
            raise ValueError(
                f"`pooling` must be one of {', '.join(POOLINGS)}. "
                f"Received: pooling={pooling!r}"
            )
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.output_dropout = Dropout(
            dropout, dtype="float32", name="output_dropout"
        )
        self.output_dense = keras.layers.Dense(
            num_classes,
            kernel_initializer=GlorotUniform(),
            activation=activation,
            dtype="float32",
            name="logits",
        )
        x = backbone.output["pooled_output"]
        if pooling == "mean":
            # Sums of many bfloat16 vectors would lose digits.
            x = MeanPooling(dtype="float32", name="mean_pooling")(
                backbone.output["sequence_output"],
                backbone.input["padding_mask"],
            )
        self.prediction_head = backbone.make_text_head("float32")
        if self.prediction_head is not None:
            x = self.prediction_head(x)
        outputs = self.output_dense(self.output_dropout(x))
        self.num_classes = num_classes
        self.class_names = class_names
        self.activation = keras.activations.get(activation)
        self.dropout = dropout
        self.pooling = pooling
        # Whether the loss takes numbers of classes; see `compile`.
        self.int_labels = num_classes > 1
        super().__init__(inputs=backbone.input, outputs=outputs, **kwargs)

    def compile(
        self,
        optimizer: Any = "auto",
        loss: Any = "auto",
        *,
        metrics: Any = "auto",
        **kwargs: Any,
    ) -> None:
        """As `keras.Model.compile`.

        Args:
            optimizer: `"auto"` takes
                `keras_rtd.training.make_fine_tuning_optimizer(self)`.
            loss: `"auto"` takes the cross-entropy of int labels, or the
                squared error where `num_classes` is 1.
            metrics: `"auto"` takes the accuracy, or none for regression.
            **kwargs: for `keras.Model.compile`.
        """
        if isinstance(optimizer, str) and optimizer == "auto":
            optimizer = make_fine_tuning_optimizer(self)
        regression = self.num_classes == 1
        self.int_labels = not regression and (
            isinstance(loss, keras.losses.SparseCategoricalCrossentropy)
            or loss in ("auto", "sparse_categorical_crossentropy")
        )
        if isinstance(loss, str) and loss == "auto":
            softmax = self.activation is keras.activations.softmax
            loss = (
                keras.losses.MeanSquaredError()
                if regression
                else classes.ClassLoss(from_logits=not softmax)
            )
        if regression and isinstance(metrics, str) and metrics == "auto":
            metrics = []
        super().compile(optimizer, loss, metrics=metrics, **kwargs)

    def prepare(
        self, x: Any, y: Any = None, sample_weight: Any = None
    ) -> tuple[Any, Any, Any] | None:
        # All at once, so that `fit` can shuffle, which KerasHub's does not.
        parts = x if isinstance(x, tuple) else (x,)
        if not all(isinstance(p, list | np.ndarray) for p in parts):
            return None
        features = self.preprocessor(x, y=None)
        features = {
            name: keras.ops.convert_to_numpy(value)
            for name, value in features.items()
        }
        y, sample_weight = (
            np.asarray(v) if isinstance(v, list) else v
            for v in (y, sample_weight)
        )
        return features, self.check_labels(y), sample_weight

    def preprocess_samples(
        self, x: Any, y: Any = None, sample_weight: Any = None
    ) -> Any:
        """As KerasHub's, with names of classes in a `tf.data.Dataset` too."""
        if "string" in str(getattr(y, "dtype", "")):
            y = classes.numbers_in_graph(y, self.class_names)
        return super().preprocess_samples(x, y, sample_weight)

    def check_labels(self, y: Any) -> Any:
        """Labels as the loss takes them: class numbers of names.

        Raises:
            ValueError: labels of another number, kind or shape.
        """
        if not isinstance(y, np.ndarray):
            return y
        wanted = (1,) if self.num_classes == 1 or self.int_labels else None
        if wanted and y.ndim > 1 and y.shape[1:] != wanted:
            raise ValueError(
                f"The labels have the shape {y.shape}, and this loss takes one "
                "number per text. For one-hot labels call "
                "compile(loss=keras.losses.CategoricalCrossentropy("
                "from_logits=True), metrics=['categorical_accuracy']); for "
                "several classes per text BinaryCrossentropy(from_logits=True)."
            )
        if self.int_labels:
            return classes.classes_of(y, self.class_names, self.num_classes)
        if y.dtype.kind in "USO":
            raise ValueError(
                f"Labels of this loss are numbers. Received: {y.flat[0]!r}"
            )
        return y

    def weights_by_class(self, weights: dict[Any, float]) -> dict[int, float]:
        return {
            classes.class_of(name, self.class_names, self.num_classes): weight
            for name, weight in weights.items()
        }

    @classmethod
    def check_new_head(cls, preset: str, kwargs: dict[str, Any]) -> None:
        classes.check_new_head(cls, preset, kwargs)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.update(
            {
                "num_classes": self.num_classes,
                "class_names": self.class_names,
                "activation": keras.activations.serialize(self.activation),
                "dropout": self.dropout,
                "pooling": self.pooling,
            }
        )
        return config
