"""Models scored on what they are for: files in, numbers out."""

from keras_rtd.evaluation import glue
from keras_rtd.evaluation import squad
from keras_rtd.evaluation import tagging

__all__ = ["glue", "squad", "tagging"]
