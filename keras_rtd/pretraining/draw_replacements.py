"""Draw a frozen generator's replacements once, for training to read.

    python -m keras_rtd.pretraining.draw_replacements --data=corpus/prepared \\
        --generator=runs/mlm --output=corpus/replacements

and then, with the same seed, length, mask rate and temperature,

    python recipes/pretrain_small.py --data=corpus/prepared \\
        --frozen_generator=runs/mlm --replacements=corpus/replacements

Windows, masks and their order are functions of the seed, so the draws are too:
2 bytes a masked token, 38 a window of 128 tokens. A run that needs more
examples than were drawn reads them again from the first, in the same order.
Interrupted at any moment, the same command continues.
"""

import dataclasses
import sys
import time

import keras
import numpy as np
from keras import ops

from keras_rtd.data.dataset import BatchOptions
from keras_rtd.data.prepared import PreparedBatches
from keras_rtd.data.prepared import PreparedCorpus
from keras_rtd.data.replacements import data_settings
from keras_rtd.data.replacements import uniform_of
from keras_rtd.data.replacements import write_replacements
from keras_rtd.data.windows import OLD_SEGMENTS
from keras_rtd.data.windows import SEGMENTS
from keras_rtd.kernels import vocabulary_axis
from keras_rtd.layers.masking import MaskingOptions
from keras_rtd.models.frozen_generator import load_masked_lm
from keras_rtd.models.pretrainer import encoder_inputs
from keras_rtd.pretraining.config import DTYPES
from keras_rtd.pretraining.replacements import generator_settings
from keras_rtd.pretraining.run import run_safely
from keras_rtd.pretraining.settings import ConfigError
from keras_rtd.pretraining.settings import parse_arguments
from keras_rtd.pretraining.settings import setting
from keras_rtd.utils.hardware import fast_dtype
from keras_rtd.utils.targets import check_inputs

# Windows that go through the generator at once.
ROWS = 64


@dataclasses.dataclass(frozen=True)
class ReplacementsConfig:
    """What is drawn.

    Raises:
        ConfigError: a value out of range.
    """

    data: tuple = setting((), "prepared directory", nargs="+")
    generator: str | None = setting(
        None, "preset or run directory of a masked language model"
    )
    output: str | None = setting(None, "directory to write to")
    epochs: float = setting(1.0, "passes over the train split")
    seed: int = setting(0, "the run's")
    sequence_length: int = setting(128, "tokens a window")
    mask_rate: float = setting(0.15, "share of tokens the generator fills")
    segments: str = setting(
        "pair", "as the run's", choices=(*SEGMENTS, *OLD_SEGMENTS)
    )
    temperature: float = setting(1.0, "of the draws")
    final_temperature: float | None = setting(
        None, "where the temperature goes within --temperature_steps"
    )
    temperature_steps: int | None = setting(
        None, "steps of --batch_size windows to --final_temperature"
    )
    batch_size: int = setting(128, "the run's, if its temperature falls")
    dtype: str = setting(
        "auto", "dtype policy of the generator", choices=DTYPES
    )

    def __post_init__(self):
        self.check("data", len(self.data) == 1, "one prepared directory")
        for name in ("generator", "output"):
            self.check(name, getattr(self, name) is not None, "given")
        for name in ("epochs", "temperature", "batch_size"):
            self.check(name, getattr(self, name) > 0, "above 0")
        self.check("mask_rate", 0 < self.mask_rate < 1, "between 0 and 1")
        for name in ("final_temperature", "temperature_steps"):
            value = getattr(self, name)
            self.check(name, value is None or value > 0, "above 0")
        for name in ("segments", "dtype"):
            fields = {f.name: f for f in dataclasses.fields(self)}
            choices = fields[name].metadata["choices"]
            self.check(name, getattr(self, name) in choices, f"of {choices}")
        self.check(
            "temperature_steps",
            (self.temperature_steps is None)
            == (self.final_temperature is None),
            "given together with --final_temperature",
        )

    def check(self, name, good, rule):
        """Raise `ConfigError` with the setting's name unless `good`."""
        if not good:
            raise ConfigError(
                f"--{name} must be {rule}. Received: {getattr(self, name)!r}"
            )


