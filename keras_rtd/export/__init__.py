"""Models in formats that serve without keras_rtd."""

from typing import TYPE_CHECKING

from keras_rtd.utils.public_names import listed
from keras_rtd.utils.public_names import on_use

# The modules are commands too, and `python -m` wants to import them itself.
if TYPE_CHECKING:
    from keras_rtd.export.onnx_model import onnx
    from keras_rtd.export.tensorflow_saved_model import saved_model
else:
    __getattr__ = on_use(
        __name__,
        {
            "onnx": "keras_rtd.export.onnx_model",
            "saved_model": "keras_rtd.export.tensorflow_saved_model",
        },
    )

__dir__ = listed(__name__)

__all__ = ["onnx", "saved_model"]
