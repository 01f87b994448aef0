"""What every task does with what a `keras.Model` documents."""

from typing import Any

import keras
import numpy as np

from keras_rtd.models import model_card
from keras_rtd.utils.types import Path
from keras_rtd.utils.writing import SavesPreset

# Keras's export formats, and what writes the file here.
EXPORTS = {
    "onnx": "keras_rtd.export.onnx(preset, path)",
    "tf_saved_model": "keras_rtd.export.saved_model(preset, path)",
}


class PlainWeights(SavesPreset):
    """A model that says what Keras's `quantize` and `export` cannot do.

    The layers multiply query, key and value kernels in one product, which
    Keras's quantised layers do not know, and Keras's exporters write a file
    without the tokenizer, or an invalid one.

    Attributes:
        pipeline_tag: string, Hugging Face's name of what the model does, for
            its model card; `None` where there is none.
    """

    pipeline_tag: str | None = None

    def save_to_preset(
        self, preset_dir: Path, *args: Any, **kwargs: Any
    ) -> None:
        """As KerasHub's, with a model card, README.md.

        A README.md that is not ours stays as it is.

        Raises:
            ValueError: the folder is no preset, but has files of its names.
            OSError: the disk is full; one line.
        """
        super().save_to_preset(preset_dir, *args, **kwargs)
        model_card.write_for_preset(self, preset_dir)

    def quantize(self, *args: Any, **kwargs: Any) -> None:
        """Raises `ValueError`: the weights are not quantised here."""
        raise ValueError(
            f"{type(self).__name__} does not support quantize(). Save it with "
            "save_to_preset, and write 8-bit weights with "
            "keras_rtd.export.onnx(preset, path, quantize='int8')."
        )

    def export(
        self, filepath: Any, format: str = "tf_saved_model", **kwargs: Any
    ) -> None:
        """As `keras.Model.export`, a SavedModel on TensorFlow only.

        Raises:
            ValueError: another format or backend; names the function to call.
        """
        if (
            format == "tf_saved_model"
            and keras.config.backend() == "tensorflow"
        ):
            return super().export(  # type: ignore[misc]
                filepath, format=format, **kwargs
            )
        raise ValueError(
            f"{type(self).__name__} does not support export(format="
            f"{format!r}) on {keras.config.backend()}. Save it with "
            "save_to_preset, and call "
            f"{EXPORTS.get(format) or ' or '.join(EXPORTS.values())}."
        )


class TextTask(PlainWeights):
    """Stands before a KerasHub Task among the bases."""

    preprocessor: Any

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.fit`."""
        check_not_empty(x)
        return super().fit(x, *args, **kwargs)  # type: ignore[misc]

    def evaluate(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.evaluate`."""
        check_not_empty(x)
        return super().evaluate(x, *args, **kwargs)  # type: ignore[misc]

    def predict(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.predict`; no texts give arrays of no rows."""
        predict = super().predict  # type: ignore[misc]
        if not is_empty(x):
            return predict(x, *args, **kwargs)
        if self.preprocessor is None:
            raise ValueError("Texts need a preprocessor: this task has none.")
        one = ([""],) * len(x) if isinstance(x, tuple) else [""]
        kwargs["verbose"] = 0
        return keras.tree.map_structure(lambda a: a[:0], predict(one, **kwargs))


def is_empty(x: Any) -> bool:
    """Whether these are lists or arrays of no texts."""
    if isinstance(x, tuple):
        return bool(x) and all(map(is_empty, x))
    return isinstance(x, list | np.ndarray) and len(x) == 0


def check_not_empty(x: Any) -> None:
    """Raise `ValueError` where there are no texts."""
    if is_empty(x):
        raise ValueError("There is nothing to train or evaluate on: no texts.")
