"""The settings of a pre-training run, and its command line."""

import dataclasses
from typing import ClassVar

from keras_rtd.data.windows import OLD_SEGMENTS
from keras_rtd.data.windows import SEGMENTS
from keras_rtd.models import families
from keras_rtd.models.encoders import SHARING
from keras_rtd.objectives import OBJECTIVES
from keras_rtd.objectives import option_names
from keras_rtd.pretraining.config_checks import OBJECTIVE_OPTIONS
from keras_rtd.pretraining.config_checks import check_frozen_generator
from keras_rtd.pretraining.config_checks import check_objective_options
from keras_rtd.pretraining.config_checks import check_ranges
from keras_rtd.pretraining.phase import Phase
from keras_rtd.pretraining.settings import ConfigError
from keras_rtd.pretraining.settings import setting
from keras_rtd.training.optimizers import OPTIMIZERS
from keras_rtd.training.schedules import SCHEDULES
from keras_rtd.training.strategy import STRATEGIES
from keras_rtd.utils.hardware import fast_dtype
from keras_rtd.utils.remote import is_remote

DTYPES = ("float32", "mixed_bfloat16", "mixed_float16", "auto")

# What a continued run may change without changing its result.
FREE = (
    "run_dir",
    "checkpoint_every",
    "eval_every",
    "keep_checkpoints",
    "profile",
    "steps_per_execution",
    "strategy",
    "model_devices",
    "tpu",
)


