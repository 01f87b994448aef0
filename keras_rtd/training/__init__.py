"""The training step, optimiser, schedules and checkpoints."""

from keras_rtd.training.adamw import AdamW
from keras_rtd.training.checkpoint import Checkpoint
from keras_rtd.training.checkpoint import CheckpointError
from keras_rtd.training.fine_tuning_optimizer import make_fine_tuning_optimizer
from keras_rtd.training.lamb import Lamb
from keras_rtd.training.muon import Muon
from keras_rtd.training.optimizers import make_optimizer
from keras_rtd.training.schedules import WarmupCosineDecay
from keras_rtd.training.schedules import WarmupPolynomialDecay
from keras_rtd.training.schedules import WarmupStableDecay
from keras_rtd.training.strategy import Strategy
from keras_rtd.training.strategy import StrategyError
from keras_rtd.training.strategy import get_strategy
from keras_rtd.utils.public_names import listed

__all__ = [
    "AdamW",
    "Checkpoint",
    "CheckpointError",
    "Lamb",
    "Muon",
    "Strategy",
    "StrategyError",
    "WarmupCosineDecay",
    "WarmupPolynomialDecay",
    "WarmupStableDecay",
    "get_strategy",
    "make_fine_tuning_optimizer",
    "make_optimizer",
]

__dir__ = listed(__name__)
