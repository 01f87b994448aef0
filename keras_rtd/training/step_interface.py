"""What a `TrainStep` expects of the model it is mixed into."""

import contextlib
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
    variables: Any
    jit_compile: Any
    call: Callable[..., dict]
    run_objective: Callable[..., dict]

    def best_jit_compile(self):
        """Whether XLA makes this backend's step faster on its devices."""
        raise NotImplementedError

    def prepare_optimizer(self, optimizer):
        """Called with the optimizer when compiled, before it is built."""

    def compile_function(self, function):
        """`function(batch)` as this backend runs it in a step.

        `function` returns tensors; what it changes of the model may or may
        not stay changed.
        """
        raise NotImplementedError

    def training_scope(self):
        """A context in which layers run as in the training step."""
        return contextlib.nullcontext()

    def gradients(self, batch):
        """Gradients of the scaled loss of the whole batch, in the order of
        `trainable_variables`; called within `compile_function`."""
        raise NotImplementedError
