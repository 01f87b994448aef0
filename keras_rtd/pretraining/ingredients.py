"""The model and the data of a run, from its settings."""

import functools
import itertools

import keras
import numpy as np

from keras_rtd.data import pretraining_dataset
from keras_rtd.data import resume_at
from keras_rtd.data.dataset import at_step
from keras_rtd.data.prepared import PreparedCorpus
from keras_rtd.data.storage import is_prepared
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import ElectraTokenizer
from keras_rtd.models import families
from keras_rtd.models.presets import read_task
from keras_rtd.pretraining import probe
from keras_rtd.pretraining.replacements import check_replacements
from keras_rtd.pretraining.samples import as_numpy
from keras_rtd.pretraining.settings import ConfigError
from keras_rtd.tokenizers.case_options import normalizer_options

# Batches whose words are counted where the corpus was not prepared.
COUNTED_BATCHES = 200


def build_pretrainer(config):
    """The compiled `ElectraPretrainer` of these settings."""
    keras.utils.set_random_seed(config.seed)
    arguments = {
        "dtype": config.dtype,
        "seed": config.seed,
        "remat": config.remat,
    }
    for name in ("dropout", "family", "block", "local_attention_window"):
        if getattr(config, name) is not None:
            arguments[name] = getattr(config, name)
    if config.vocabulary is not None:
        arguments["tokenizer"] = ElectraTokenizer(
            config.vocabulary,
            **normalizer_options(config.cased, config.keep_accents),
        )
    if config.frozen_generator is not None:
        arguments["frozen_generator"] = config.frozen_generator
    else:
        arguments["embedding_sharing"] = config.embedding_sharing
    preset = config.init_from or config.preset
    encoder = read_task(ElectraPretrainer, preset)["config"]["backbone"]
    backbone_cls, _ = families.resolve(encoder)
    if config.family or config.block:
        backbone_cls = families.get(config.family or config.block)
    if not backbone_cls.uses_positions:
        longest = max(phase.sequence_length for phase in config.phases())
        if longest > encoder["config"]["max_sequence_length"]:
            arguments["max_sequence_length"] = longest
    pretrainer = ElectraPretrainer.from_preset(
        preset,
        load_weights=config.init_from is not None,
        objective=config.objective,
        objective_config=config.objective_config(),
        compile=False,
        **arguments,
        **config.generator_arguments(),
    )
    longest = pretrainer.backbone.max_sequence_length
    for number, phase in enumerate(config.phases()):
        if phase.sequence_length > longest:
            name = "phase2_sequence_length" if number else "sequence_length"
            raise ConfigError(
                f"--{name} {phase.sequence_length} is over the model's "
                f"max_sequence_length {longest}"
            )
    pretrainer.optimizer_config = optimizer_config(
        config, pretrainer.optimizer_config
    )
    pretrainer.compile(
        accumulate_steps=config.accumulate_steps,
        steps_per_execution=config.steps_per_execution,
    )
    return pretrainer


def optimizer_config(config, preset):
    """Arguments of `make_optimizer`: the settings, over the preset's.

    Args:
        config: `PretrainConfig`.
        preset: dict, the preset's own.

    Raises:
        ConfigError: AdamW with the rate of a preset for Muon, which is too
            high for it, or with an option of Muon.
    """
    own = preset.get("optimizer", "adamw")
    made = {"optimizer": own, **preset, **config.optimizer_config()}
    config.check(
        "learning_rate",
        own != "muon"
        or made["optimizer"] == own
        or config.learning_rate is not None,
        f"given with --optimizer={made['optimizer']}, as the preset's "
        f"{preset.get('learning_rate')} is for {own}",
    )
    made.pop("product_dtype", None)
    if made["optimizer"] != "muon":
        config.check(
            "adam_lr_ratio",
            config.adam_lr_ratio is None,
            "given with --optimizer=muon",
        )
        made.pop("adam_lr_ratio", None)
    elif config.dtype == "mixed_bfloat16":
        made["product_dtype"] = "bfloat16"
    return made


def datasets(config, phase, pretrainer, strategy):
    """What a phase of a run reads.

    Args:
        config: `PretrainConfig`.
        phase: one of its `phases()`.
        pretrainer: its `ElectraPretrainer`.
        strategy: `keras_rtd.training.Strategy`, whose processes each read a
            part of every batch.

    Returns:
        (training dataset, whose steps are the run's; list of held-out batches
        as NumPy arrays).
    """
    options = _options(config, phase, pretrainer)
    if config.replacements is not None:
        check_replacements(pretrainer, config, phase)
    training = functools.partial(
        pretraining_dataset,
        split="train",
        replacements=config.replacements,
        **options,
    )
    # The same held-out windows and masks whatever the run's seed.
    options["seed"] = 0
    validation = pretraining_dataset(
        split="validation", batch_size=phase.batch_size, **options
    )
    held_out = [
        as_numpy(batch)
        for batch in itertools.islice(iterate(validation), config.eval_batches)
    ]
    dataset = strategy.dataset(training, phase.batch_size)
    if phase.first_step:
        of_phase = dataset
        dataset = at_step(
            lambda start_step: resume_at(
                of_phase, start_step - phase.first_step
            ),
            phase.first_step,
        )
    return dataset, held_out


def token_counts(config, pretrainer):
    """How often each token of the vocabulary occurs in the corpus."""
    if _reads_prepared(config):
        corpus = PreparedCorpus(_data(config), pretrainer.tokenizer)
        return np.asarray(corpus.unigram_counts)
    phase = config.phases()[0]
    batches = pretraining_dataset(
        split="train",
        batch_size=phase.batch_size,
        **_options(config, phase, pretrainer),
    )
    return probe.count_tokens(
        map(as_numpy, iterate(batches)),
        COUNTED_BATCHES,
        pretrainer.tokenizer.vocabulary_size(),
    )


def _data(config):
    return config.data[0] if len(config.data) == 1 else list(config.data)


def _reads_prepared(config):
    return len(config.data) == 1 and is_prepared(config.data[0])


def _options(config, phase, pretrainer):
    """Arguments of `pretraining_dataset` that both splits share."""
    options = {
        "data": _data(config),
        "tokenizer": pretrainer.tokenizer,
        "sequence_length": phase.sequence_length,
        "seed": config.seed,
        "mask_rate": config.mask_rate,
        "segments": config.segments,
    }
    if not _reads_prepared(config):
        options["documents"] = config.documents
        options["errors"] = config.errors
        options["validation_fraction"] = config.validation_fraction
    return options


def iterate(dataset):
    """An iterator over the batches of either kind of dataset."""
    if not isinstance(dataset, keras.utils.PyDataset):
        return iter(dataset)
    count = dataset.num_batches
    indices = itertools.count() if count is None else range(count)
    return map(dataset.__getitem__, indices)
