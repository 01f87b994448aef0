"""What a `TrainStep` expects of the model it is mixed into."""

from collections.abc import Callable
from typing import Any


class StepInterface:
    """Declares; a `keras.Model` and its subclass define."""

    objective: Any
    optimizer: Any
    pretraining_metrics: Any
    trainable_variables: Any
    non_trainable_variables: Any
    metrics_variables: Any
    run_objective: Callable[..., dict]

    def best_jit_compile(self):
        """Whether XLA makes this backend's step faster on its devices."""
        raise NotImplementedError
