"""What the settings of a run may be."""

import dataclasses

from keras_rtd import objectives

# Settings that are options of objectives, where an objective has them.
OBJECTIVE_OPTIONS = (
    "discriminator_weight",
    "masked_lm_weight",
    "all_tokens_weight",
    "temperature",
    "final_temperature",
    "temperature_steps",
    "unigram_warmup_steps",
)


def check_ranges(config):
    """Refuse values out of range.

    Args:
        config: `PretrainConfig`.

    Raises:
        ConfigError: the first bad value, with its rule.
    """
    for name in (
        "train_steps",
        "batch_size",
        "accumulate_steps",
        "steps_per_execution",
        "eval_batches",
        "checkpoint_every",
        "eval_every",
        "keep_checkpoints",
    ):
        config.check(name, getattr(config, name) >= 1, "at least 1")
    each = config.steps_per_execution
    for name in ("train_steps", "eval_every", "checkpoint_every"):
        config.check(
            name,
            getattr(config, name) % each == 0,
            f"a multiple of --steps_per_execution={each}",
        )
    config.check("sequence_length", config.sequence_length >= 8, "at least 8")
    config.check("mask_rate", 0 < config.mask_rate < 1, "between 0 and 1")
    config.check("temperature", config.temperature > 0, "above 0")
    for name in (
        "learning_rate",
        "adam_lr_ratio",
        "generator_learning_rate",
    ):
        value = getattr(config, name)
        config.check(name, value is None or value > 0, "above 0")
    for name in ("seed", "unigram_warmup_steps", "discriminator_weight"):
        config.check(name, getattr(config, name) >= 0, "0 or more")
    for name in ("warmup_steps", "weight_decay"):
        value = getattr(config, name)
        config.check(name, value is None or value >= 0, "0 or more")
    config.check(
        "ema_momentum",
        config.ema_momentum is None or 0 < config.ema_momentum < 1,
        "between 0 and 1",
    )
    config.check(
        "dropout",
        config.dropout is None or 0 <= config.dropout < 1,
        "from 0 up to 1",
    )
    config.check(
        "generator_dropout",
        config.generator_dropout is None or 0 <= config.generator_dropout < 1,
        "from 0 up to 1",
    )
    for name in (
        "generator_num_layers",
        "generator_hidden_dim",
        "temperature_steps",
    ):
        value = getattr(config, name)
        config.check(name, value is None or value >= 1, "at least 1")
    config.check(
        "final_temperature",
        config.final_temperature is None or config.final_temperature > 0,
        "above 0",
    )
    config.check(
        "temperature_steps",
        (config.temperature_steps is None)
        == (config.final_temperature is None),
        "given together with --final_temperature",
    )
    for name in ("masked_lm_weight", "all_tokens_weight"):
        value = getattr(config, name)
        config.check(name, value is None or value >= 0, "0 or more")
    config.check(
        "validation_fraction",
        0 < config.validation_fraction < 1,
        "between 0 and 1",
    )
    for field in dataclasses.fields(config):
        choices = field.metadata["choices"]
        config.check(
            field.name,
            choices is None
            or getattr(config, field.name) in (*choices, field.default),
            f"one of {', '.join(choices or ())}",
        )
    config.check(
        "learning_rate",
        config.optimizer != "lamb" or config.learning_rate is not None,
        "given with --optimizer=lamb, as presets have AdamW's, which "
        "would hardly move it (0.001 to 0.01 is usual)",
    )


def check_frozen_generator(config):
    """Refuse what has no meaning for a generator that only draws.

    Raises:
        ConfigError: the first such setting.
    """
    defaults = config.defaults()

    def left_out(name, when):
        config.check(
            name,
            getattr(config, name) == defaults[name],
            f"left out with {when}",
        )

    if config.frozen_generator is None:
        config.check(
            "replacements",
            config.replacements is None,
            "given with --frozen_generator, which drew them",
        )
        return
    try:
        objectives.get(config.objective, frozen_generator=True)
    except ValueError:
        config.check(
            "frozen_generator",
            False,
            f"left out: --objective={config.objective} samples from no "
            "masked LM",
        )
    for name in (
        "embedding_sharing",
        "generator_learning_rate",
        "generator_dropout",
        "generator_num_layers",
        "generator_hidden_dim",
    ):
        left_out(name, "--frozen_generator, which does not learn")
    if config.replacements is not None:
        left_out("unigram_warmup_steps", "--replacements, drawn beforehand")
        config.check(
            "replacements",
            len(config.phases()) == 1,
            "left out with two phases: their windows differ",
        )


def check_objective_options(config, names):
    """Refuse options that no objective of a command has.

    Args:
        config: `PretrainConfig`.
        names: list of the objectives' names.

    Raises:
        ConfigError: the first such setting.
    """
    known = {name for o in names for name in objectives.option_names(o)}
    defaults = config.defaults()
    for name in OBJECTIVE_OPTIONS:
        config.check(
            name,
            name in known or getattr(config, name) == defaults[name],
            f"left out: --objective={' or '.join(names)} has no such option",
        )
