"""The model and the data of a run, from its settings."""

import functools
import itertools

import keras
import numpy as np

from keras_rtd import tokenizers
from keras_rtd.data import pretraining_dataset
from keras_rtd.data import resume_at
from keras_rtd.data.dataset import at_step
from keras_rtd.data.prepared import PreparedCorpus
from keras_rtd.data.storage import is_prepared
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import families
from keras_rtd.models.presets import read_task
from keras_rtd.pretraining import probe
from keras_rtd.pretraining.replacements import check_replacements
from keras_rtd.pretraining.samples import as_numpy
from keras_rtd.utils.setting import ConfigError

# Batches whose words are counted where the corpus was not prepared.
COUNTED_BATCHES = 200


def build_pretrainer(settings):
    """The compiled `ElectraPretrainer` of these settings."""
    model, run, devices = settings.model, settings.run, settings.devices
    keras.utils.set_random_seed(run.seed)
    arguments = {
        "dtype": devices.dtype,
        "seed": run.seed,
        "remat": devices.remat,
        **_changes(settings),
    }
    if model.vocabulary is not None:
        arguments["tokenizer"] = tokenizers.load(
            model.vocabulary,
            cased=model.cased,
            keep_accents=model.keep_accents,
        )
    if settings.generator.frozen_generator is not None:
        arguments["frozen_generator"] = settings.generator.frozen_generator
    else:
        arguments["embedding_sharing"] = model.embedding_sharing
    preset = model.init_from or model.preset
    if not families.get(model.family).uses_positions:
        encoder = read_task(ElectraPretrainer, preset)["config"]["backbone"]
        longest = max(phase.sequence_length for phase in settings.phases())
        if longest > encoder["config"]["max_sequence_length"]:
            arguments["max_sequence_length"] = longest
    pretrainer = ElectraPretrainer.from_preset(
        preset,
        load_weights=model.init_from is not None,
        objective=settings.objective.name,
        objective_config=settings.objective.get_config(),
        compile=False,
        **arguments,
    )
    longest = pretrainer.backbone.max_sequence_length
    for number, phase in enumerate(settings.phases()):
        if phase.sequence_length > longest:
            name = "phase2_sequence_length" if number else "sequence_length"
            raise ConfigError(
                f"--{name} {phase.sequence_length} is over the model's "
                f"max_sequence_length {longest}"
            )
    pretrainer.optimizer_config = {
        **settings.optimizer.arguments(devices.dtype),
        "train_steps": run.train_steps,
        "phase2_steps": run.phase2_steps,
    }
    pretrainer.compile(
        accumulate_steps=devices.accumulate_steps,
        steps_per_execution=devices.steps_per_execution,
    )
    return pretrainer


def _changes(settings):
    """Arguments of `from_preset` for what the encoders have otherwise than in
    the preset."""
    there = dict(settings.of_preset)
    if settings.model.dropout != there["dropout"]:
        there["generator_dropout"] = settings.model.dropout
    values = {**vars(settings.model), **vars(settings.generator)}
    # Another family's windows are its own.
    same = values["family"] == there["family"]
    takes_none = ["local_attention_window"] if same else []
    return {
        name: values[name]
        for name in (
            "family",
            "local_attention_window",
            "dropout",
            "generator_dropout",
            "generator_num_layers",
            "generator_hidden_dim",
        )
        if values[name] != there[name]
        and (values[name] is not None or name in takes_none)
    }


def datasets(settings, phase, pretrainer, strategy):
    """What a phase of a run reads.

    Args:
        settings: `PretrainSettings`.
        phase: one of its `phases()`.
        pretrainer: its `ElectraPretrainer`.
        strategy: `keras_rtd.training.Strategy`, whose processes each read a
            part of every batch.

    Returns:
        (training dataset, whose steps are the run's; list of held-out batches
        as NumPy arrays).
    """
    options = _options(settings, phase, pretrainer)
    if settings.data.replacements is not None:
        check_replacements(pretrainer, settings, phase)
    training = functools.partial(
        pretraining_dataset,
        split="train",
        replacements=settings.data.replacements,
        **options,
    )
    # The same held-out windows and masks whatever the run's seed.
    options["seed"] = 0
    validation = pretraining_dataset(
        split="validation", batch_size=phase.batch_size, **options
    )
    held_out = [
        as_numpy(batch)
        for batch in itertools.islice(
            iterate(validation), settings.run.eval_batches
        )
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


def token_counts(settings, pretrainer):
    """How often each token of the vocabulary occurs in the corpus."""
    if _reads_prepared(settings):
        corpus = PreparedCorpus(_data(settings), pretrainer.tokenizer)
        return np.asarray(corpus.unigram_counts)
    phase = settings.phases()[0]
    batches = pretraining_dataset(
        split="train",
        batch_size=phase.batch_size,
        **_options(settings, phase, pretrainer),
    )
    return probe.count_tokens(
        map(as_numpy, iterate(batches)),
        COUNTED_BATCHES,
        pretrainer.tokenizer.vocabulary_size(),
    )


def _data(settings):
    paths = settings.data.data
    return paths[0] if len(paths) == 1 else list(paths)


def _reads_prepared(settings):
    paths = settings.data.data
    return len(paths) == 1 and is_prepared(paths[0])


def _options(settings, phase, pretrainer):
    """Arguments of `pretraining_dataset` that both splits share."""
    data = settings.data
    options = {
        "data": _data(settings),
        "tokenizer": pretrainer.tokenizer,
        "sequence_length": phase.sequence_length,
        "seed": settings.run.seed,
        "mask_rate": data.mask_rate,
        "segments": data.segments,
        "packing": data.packing,
    }
    if not _reads_prepared(settings):
        options |= data.reading()
    return options


def iterate(dataset):
    """An iterator over the batches of either kind of dataset."""
    if not isinstance(dataset, keras.utils.PyDataset):
        return iter(dataset)
    count = dataset.num_batches
    indices = itertools.count() if count is None else range(count)
    return map(dataset.__getitem__, indices)
