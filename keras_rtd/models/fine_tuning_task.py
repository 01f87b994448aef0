"""What the tasks for fine-tuning share."""

import inspect
from typing import Any
from typing import Self

import keras

from keras_rtd.layers.encoder_block import ACTIVATIONS
from keras_rtd.models import families
from keras_rtd.models import other_libraries
from keras_rtd.models.bundled import DESCRIPTIONS
from keras_rtd.models.encoder_backbone import RtdBackbone
from keras_rtd.models.preprocessor import ElectraPreprocessor
from keras_rtd.models.preset_files import has_weights
from keras_rtd.models.presets import check_known
from keras_rtd.models.presets import check_vocabulary
from keras_rtd.models.presets import preset_length
from keras_rtd.models.presets import read_task_name
from keras_rtd.models.task_weights import TaskWeights
from keras_rtd.models.text_task import TextTask
from keras_rtd.models.text_task import check_not_empty
from keras_rtd.models.text_task import is_empty
from keras_rtd.training.guard import LossGuard
from keras_rtd.training.labelled_step import LabelledStep


class FineTuningTask(LabelledStep, TextTask, TaskWeights):
    """Loading, and batches that are prepared already.

    `fit`, `evaluate` and `predict` take raw data, which the preprocessor
    turns into batches, or what it returned: dicts with `token_ids`, and
    `keras.utils.PyDataset`s of these. Subclasses say in `prepare` how raw data
    becomes arrays, or leave that to KerasHub.

    Stands before a KerasHub Task among the bases.
    """

    backbone_cls = RtdBackbone
    preprocessor_cls: type = ElectraPreprocessor
    # Sequence length where neither preset nor caller says one.
    sequence_length = 128

    # === Training ===

    def prepare(
        self, x: Any, y: Any = None, sample_weight: Any = None
    ) -> tuple[Any, Any, Any] | None:
        """Arrays of raw data, `(x, y, sample_weight)`, or `None` where
        KerasHub's own pipeline does it."""
        return None

    def weights_by_class(self, weights: dict[Any, float]) -> dict[int, float]:
        """`class_weight` of `fit` with numbers of classes as keys."""
        raise ValueError(
            f"{type(self).__name__} takes no `class_weight`: it has no classes "
            "of whole rows. Repeat rare examples instead."
        )

    def fit(
        self, x: Any = None, y: Any = None, **kwargs: Any
    ) -> keras.callbacks.History:
        """As `keras.Model.fit`, on raw data or on prepared batches.

        `class_weight` may have the names of the classes as keys.

        Raises:
            ValueError: labels or weights that fit no class, or no data.
            FloatingPointError: the loss is NaN or infinite.
        """
        check_not_empty(x)
        callbacks = kwargs.pop("callbacks", None) or []
        if isinstance(callbacks, keras.callbacks.Callback):
            callbacks = [callbacks]
        kwargs["callbacks"] = [LossGuard(), *callbacks]
        if kwargs.get("class_weight") is not None:
            kwargs["class_weight"] = self.weights_by_class(
                kwargs["class_weight"]
            )
        given = kwargs.pop("validation_data", None)
        if given is not None and not _is_prepared(given):
            parts = keras.utils.unpack_x_y_sample_weight(given)
            given = self._arrays(*parts) or given
        weight = kwargs.pop("sample_weight", None)
        arrays = self._arrays(x, y, weight)
        if arrays is None:
            return super().fit(
                x, y, sample_weight=weight, validation_data=given, **kwargs
            )
        x, y, weight = arrays
        return keras.Model.fit(
            self, x, y, sample_weight=weight, validation_data=given, **kwargs
        )

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        sample_weight: Any = None,
        **kwargs: Any,
    ) -> Any:
        """As `keras.Model.evaluate`, on raw data or on prepared batches."""
        check_not_empty(x)
        arrays = self._arrays(x, y, sample_weight)
        if arrays is None or kwargs.get("_use_cached_eval_dataset"):
            return super().evaluate(x, y, sample_weight=sample_weight, **kwargs)
        x, y, weight = arrays
        return keras.Model.evaluate(self, x, y, sample_weight=weight, **kwargs)

    def predict(self, x: Any = None, **kwargs: Any) -> Any:
        """As `keras.Model.predict`, on raw data or on prepared batches."""
        if is_empty(x):
            return super().predict(x, **kwargs)
        arrays = self._arrays(x)
        if arrays is None:
            return super().predict(x, **kwargs)
        return keras.Model.predict(self, arrays[0], **kwargs)

    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, **kwargs: Any
    ) -> Any:
        """As `keras.Model.train_on_batch`, raw or prepared."""
        x, y, weight = self._batch(x, y, sample_weight)
        return keras.Model.train_on_batch(self, x, y, weight, **kwargs)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, **kwargs: Any
    ) -> Any:
        """As `keras.Model.test_on_batch`, raw or prepared."""
        x, y, weight = self._batch(x, y, sample_weight)
        return keras.Model.test_on_batch(self, x, y, weight, **kwargs)

    def predict_on_batch(self, x: Any) -> Any:
        """As `keras.Model.predict_on_batch`, raw or prepared."""
        return keras.Model.predict_on_batch(self, self._batch(x)[0])

    def _arrays(self, x, y=None, sample_weight=None):
        if _is_prepared(x) or self.preprocessor is None:
            return x, y, sample_weight
        return self.prepare(x, y, sample_weight)

    def _batch(self, x, y=None, sample_weight=None):
        arrays = self._arrays(x, y, sample_weight)
        if arrays is None:
            arrays = keras.utils.unpack_x_y_sample_weight(
                self.preprocess_samples(x, y, sample_weight)
            )
        return arrays

    # === Loading ===

    @classmethod
    def from_preset(
        cls,
        preset: str,
        load_weights: bool = True,
        sequence_length: int | None = None,
        **kwargs: Any,
    ) -> Self:
        """The task with the encoder of a preset or checkpoint.

        Args:
            preset: string. A directory written by `save_to_preset` of this
                task, of the pretrainer or of an encoder; a bundled name; a
                checkpoint of Hugging Face, KerasHub or google-research/electra
                (`"hf:DIR"`, `"keras_hub:DIR"`, `"google:PREFIX"`, or the path
                alone, where it tells what it is); or an address that KerasHub
                knows.
            load_weights: bool. Defaults to `True`.
            sequence_length: int or `None`. Length of the preprocessor's rows;
                `None` takes the preset's, and never more than the encoder has
                positions.
            **kwargs: arguments of the task, or of the encoder (`dtype`,
                …); `dropout` reaches both.

        Raises:
            ValueError: no such preset, or one without weights while
                `load_weights` is `True`.
        """
        loaded = other_libraries.load(preset)
        if loaded is not None:
            backbone, tokenizer = loaded
            if "preprocessor" not in kwargs:
                kwargs["preprocessor"] = tokenizer and cls.preprocessor_cls(
                    tokenizer, sequence_length=cls.sequence_length
                )
            encoder = cls._split(kwargs)
            if encoder or not load_weights:
                backbone = _changed(backbone, encoder, load_weights)
            task = cls(backbone=backbone, **kwargs)
        else:
            cls._check_preset(preset, load_weights, kwargs)
            encoder = cls._split(kwargs)
            if encoder:
                # KerasHub passes on nothing but the dtype.
                kwargs["backbone"] = RtdBackbone.from_preset(
                    preset, load_weights=load_weights, **encoder
                )
            own = "preprocessor" not in kwargs
            task = super().from_preset(preset, load_weights, **kwargs)
            if own:
                check_vocabulary(preset, task.preprocessor, task.backbone)
        preprocessor = task.preprocessor
        if preprocessor is not None:
            length = sequence_length or preprocessor.sequence_length
            if sequence_length is None and loaded is None:
                length = min(length, preset_length(preset) or length)
            limit = task.backbone.max_sequence_length
            if not task.backbone.uses_positions:
                limit = max(limit, sequence_length or 0)
            if sequence_length and sequence_length > limit:
                raise ValueError(
                    f"The encoder has {limit} positions. Received: "
                    f"sequence_length={sequence_length}"
                )
            preprocessor.sequence_length = min(length, limit)
        return task

    @classmethod
    def _split(cls, kwargs):
        """Take the encoder's arguments out of `kwargs`."""
        own = inspect.signature(cls.__init__).parameters
        known = families.argument_names() - {"family", "block"}
        encoder = {k: v for k, v in kwargs.items() if k in known}
        for name in encoder:
            if name not in own:
                del kwargs[name]
        # The activation of a task is that of its output.
        if (
            "activation" in own
            and encoder.pop("activation", None) in ACTIVATIONS
        ):
            raise ValueError(
                "`activation` is that of the output, e.g. 'softmax'. For an "
                "encoder with another one pass `backbone=`, made with "
                "ElectraBackbone.from_preset(preset, activation=...)."
            )
        return encoder

    @classmethod
    def _registered_name(cls):
        return f"keras_rtd>{cls.__name__}"

    @classmethod
    def _check_preset(cls, preset, load_weights, kwargs):
        check_known(preset)
        if "://" in str(preset):
            return
        if load_weights and not has_weights(preset):
            hint = (
                "a bundled preset is an architecture and a vocabulary"
                if preset in DESCRIPTIONS
                else "its model.weights.h5 is missing"
            )
            raise ValueError(
                f"The preset {str(preset)!r} has no weights ({hint}). Pass "
                f"load_weights=False for a fresh {cls.__name__}, or the "
                "directory of a trained one."
            )
        if read_task_name(preset) != cls._registered_name():
            cls.check_new_head(preset, kwargs)

    @classmethod
    def check_new_head(cls, preset: str, kwargs: dict[str, Any]) -> None:
        """Raise where a head that the preset has not lacks an argument."""


def _changed(backbone, arguments, keep_weights):
    """The encoder with other arguments."""
    config = {**backbone.get_config(), **arguments}
    other = type(backbone).from_config(config)
    if keep_weights:
        other.set_weights(backbone.get_weights())
    return other


def _is_prepared(x):
    if isinstance(x, tuple):
        x = x[0]
    if isinstance(x, dict):
        return "token_ids" in x
    return isinstance(x, keras.utils.PyDataset)
