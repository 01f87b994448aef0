"""Replacements drawn beforehand, and the run that reads them."""

from keras_rtd.data.replacements import Replacements
from keras_rtd.models.frozen_generator import fingerprint
from keras_rtd.pretraining.settings import ConfigError


def generator_settings(generator, head, config, batch_size):
    """What draws depend on beside the data: a dict for JSON.

    Args:
        generator: `ElectraBackbone`.
        head: its `MaskedLMHead`.
        config: has `temperature`, `final_temperature` and `temperature_steps`.
        batch_size: int. Windows a step.
    """
    steps = config.temperature_steps
    return {
        "generator": fingerprint(generator, head),
        "temperature": config.temperature,
        "final_temperature": config.final_temperature,
        "temperature_examples": steps and steps * batch_size,
    }


def check_replacements(pretrainer, config, phase):
    """Refuse replacements of another generator or temperature, or too few.

    Whether they are of this data is checked where the data is read.

    Args:
        pretrainer: `ElectraPretrainer` with a frozen generator.
        config: `PretrainConfig` with `replacements`.
        phase: its only phase.

    Raises:
        ValueError: they were drawn for something else.
        ConfigError: a falling temperature, and not enough of them.
    """
    drawn = Replacements(config.replacements)
    drawn.check(
        generator_settings(
            pretrainer.generator,
            pretrainer.masked_lm_head,
            config,
            phase.batch_size,
        )
    )
    needed = phase.last_step * phase.batch_size
    if config.temperature_steps is not None and drawn.examples < needed:
        raise ConfigError(
            f"--replacements {config.replacements} has {drawn.examples:,} of "
            f"{needed:,} windows, and a temperature that falls cannot begin "
            "again: draw more --epochs"
        )
