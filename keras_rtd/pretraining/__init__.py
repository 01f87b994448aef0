"""Whole runs: settings, run directory, evaluation, report."""

from keras_rtd.pretraining.config import PretrainConfig
from keras_rtd.pretraining.run import main
from keras_rtd.pretraining.run import pretrain
from keras_rtd.pretraining.settings import setting
from keras_rtd.pretraining.two_phases import TwoPhaseConfig

__all__ = ["PretrainConfig", "TwoPhaseConfig", "main", "pretrain", "setting"]
