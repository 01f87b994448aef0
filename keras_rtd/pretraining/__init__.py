"""Whole runs: settings, run directory, evaluation, report."""

from keras_rtd.pretraining.resolution import resolve
from keras_rtd.pretraining.run import main
from keras_rtd.pretraining.run import pretrain
from keras_rtd.pretraining.settings import PretrainSettings
from keras_rtd.utils.public_names import listed

__all__ = ["PretrainSettings", "main", "pretrain", "resolve"]

__dir__ = listed(__name__)
