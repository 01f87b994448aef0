"""The model and the data of a run, each made from its settings."""

import functools
import itertools

from keras_rtd.data import pretraining_dataset
from keras_rtd.data.dataset import begins_at
from keras_rtd.data.dataset import iterate
from keras_rtd.data.replacements import Replacements
from keras_rtd.models.frozen_generator import generator_settings
from keras_rtd.models.settings import changed_arguments
from keras_rtd.pretraining import probe
from keras_rtd.utils.setting import ConfigError


def pretrainer_arguments(
    model, generator, objective, devices, run, of_preset, length
):
    """Arguments of `ElectraPretrainer.from_preset`: dict.

    Args:
        model, generator, objective, devices, run: groups of
            `PretrainSettings`.
        of_preset: dict, what the preset says of them.
        length: int, tokens of the longest row.
    """
    arguments = {
        "preset": model.source,
        "load_weights": model.init_from is not None,
        "objective": objective.name,
        "objective_config": objective.get_config(),
        "dtype": devices.dtype,
        "remat": devices.remat,
        "seed": run.seed,
        **changed_arguments(model, generator, of_preset, length),
    }
    tokenizer = model.load_tokenizer()
    if tokenizer is not None:
        arguments["tokenizer"] = tokenizer
    if generator.frozen_generator is not None:
        arguments["frozen_generator"] = generator.frozen_generator
    else:
        arguments["embedding_sharing"] = model.embedding_sharing
    return arguments


def compile_pretrainer(pretrainer, optimizer, devices, run):
    """Compile an `ElectraPretrainer` as these groups say."""
    pretrainer.optimizer_config = {
        **optimizer.arguments(devices.dtype),
        "train_steps": run.train_steps,
        "phase2_steps": run.phase2_steps,
    }
    pretrainer.compile(
        accumulate_steps=devices.accumulate_steps,
        steps_per_execution=devices.steps_per_execution,
    )


def check_lengths(pretrainer, phases):
    """Refuse rows longer than the model takes."""
    longest = pretrainer.backbone.max_sequence_length
    for number, phase in enumerate(phases):
        if phase.sequence_length > longest:
            name = "phase2_sequence_length" if number else "sequence_length"
            raise ConfigError(
                f"--{name} {phase.sequence_length} is over the model's "
                f"max_sequence_length {longest}"
            )


class Corpus:
    """The text of a run, as its phases read it.

    Args:
        data: `DataSettings`.
        tokenizer: `keras_rtd.tokenizers.Tokenizer`.
        seed: int, of order and masks of the training data. Held-out windows
            and their masks are the same whatever it is.
    """

    def __init__(self, data, tokenizer, seed):
        self.replacements = data.replacements
        self.seed = seed
        self.options = {
            "data": list(data.data),
            "tokenizer": tokenizer,
            "mask_rate": data.mask_rate,
            "mask_windows": data.mask_windows,
            "segments": data.segments,
            "packing": data.packing,
            **data.reading(),
        }

    def check_replacements(self, pretrainer, phase):
        """Refuse samples of another generator or temperature, or too few.

        Whether they are of this data is checked where the data is read.

        Args:
            pretrainer: `ElectraPretrainer`.
            phase: the run's first `Phase`; with replacements, its only one.

        Raises:
            ValueError: they were sampled for something else.
            ConfigError: a falling temperature, and not enough of them.
        """
        if self.replacements is None:
            return
        wanted = generator_settings(
            pretrainer.generator,
            pretrainer.masked_lm_head,
            pretrainer.objective,
            phase.batch_size,
        )
        sampled = Replacements(self.replacements)
        sampled.check(wanted)
        needed = phase.last_step * phase.batch_size
        falls = pretrainer.objective.temperature_steps
        if falls and sampled.examples < needed:
            raise ConfigError(
                f"--replacements {self.replacements} has {sampled.examples:,} "
                f"of {needed:,} windows, and a temperature that falls cannot "
                "begin again: sample more --epochs"
            )

    def unigram(self, phase):
        """float64 (vocabulary_size,), how frequent each token is.

        Args:
            phase: the run's first `Phase`.
        """
        tokenizer = self.options["tokenizer"]
        batches = self._dataset(phase, self.seed)(batch_size=phase.batch_size)
        counts = probe.token_counts(batches, tokenizer.vocabulary_size())
        return probe.unigram_distribution(counts, tokenizer.special_token_ids)

    def training(self, phase, strategy):
        """The dataset of a `Phase`, whose steps are the run's.

        Args:
            phase: `Phase`.
            strategy: `keras_rtd.training.Strategy`, whose processes each
                read a part of every batch.
        """
        make = self._dataset(phase, self.seed, replacements=self.replacements)
        dataset = strategy.dataset(make, phase.batch_size)
        return begins_at(dataset, phase.first_step)

    def held_out(self, phase, count):
        """The first batches of held-out text: list of dicts of arrays."""
        batches = self._dataset(phase, 0, split="validation")(
            batch_size=phase.batch_size
        )
        return list(itertools.islice(iterate(batches), count))

    def _dataset(self, phase, seed, **more):
        return functools.partial(
            pretraining_dataset,
            sequence_length=phase.sequence_length,
            seed=seed,
            **self.options,
            **more,
        )
