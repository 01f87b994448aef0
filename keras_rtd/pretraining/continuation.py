"""What a continued run may have otherwise than it had before."""

import dataclasses

import numpy as np

from keras_rtd.data.identity import data_identity
from keras_rtd.keras_internals import rate_or_schedule
from keras_rtd.pretraining.run_settings import LENGTH
from keras_rtd.pretraining.run_settings import RunSettings
from keras_rtd.training import make_optimizer
from keras_rtd.utils.setting import ConfigError
from keras_rtd.utils.settings import make_group

# In config.json, beside the settings.
DATA = "data_identity"
# Steps at which two learning rates are compared.
_LOOKS = 50


def check_data(settings, stored, is_chief=True):
    """Refuse other data than the run began with.

    Only the first process of a run looks: times of copies differ.

    Args:
        settings: `PretrainSettings`.
        stored: flat dict, the run's `config.json`, or `None`.
        is_chief: bool.

    Returns:
        string, for `config.json`; `None` in other processes.

    Raises:
        ConfigError: the data changed, and `allow_changed_data` is not given.
    """
    if not is_chief:
        return None
    found = data_identity(list(settings.data.data))
    if (stored or {}).get(DATA, found) == found:
        return found
    if not settings.run.allow_changed_data:
        raise ConfigError(
            f"--data {' '.join(settings.data.data)} changed since this run "
            "began (names, sizes, times or manifest). Put the old files back, "
            "use another --run_dir, or continue with --allow_changed_data"
        )
    print("warning: the data changed since this run began")
    return found


def check_length(settings, stored, done):
    """Refuse a length under which the steps so far would have been others.

    Args:
        settings: `PretrainSettings`.
        stored: flat dict, the run's `config.json`.
        done: int, steps so far.

    Raises:
        ConfigError: names what differs.
    """
    names = [n for n in LENGTH if settings.value(n) != stored.get(n)]
    if not names or not done:
        return
    before = dataclasses.replace(
        settings,
        run=make_group(RunSettings, stored),
        optimizer=dataclasses.replace(
            settings.optimizer,
            phase2_learning_rate=stored.get("phase2_learning_rate"),
        ),
    )
    steps = np.unique(np.linspace(1, done, _LOOKS).astype(int))
    if done <= settings.run.train_steps and _steps(settings, steps) == _steps(
        before, steps
    ):
        return
    differences = [
        f"{n}: {stored.get(n)!r} there, {settings.value(n)!r} now"
        for n in names
    ]
    raise ConfigError(
        f"--run_dir {settings.run.run_dir} holds {done:,} steps that would "
        f"have had other learning rates or rows ({'; '.join(differences)}). "
        "Use the settings of before, or another --run_dir."
    )


def _steps(settings, steps):
    """(learning rate, rows, tokens per row) of each of these steps."""
    run = settings.run
    optimizer = make_optimizer(
        train_steps=run.train_steps,
        phase2_steps=run.phase2_steps,
        **settings.optimizer.arguments(settings.devices.dtype),
    )
    rate, phases = rate_or_schedule(optimizer), settings.phases()
    found = []
    for step in steps:
        phase = next(p for p in phases if step <= p.last_step)
        shape = phase.batch_size, phase.sequence_length
        found.append((float(rate(step)), *shape))
    return found
