"""The model and the data of a run, from its settings."""

import functools
import itertools

import keras
import numpy as np

from keras_rtd.data import pretraining_dataset
from keras_rtd.data.prepared import PreparedCorpus
from keras_rtd.data.storage import is_prepared
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import ElectraTokenizer
from keras_rtd.pretraining import probe
from keras_rtd.pretraining.config import ConfigError
from keras_rtd.pretraining.samples import as_numpy
from keras_rtd.tokenizers.case_options import normalizer_options

# Batches whose words are counted where the corpus was not prepared.
COUNTED_BATCHES = 200


def build_pretrainer(config):
    """The compiled `ElectraPretrainer` of these settings."""
    keras.utils.set_random_seed(config.seed)
    arguments = {"dtype": config.dtype, "seed": config.seed}
    if config.dropout is not None:
        arguments["dropout"] = config.dropout
    if config.vocabulary is not None:
        arguments["tokenizer"] = ElectraTokenizer(
            config.vocabulary,
            **normalizer_options(config.cased, config.keep_accents),
        )
    preset = config.init_from or config.preset
    pretrainer = ElectraPretrainer.from_preset(
        preset,
        load_weights=config.init_from is not None,
        objective=config.objective,
        objective_config={
            "discriminator_weight": config.discriminator_weight,
            "temperature": config.temperature,
            "unigram_warmup_steps": config.unigram_warmup_steps,
        },
        compile=False,
        **arguments,
    )
    longest = pretrainer.backbone.max_sequence_length
    if config.sequence_length > longest:
        raise ConfigError(
            f"--sequence_length {config.sequence_length} is over the model's "
            f"max_sequence_length {longest}"
        )
    optimizer = dict(pretrainer.optimizer_config)
    for name in (
        "learning_rate",
        "generator_learning_rate",
        "warmup_steps",
        "ema_momentum",
    ):
        if getattr(config, name) is not None:
            optimizer[name] = getattr(config, name)
    optimizer["schedule"] = config.schedule
    optimizer["train_steps"] = config.train_steps
    pretrainer.optimizer_config = optimizer
    pretrainer.compile(accumulate_steps=config.accumulate_steps)
    return pretrainer


def datasets(config, pretrainer, strategy):
    """What a run reads.

    Args:
        config: `PretrainConfig`.
        pretrainer: its `ElectraPretrainer`.
        strategy: `keras_rtd.training.Strategy`, whose processes each read a
            part of every batch.

    Returns:
        (training dataset, list of held-out batches as NumPy arrays, counts
        of the vocabulary's tokens in the corpus).
    """
    data = config.data[0] if len(config.data) == 1 else list(config.data)
    prepared = is_prepared(data)
    options = {
        "tokenizer": pretrainer.tokenizer,
        "sequence_length": config.sequence_length,
        "seed": config.seed,
        "mask_rate": config.mask_rate,
        "segments": config.segments,
    }
    if not prepared:
        options["documents"] = config.documents
        options["errors"] = config.errors
        options["validation_fraction"] = config.validation_fraction
    training = functools.partial(
        pretraining_dataset, data, split="train", **options
    )
    # The same held-out windows and masks whatever the run's seed.
    options["seed"] = 0
    validation = pretraining_dataset(
        data, split="validation", batch_size=config.batch_size, **options
    )
    held_out = [
        as_numpy(batch)
        for batch in itertools.islice(iterate(validation), config.eval_batches)
    ]
    if prepared:
        counts = PreparedCorpus(data, pretrainer.tokenizer).unigram_counts
    else:
        counts = probe.count_tokens(
            map(as_numpy, iterate(training(batch_size=config.batch_size))),
            COUNTED_BATCHES,
            pretrainer.tokenizer.vocabulary_size(),
        )
    dataset = strategy.dataset(training, config.batch_size)
    return dataset, held_out, np.asarray(counts)


def iterate(dataset):
    """An iterator over the batches of either kind of dataset."""
    if not isinstance(dataset, keras.utils.PyDataset):
        return iter(dataset)
    count = dataset.num_batches
    indices = itertools.count() if count is None else range(count)
    return map(dataset.__getitem__, indices)
