"""From a corpus to masked batches."""

import importlib

from keras_rtd.data.dataset import pretraining_dataset
from keras_rtd.data.dataset import resume_at

# Imported on use: `python -m keras_rtd.data.vocabulary` wants to import its
# module itself, and locking files is not for every system that trains.
_LAZY = {
    "prepare_corpus": "keras_rtd.data.preparation",
    "train_vocabulary": "keras_rtd.data.vocabulary",
}

__all__ = [
    "prepare_corpus",
    "pretraining_dataset",
    "resume_at",
    "train_vocabulary",
]


def __getattr__(name):
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
