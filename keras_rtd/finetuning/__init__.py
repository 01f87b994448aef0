"""What the fine-tuning recipes share."""

from keras_rtd.evaluation.suites import register as _register
from keras_rtd.finetuning import suites as _suites
from keras_rtd.finetuning.run import finetune
from keras_rtd.finetuning.run import main
from keras_rtd.finetuning.settings import FineTuneSettings
from keras_rtd.finetuning.settings import resolve
from keras_rtd.utils.public_names import listed

for _suite in (_suites.glue, _suites.tagging, _suites.squad):
    _register(_suite.__name__, _suite)

__all__ = ["FineTuneSettings", "finetune", "main", "resolve"]

__dir__ = listed(__name__)
