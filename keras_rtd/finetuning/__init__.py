"""What the fine-tuning recipes share."""

from keras_rtd.finetuning.config import FineTuneConfig
from keras_rtd.finetuning.run import finetune
from keras_rtd.finetuning.run import main

__all__ = ["FineTuneConfig", "finetune", "main"]
