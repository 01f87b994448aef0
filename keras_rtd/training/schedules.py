"""Learning-rate schedules.

All count steps from 1, as the reference does in effect: the first update has
the rate of step 1, so that a warmup does not waste it on a rate of 0.
"""

from typing import Any

import keras
from keras import ops

from keras_rtd.utils.types import Tensor


class _Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """Warmup times decay; subclasses say how it decays.

    Args:
        learning_rate: float. The peak.
        warmup_steps: int. Steps of linear warmup from 0. Defaults to 0.
        train_steps: int or `None`. Steps of the whole training; `None` holds
            the rate after the warmup.
    """

    def __init__(
        self,
        learning_rate: float,
        warmup_steps: int = 0,
        train_steps: int | None = None,
    ) -> None:
        super().__init__()
        if learning_rate <= 0:
            raise ValueError(
                "`learning_rate` must be above 0. "
                f"Received: learning_rate={learning_rate}"
            )
        if warmup_steps < 0:
            raise ValueError(
                "`warmup_steps` must not be negative. "
                f"Received: warmup_steps={warmup_steps}"
            )
        if train_steps is not None and train_steps < 1:
            raise ValueError(
                "`train_steps` must be at least 1. "
                f"Received: train_steps={train_steps}"
            )
        self.learning_rate = learning_rate
        self.warmup_steps = warmup_steps
        # An int wherever `decay` is called.
        self.train_steps: Any = train_steps

    def __call__(self, step: Tensor) -> Tensor:
        step = ops.cast(step, "float32") + 1.0
        rate = self.learning_rate
        if self.warmup_steps:
            rate = rate * ops.minimum(1.0, step / self.warmup_steps)
        if self.train_steps is None:
            return ops.cast(rate, "float32")
        return rate * self.decay(step)

    def decay(self, step: Tensor) -> Tensor:
        """The factor of the rate at a step, float32, counted from 1."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return {
            "learning_rate": self.learning_rate,
            "warmup_steps": self.warmup_steps,
            "train_steps": self.train_steps,
        }


@keras.saving.register_keras_serializable(package="keras_rtd")
class WarmupPolynomialDecay(_Schedule):
    """rate * (1 - t / T)^power * min(1, t / warmup), both at once.

    The reference's schedule (model/optimization.py): the decay runs during
    the warmup too.

    Args:
        learning_rate: float. The peak (never quite reached).
        warmup_steps: int. Defaults to 0.
        train_steps: int or `None` for no decay.
        power: float. Defaults to 1.0, linear.
    """

    def __init__(
        self,
        learning_rate: float,
        warmup_steps: int = 0,
        train_steps: int | None = None,
        power: float = 1.0,
    ) -> None:
        super().__init__(learning_rate, warmup_steps, train_steps)
        self.power = power

    def decay(self, step: Tensor) -> Tensor:
        left = ops.maximum(0.0, 1.0 - step / self.train_steps)
        return left if self.power == 1.0 else left**self.power

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "power": self.power}


@keras.saving.register_keras_serializable(package="keras_rtd")
class WarmupCosineDecay(_Schedule):
    """Linear warmup, then half a cosine down to 0 at `train_steps`."""

    def decay(self, step: Tensor) -> Tensor:
        span = max(1, self.train_steps - self.warmup_steps)
        done = ops.clip((step - self.warmup_steps) / span, 0.0, 1.0)
        return 0.5 * (1.0 + ops.cos(3.141592653589793 * done))


@keras.saving.register_keras_serializable(package="keras_rtd")
class WarmupStableDecay(_Schedule):
    """Linear warmup, a plateau, then a linear fall to 0 at `train_steps`.

    Args:
        learning_rate: float. The plateau.
        warmup_steps: int. Defaults to 0.
        train_steps: int or `None` for an endless plateau.
        decay_steps: int or `None`. Length of the fall. Defaults to a fifth of
            `train_steps`.
    """

    def __init__(
        self,
        learning_rate: float,
        warmup_steps: int = 0,
        train_steps: int | None = None,
        decay_steps: int | None = None,
    ) -> None:
        super().__init__(learning_rate, warmup_steps, train_steps)
        self.decay_steps = decay_steps

    def decay(self, step: Tensor) -> Tensor:
        span = self.decay_steps or max(1, self.train_steps // 5)
        return ops.clip((self.train_steps - step) / span, 0.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "decay_steps": self.decay_steps}


@keras.saving.register_keras_serializable(package="keras_rtd")
class TwoPhases(keras.optimizers.schedules.LearningRateSchedule):
    """One schedule for the first steps, another for the rest.

    Args:
        first, second: schedules; each counts its own steps.
        first_steps: int. Steps of the first.
    """

    def __init__(self, first, second, first_steps):
        super().__init__()
        parse = keras.optimizers.schedules.deserialize
        self.first, self.second = (
            parse(s) if isinstance(s, dict) else s for s in (first, second)
        )
        self.first_steps = first_steps

    def __call__(self, step):
        step = ops.cast(step, "float32")
        return ops.where(
            step < self.first_steps,
            self.first(step),
            self.second(step - self.first_steps),
        )

    def get_config(self):
        write = keras.optimizers.schedules.serialize
        return {
            "first": write(self.first),
            "second": write(self.second),
            "first_steps": self.first_steps,
        }


SCHEDULES = {
    "polynomial": WarmupPolynomialDecay,
    "cosine": WarmupCosineDecay,
    "stable": WarmupStableDecay,
}
