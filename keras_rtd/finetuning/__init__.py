"""What the fine-tuning recipes share."""

from keras_rtd.finetuning.run import finetune
from keras_rtd.finetuning.run import main
from keras_rtd.finetuning.settings import FineTuneSettings
from keras_rtd.finetuning.settings import resolve

__all__ = ["FineTuneSettings", "finetune", "main", "resolve"]
