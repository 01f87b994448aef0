"""The training step, optimiser, schedules and checkpoints."""

from keras_rtd.training.checkpoint import Checkpoint
from keras_rtd.training.checkpoint import CheckpointError
from keras_rtd.training.optimizers import AdamW
from keras_rtd.training.optimizers import make_optimizer
from keras_rtd.training.schedules import WarmupCosineDecay
from keras_rtd.training.schedules import WarmupPolynomialDecay
from keras_rtd.training.schedules import WarmupStableDecay

__all__ = [
    "AdamW",
    "Checkpoint",
    "CheckpointError",
    "WarmupCosineDecay",
    "WarmupPolynomialDecay",
    "WarmupStableDecay",
    "make_optimizer",
]
