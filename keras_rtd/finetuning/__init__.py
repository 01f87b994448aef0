"""What the fine-tuning recipes share."""

from keras_rtd.finetuning.run import finetune
from keras_rtd.finetuning.run import main
from keras_rtd.finetuning.settings import FineTuneSettings
from keras_rtd.finetuning.settings import resolve
from keras_rtd.utils.public_names import listed

__all__ = ["FineTuneSettings", "finetune", "main", "resolve"]

__dir__ = listed(__name__)
