"""LAMB, with AdamW's exemptions."""

from typing import Any

import keras
from keras import ops

from keras_rtd.training.adamw import AdamW
from keras_rtd.utils.types import Tensor


@keras.saving.register_keras_serializable(package="keras_rtd")
class Lamb(AdamW):
    """LAMB: AdamW's step, as long as the variable it changes.

    For large batches. Source: You et al., https://arxiv.org/abs/1904.00962,
    algorithm 2; biases and LayerNorm keep AdamW's step, as in the authors'
    code. `keras.optimizers.Lamb` scales those too, and decays apart from the
    scaled step.

    Args: those of `AdamW`; `bias_correction` defaults to `True`.
    """

    def __init__(
        self,
        learning_rate: float
        | keras.optimizers.schedules.LearningRateSchedule = 5e-4,
        bias_correction: bool = True,
        name: str = "lamb",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate=learning_rate,
            bias_correction=bias_correction,
            name=name,
            **kwargs,
        )

    def update_all(
        self,
        gradients: list[Tensor],
        variables: list[keras.Variable],
        learning_rate: Tensor,
    ) -> None:
        # Each variable has a norm of its own: none are updated together.
        for gradient, variable in zip(gradients, variables):
            self.update_step(gradient, variable, learning_rate)

    def scaled(self, step: Tensor, w: Tensor, decays: bool) -> Tensor:
        if not decays:
            return step
        of_weights, of_step = (
            ops.sqrt(ops.sum(ops.square(x))) for x in (w, step)
        )
        defined = ops.logical_and(of_weights > 0, of_step > 0)
        ratio = of_weights / ops.where(defined, of_step, 1.0)
        return step * ops.where(defined, ratio, 1.0)