def draw_replacements(config):
    """Draw what a `ReplacementsConfig` says; see the module.

    Raises:
        ConfigError: a directory that holds draws of other settings.
        ValueError: data that is not prepared, or of another tokenizer than
            the generator's.
    """
    check_inputs(config.output, [*config.data, config.generator])
    dtype = fast_dtype() if config.dtype == "auto" else config.dtype
    masked_lm = load_masked_lm(config.generator, dtype=dtype)
    corpus = PreparedCorpus(
        config.data[0],
        masked_lm.preprocessor and masked_lm.preprocessor.tokenizer,
    )
    options = BatchOptions(
        sequence_length=config.sequence_length,
        batch_size=ROWS,
        seed=config.seed,
        split="train",
        repeat=True,
        shard=(0, 1),
        segments=config.segments,
        masking=MaskingOptions(config.mask_rate),
    )
    batches = PreparedBatches(corpus, options)
    examples = max(1, round(config.epochs * batches.num_windows))
    slots = options.masking.num_slots(config.sequence_length)
    draws = _Draws(masked_lm.backbone, masked_lm.masked_lm_head)
    start, drawn_here = time.perf_counter(), 0

    def draw(first, count):
        nonlocal drawn_here
        # FILE_EXAMPLES is a multiple of ROWS.
        rows = []
        for step in range(first // ROWS, -(-(first + count) // ROWS)):
            rows.append(_draw_batch(draws, batches, step, config, slots))
            drawn_here += ROWS
        seconds = time.perf_counter() - start
        print(
            f"{min(first + count, examples):,} of {examples:,} windows, "
            f"{drawn_here / seconds:,.0f} a second",
            flush=True,
        )
        return np.concatenate(rows)[:count]

    write_replacements(
        config.output,
        {
            **data_settings(corpus, options),
            **generator_settings(
                masked_lm.backbone,
                masked_lm.masked_lm_head,
                config,
                config.batch_size,
            ),
        },
        examples,
        slots,
        corpus.vocabulary_size,
        draw,
    )
    print(f"{config.output}: {examples:,} windows, {slots} draws each")


class _Draws(keras.Model):
    """Masked windows and random numbers in, drawn ids out."""

    def __init__(self, encoder, head):
        super().__init__(name="draws")
        self.encoder = encoder
        self.head = head

    def call(self, inputs):
        encoded = self.encoder(
            encoder_inputs(inputs, inputs["token_ids"]), training=False
        )
        positions = inputs["mask_positions"]
        features = self.head.features(encoded["sequence_output"], positions)
        logits = self.head.logits(features)
        logits = logits / inputs["temperature"][:, None, None]
        drawn = vocabulary_axis.draw_at(
            ops.reshape(logits, (-1, logits.shape[-1])),
            ops.reshape(inputs["uniform"], (-1, 2)),
        )
        return ops.reshape(drawn, ops.shape(positions))


def _draw_batch(draws, batches, step, config, slots):
    """(ROWS, slots) ids for the examples of a step."""
    batch = batches.batch(step)
    example = step * ROWS + np.arange(ROWS)
    inputs = encoder_inputs(batch, batch["masked_token_ids"])
    return draws.predict_on_batch(
        {
            **inputs,
            "padding_mask": batch["padding_mask"].astype("int32"),
            "mask_positions": batch["mask_positions"],
            "temperature": _temperatures(config, example),
            "uniform": uniform_of(config.seed, example, slots).reshape(
                ROWS, slots, 2
            ),
        }
    )


def _temperatures(config, example):
    """float32, the temperature at which each example's draws are made."""
    final = config.final_temperature
    if final is None:
        return (0.0 * example + config.temperature).astype("float32")
    examples = config.temperature_steps * config.batch_size
    left = (1.0 - example / examples).clip(0.0)
    return (final + (config.temperature - final) * left).astype("float32")


def main(argv=None):
    """The command; returns its exit status."""
    config = parse_arguments(ReplacementsConfig, __doc__, argv)
    return run_safely(draw_replacements, config)


if __name__ == "__main__":
    sys.exit(main())
