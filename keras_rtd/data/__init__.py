"""From a corpus to masked batches."""

from typing import TYPE_CHECKING

from keras_rtd.data import readers
from keras_rtd.data.dataset import pretraining_dataset
from keras_rtd.data.dataset import resume_at
from keras_rtd.utils.public_names import listed
from keras_rtd.utils.public_names import on_use

# `python -m keras_rtd.data.vocabulary` wants to import its module itself, and
# locking files is not for every system that trains.
if TYPE_CHECKING:
    from keras_rtd.data.preparation import prepare_corpus
    from keras_rtd.data.vocabulary import train_vocabulary
else:
    __getattr__ = on_use(
        __name__,
        {
            "prepare_corpus": "keras_rtd.data.preparation",
            "train_vocabulary": "keras_rtd.data.vocabulary",
        },
    )

__dir__ = listed(__name__)

__all__ = [
    "prepare_corpus",
    "pretraining_dataset",
    "readers",
    "resume_at",
    "train_vocabulary",
]
