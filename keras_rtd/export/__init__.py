"""Models in formats that serve without keras_rtd."""

import importlib

# Lazy, because the module is a command too, and `python -m` wants to import
# it itself.
_LAZY = {
    "onnx": "keras_rtd.export.onnx_model",
    "saved_model": "keras_rtd.export.tensorflow_saved_model",
}

__all__ = ["onnx", "saved_model"]


def __getattr__(name):
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