@dataclasses.dataclass(frozen=True)
class PretrainConfig:
    """Settings of a run; a recipe is a subclass with its own defaults.

    `None` for a rate, a dropout or a number of warmup steps takes the
    preset's.

    Raises:
        ConfigError: a value out of range.
    """

    # Whether `run_dir` may be in an object store.
    remote_run_dir: ClassVar[bool] = True

    preset: str = setting(
        "electra_small_uncased_en", "bundled preset or preset directory"
    )
    objective: str = setting(
        "electra", "what is learned", choices=tuple(OBJECTIVES)
    )
    strategy: str = setting(
        "single", "how devices share the work", choices=STRATEGIES
    )
    model_devices: int | None = setting(
        None,
        "with --strategy=model_parallel: devices that share one copy of the "
        "weights (default all)",
    )
    tpu: str | None = setting(
        None, "with --strategy=tpu: the TPU's name (default this machine's)"
    )
    data: tuple = setting(
        (), "text files, globs, folders, or a prepared directory", nargs="+"
    )
    run_dir: str = setting(
        "runs/pretrain", "where everything is written; gs://… too"
    )
    train_steps: int = setting(1_000_000, "optimiser steps of the whole run")
    batch_size: int = setting(128, "windows a step")
    accumulate_steps: int = setting(
        1,
        "micro-batches of a step, computed one after the other to need less "
        "memory",
    )
    steps_per_execution: int = setting(
        1,
        "steps of one program, which saves the host's work between small "
        "steps (TensorFlow on one device, JAX)",
    )
    sequence_length: int = setting(128, "tokens a window")
    mask_rate: float = setting(0.15, "share of tokens the generator fills")
    segments: str = setting(
        "pair",
        "windows of two segments, of one, or that documents share without "
        "padding, each attending to itself alone",
        choices=(*SEGMENTS, *OLD_SEGMENTS),
    )
    seed: int = setting(0, "of weights, order, masks and draws")
    optimizer: str | None = setting(
        None,
        "lamb is for large batches, and wants a --learning_rate of its own; "
        "muon moves the encoders' kernels, adamw the rest (default the "
        "preset's)",
        choices=tuple(OPTIMIZERS),
    )
    learning_rate: float | None = setting(None, "peak rate")
    adam_lr_ratio: float | None = setting(
        None,
        "with muon, the rate of what AdamW moves as a part of the peak rate "
        "(default the preset's, or 1)",
    )
    generator_learning_rate: float | None = setting(
        None, "peak rate of the generator's own weights"
    )
    warmup_steps: int | None = setting(None, "steps of linear warmup")
    schedule: str = setting(
        "polynomial", "how the rate falls", choices=tuple(SCHEDULES)
    )
    weight_decay: float | None = setting(
        None,
        "decoupled, of kernels and embeddings (default the preset's, or 0.01)",
    )
    ema_momentum: float | None = setting(
        None,
        "of exponential moving averages of the weights, which are then what "
        "is evaluated and saved at the end, e.g. 0.999 (default none)",
    )
    dropout: float | None = setting(None, "dropout rate of both encoders")
    generator_dropout: float | None = setting(
        None, "dropout rate of the generator, also when it draws"
    )
    family: str | None = setting(
        None,
        "family of the encoders (default the preset's)",
        choices=tuple(families.FAMILIES),
    )
    block: str | None = setting(
        None,
        "old name of --family",
        choices=tuple(families.OLD_NAMES),
    )
    local_attention_window: int | None = setting(
        None,
        "with --family=modernbert: tokens that two layers of three attend to, "
        "around each (default the preset's)",
    )
    embedding_sharing: str = setting(
        "shared",
        "gradient_disentangled: the encoder adds tables to the generator's; "
        "separate: each has its own",
        choices=SHARING,
    )
    frozen_generator: str | None = setting(
        None,
        "preset or run directory whose masked LM draws, and does not learn",
    )
    replacements: str | None = setting(
        None,
        "folder that keras_rtd.pretraining.draw_replacements wrote for it",
    )
    generator_num_layers: int | None = setting(None, "generator's layers")
    generator_hidden_dim: int | None = setting(
        None, "generator's width; brings heads of 64 and 4 x inner width"
    )
    remat: bool = setting(
        False,
        "activation checkpointing: compute the encoders' layers again for "
        "their gradients, to need less memory",
    )
    dtype: str = setting(
        "float32",
        "dtype policy; auto: mixed_bfloat16 where the devices are fast at it",
        choices=DTYPES,
    )
    discriminator_weight: float = setting(50.0, "weight of detection's loss")
    temperature: float = setting(1.0, "of the generator's draws")
    final_temperature: float | None = setting(
        None, "where the temperature goes within --temperature_steps"
    )
    temperature_steps: int | None = setting(
        None, "steps from --temperature to --final_temperature"
    )
    masked_lm_weight: float | None = setting(
        None, "weight of the encoder's own prediction of masked tokens"
    )
    all_tokens_weight: float | None = setting(
        None, "weight of all_tokens_mlm's prediction of all tokens"
    )
    unigram_warmup_steps: int = setting(
        0,
        "first steps whose replacements move from the corpus's word "
        "frequencies to the generator's draws (0: ELECTRA as published)",
    )
    init_from: str | None = setting(
        None, "preset directory whose weights to start from"
    )
    vocabulary: str | None = setting(
        None, "vocabulary file in place of the preset's"
    )
    cased: bool = setting(False, "with --vocabulary: keep upper case")
    keep_accents: bool = setting(False, "with --vocabulary: keep accents")
    documents: str = setting(
        "blank_line",
        "what separates documents in text files",
        choices=("blank_line", "line"),
    )
    errors: str = setting(
        "strict",
        "bytes that are not UTF-8: stop, or replace them",
        choices=("strict", "replace"),
    )
    validation_fraction: float = setting(
        0.01, "share of documents held out (text; prepared data has its own)"
    )
    checkpoint_every: int = setting(1000, "steps between checkpoints")
    keep_checkpoints: int = setting(3, "newest checkpoints kept")
    eval_every: int = setting(1000, "steps between evaluations")
    eval_batches: int = setting(50, "held-out batches an evaluation")
    profile: bool = setting(
        False, "measure where a step's time goes, write a trace, and stop"
    )

    def __post_init__(self):
        check_ranges(self)
        check_frozen_generator(self)
        self._check_objective_options()
        self.check("data", len(self.data) > 0, "given: files or a folder")
        self.check(
            "run_dir",
            self.remote_run_dir or not is_remote(self.run_dir),
            "a folder of this machine for this recipe",
        )
        if self.dtype == "auto":
            # What the run directory remembers is the dtype itself.
            object.__setattr__(self, "dtype", fast_dtype())

    def _check_objective_options(self):
        check_objective_options(self, [self.objective])

    def objective_config(self):
        """The options of the objective, as `ElectraPretrainer` takes them."""
        known = option_names(self.objective)
        options = {
            name: getattr(self, name)
            for name in OBJECTIVE_OPTIONS
            if name in known and getattr(self, name) is not None
        }
        if self.frozen_generator is not None:
            options["frozen_generator"] = True
        if "mask_rate" in known:
            options["mask_rate"] = self.mask_rate
        return options

    def generator_arguments(self):
        """Arguments of `from_preset` for the generator alone."""
        names = (
            "generator_dropout",
            "generator_num_layers",
            "generator_hidden_dim",
        )
        return {
            name: getattr(self, name)
            for name in names
            if getattr(self, name) is not None
        }

    def check(self, name, good, rule):
        """Raise `ConfigError` with the setting's name unless `good`."""
        if not good:
            raise ConfigError(
                f"--{name} must be {rule}. Received: {getattr(self, name)!r}"
            )

    def phases(self):
        """list of `Phase`, in order."""
        return [
            Phase(0, self.train_steps, self.batch_size, self.sequence_length)
        ]

    def optimizer_config(self):
        """Arguments of `make_optimizer` that the settings decide."""
        names = (
            "optimizer",
            "learning_rate",
            "adam_lr_ratio",
            "generator_learning_rate",
            "warmup_steps",
            "weight_decay",
            "ema_momentum",
        )
        given = {name: getattr(self, name) for name in names}
        return {
            **{k: v for k, v in given.items() if v is not None},
            "schedule": self.schedule,
            "train_steps": self.train_steps,
        }

    def to_dict(self):
        """The settings as JSON can hold them."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
        }

    def defaults(self):
        """The value of each setting unless given."""
        return {f.name: f.default for f in dataclasses.fields(self)}

    def binding(self):
        """What a continuation of the run must not change."""
        return {k: v for k, v in self.to_dict().items() if k not in FREE}
