"""Replacements sampled beforehand, and the run that reads them."""

from keras_rtd.data.replacements import Replacements
from keras_rtd.models.frozen_generator import fingerprint
from keras_rtd.utils.setting import ConfigError


def generator_settings(generator, head, options, batch_size):
    """What samples depend on beside the data: a dict for JSON.

    Args:
        generator: `ElectraBackbone`.
        head: its `MaskedLMHead`.
        options: has `temperature`, `final_temperature` and `temperature_steps`.
        batch_size: int. Windows a step.
    """
    steps = options.temperature_steps
    return {
        "generator": fingerprint(generator, head),
        "temperature": options.temperature,
        "final_temperature": options.final_temperature,
        "temperature_examples": steps * batch_size if steps else None,
    }


def check_replacements(replacements, pretrainer, phase):
    """Refuse replacements of another generator or temperature, or too few.

    Whether they are of this data is checked where the data is read.

    Args:
        replacements: string, their folder.
        pretrainer: `ElectraPretrainer` with a frozen generator.
        phase: the run's only `Phase`.

    Raises:
        ValueError: they were sampled for something else.
        ConfigError: a falling temperature, and not enough of them.
    """
    options = pretrainer.objective
    wanted = generator_settings(
        pretrainer.generator,
        pretrainer.masked_lm_head,
        options,
        phase.batch_size,
    )
    sampled = Replacements(replacements)
    sampled.check(wanted)
    needed = phase.last_step * phase.batch_size
    if options.temperature_steps and sampled.examples < needed:
        raise ConfigError(
            f"--replacements {replacements} has {sampled.examples:,} of "
            f"{needed:,} windows, and a temperature that falls cannot begin "
            "again: sample more --epochs"
        )
