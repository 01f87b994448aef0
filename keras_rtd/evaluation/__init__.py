"""Models scored on what they are for: files in, numbers out."""

from keras_rtd.evaluation import blimp
from keras_rtd.evaluation import glue
from keras_rtd.evaluation import squad
from keras_rtd.evaluation import tagging
from keras_rtd.evaluation.blimp import evaluate_blimp
from keras_rtd.evaluation.sentence_scoring import sentence_scores
from keras_rtd.evaluation.suites import SUITES
from keras_rtd.evaluation.suites import evaluate
from keras_rtd.utils.public_names import listed

__all__ = [
    "SUITES",
    "blimp",
    "evaluate",
    "evaluate_blimp",
    "glue",
    "sentence_scores",
    "squad",
    "tagging",
]

__dir__ = listed(__name__)
