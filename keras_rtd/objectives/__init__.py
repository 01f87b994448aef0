"""What is corrupted, what is predicted, how the losses combine."""

from keras_rtd.objectives.base import Objective
from keras_rtd.objectives.corruption import Corruption
from keras_rtd.objectives.detection import Detection
from keras_rtd.objectives.detection import WeightedDetection
from keras_rtd.objectives.electra import Electra
from keras_rtd.objectives.electra import Electra15
from keras_rtd.objectives.electric import Electric
from keras_rtd.objectives.masked_lm import AllTokensMLM
from keras_rtd.objectives.masked_lm import CorrectiveLM
from keras_rtd.objectives.masked_lm import MaskedLM
from keras_rtd.objectives.masked_lm import ReplaceMLM
from keras_rtd.objectives.prediction import Prediction
from keras_rtd.objectives.prediction import WeightedPrediction
from keras_rtd.objectives.registry import OBJECTIVES
from keras_rtd.objectives.registry import find
from keras_rtd.objectives.registry import get
from keras_rtd.objectives.registry import option_names
from keras_rtd.objectives.registry import register
from keras_rtd.objectives.term_metrics import DetectionMetrics
from keras_rtd.objectives.term_metrics import MeanLoss
from keras_rtd.objectives.term_metrics import PredictionMetrics
from keras_rtd.objectives.term_metrics import ReplacedRate
from keras_rtd.utils.public_names import listed

__all__ = [
    "OBJECTIVES",
    "AllTokensMLM",
    "CorrectiveLM",
    "Corruption",
    "Detection",
    "DetectionMetrics",
    "Electra",
    "Electra15",
    "Electric",
    "MaskedLM",
    "MeanLoss",
    "Objective",
    "Prediction",
    "PredictionMetrics",
    "ReplaceMLM",
    "ReplacedRate",
    "WeightedDetection",
    "WeightedPrediction",
    "find",
    "get",
    "option_names",
    "register",
]

__dir__ = listed(__name__)
