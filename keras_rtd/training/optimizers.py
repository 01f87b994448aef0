"""The optimizers of pre-training, from plain numbers."""

from typing import Any

import keras

from keras_rtd.training.adamw import AdamW
from keras_rtd.training.lamb import Lamb
from keras_rtd.training.muon import Muon
from keras_rtd.training.schedules import SCHEDULES
from keras_rtd.training.schedules import TwoPhases

OPTIMIZERS = {"adamw": AdamW, "lamb": Lamb, "muon": Muon}


def make_optimizer(
    learning_rate: float = 5e-4,
    generator_learning_rate: float | None = None,
    warmup_steps: int = 10_000,
    train_steps: int | None = None,
    schedule: str = "polynomial",
    decay_power: float = 1.0,
    ema_momentum: float | None = None,
    optimizer: str = "adamw",
    phase2_steps: int = 0,
    phase2_learning_rate: float | None = None,
    **kwargs: Any,
) -> keras.optimizers.Optimizer:
    """An optimizer with a schedule, from plain numbers.

    Args:
        learning_rate: float. Peak rate. Defaults to 5e-4.
        generator_learning_rate: float or `None`. Peak rate of the generator's
            own weights. Defaults to `learning_rate`.
        warmup_steps: int. Defaults to 10,000.
        train_steps: int or `None`. `None` means no decay.
        schedule: `"polynomial"`, `"cosine"` or `"stable"`.
        decay_power: float. Of the polynomial schedule. Defaults to 1.0.
        ema_momentum: float below 1 or `None`. Keeps exponential moving
            averages of the weights, see `ElectraPretrainer.averaged_weights`.
        optimizer: `"adamw"`, `"lamb"` or `"muon"`.
        phase2_steps: int. The last of `train_steps`, which have a schedule of
            their own if `phase2_learning_rate` is given. Defaults to 0.
        phase2_learning_rate: float or `None`. Peak rate of these steps; the
            generator's changes in proportion, and so does the warmup.
        **kwargs: for `AdamW`, `Lamb` or `Muon`, such as
            `decoupled_training`.

    Returns:
        `AdamW`, `Lamb` or `Muon`.

    Raises:
        ValueError: an unknown optimizer or schedule, or a second phase that
            is not shorter than the training.
    """
    if optimizer not in OPTIMIZERS:
        raise ValueError(
            f"Unknown optimizer {optimizer!r}. Known: {', '.join(OPTIMIZERS)}"
        )
    if phase2_learning_rate is not None and not (
        0 < phase2_steps < (train_steps or 0)
    ):
        raise ValueError(
            "`phase2_learning_rate` needs `phase2_steps` between 0 and "
            f"`train_steps`. Received: phase2_steps={phase2_steps}, "
            f"train_steps={train_steps}"
        )
    if schedule not in SCHEDULES:
        raise ValueError(
            f"Unknown schedule {schedule!r}. Known: {', '.join(SCHEDULES)}"
        )

    def scheduled(peak):
        options = {"power": decay_power} if schedule == "polynomial" else {}

        def one(peak, warmup, steps):
            return SCHEDULES[schedule](
                peak, warmup_steps=warmup, train_steps=steps, **options
            )

        if phase2_learning_rate is None:
            return one(peak, warmup_steps, train_steps)
        first = (train_steps or 0) - phase2_steps
        return TwoPhases(
            one(peak, warmup_steps, first),
            one(
                peak * phase2_learning_rate / learning_rate,
                round(warmup_steps * phase2_steps / first),
                phase2_steps,
            ),
            first_steps=first,
        )

    if generator_learning_rate is not None:
        generator_learning_rate = scheduled(generator_learning_rate)
    if ema_momentum is not None:
        kwargs |= {"use_ema": True, "ema_momentum": ema_momentum}
    return OPTIMIZERS[optimizer](
        learning_rate=scheduled(learning_rate),
        generator_learning_rate=generator_learning_rate,
        **kwargs,
    )
