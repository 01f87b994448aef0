"""Sample a frozen generator's replacements once, for training to read.

    python -m keras_rtd.pretraining.draw_replacements --data=corpus/prepared \\
        --generator=runs/mlm --output=corpus/replacements

and then, with the same seed, length, mask rate and temperature,

    python recipes/pretrain_small.py --data=corpus/prepared \\
        --frozen_generator=runs/mlm --replacements=corpus/replacements

Windows, masks and their order are functions of the seed; so are the samples:
2 bytes a masked token, 38 a window of 128 tokens. A run that needs more
examples than were sampled reads them again from the first, in the same order.
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
from keras_rtd.models.frozen_generator import generator_settings
from keras_rtd.models.frozen_generator import load_masked_lm
from keras_rtd.models.pretrainer import encoder_inputs
from keras_rtd.pretraining.run import run_safely
from keras_rtd.training.settings import DtypeSettings
from keras_rtd.utils.command_line import parse_group
from keras_rtd.utils.setting import SettingError
from keras_rtd.utils.setting import setting
from keras_rtd.utils.targets import check_inputs

# Windows that go through the generator at once.
ROWS = 64


@dataclasses.dataclass(frozen=True)
class ReplacementsSettings(DtypeSettings):
    """What is sampled."""

    data: tuple[str, ...] = setting(
        (), "Prepared directory.", nargs="+", none="none, it is needed"
    )
    generator: str | None = setting(
        None,
        "Preset or run directory of a masked language model.",
        none="none, it is needed",
    )
    output: str | None = setting(
        None, "Folder that is written to.", none="none, it is needed"
    )
    epochs: float = setting(1.0, "Epochs over the train split.", above=0)
    seed: int = setting(0, "Random seed of the run.", at_least=0)
    sequence_length: int = setting(
        128, "Tokens per row.", at_least=8, at_most=1 << 20
    )
    mask_rate: float = setting(
        0.15, "Share of the tokens that are masked.", above=0, below=1
    )
    mask_windows: bool = setting(
        False, "Masked positions chosen by windows, as of the run."
    )
    segments: str = setting(
        "pair",
        "Segments per row, as of the run.",
        choices=(*SEGMENTS, *OLD_SEGMENTS),
    )
    packing: bool = setting(False, "Several documents per row, as of the run.")
    temperature: float = setting(
        1.0, "Temperature of the sampled tokens.", above=0
    )
    final_temperature: float | None = setting(
        None,
        "Temperature after --temperature_steps.",
        none="--temperature at all steps",
        above=0,
    )
    temperature_steps: int = setting(
        0,
        "Steps of --batch_size rows from --temperature to --final_temperature.",
        at_least=0,
    )
    batch_size: int = setting(
        128, "Rows per step of the run, if its temperature falls.", at_least=1
    )

    def __post_init__(self):
        super().__post_init__()
        for name in ("data", "generator", "output"):
            if not getattr(self, name):
                raise SettingError(name, "given", getattr(self, name))
        if len(self.data) != 1:
            raise SettingError("data", "one prepared directory", self.data)
        if (self.final_temperature is None) != (self.temperature_steps == 0):
            raise SettingError(
                "temperature_steps",
                "given together with --final_temperature",
                self.temperature_steps,
            )


def draw_replacements(config):
    """Sample what `ReplacementsSettings` say; see the module.

    Raises:
        ConfigError: a directory that holds samples of other settings.
        ValueError: data that is not prepared, or of another tokenizer than
            the generator's.
    """
    check_inputs(config.output, [*config.data, config.generator])
    dtype = config.resolved().dtype
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
        packing=config.packing,
        masking=MaskingOptions(config.mask_rate, windows=config.mask_windows),
    )
    batches = PreparedBatches(corpus, options)
    examples = max(1, round(config.epochs * batches.num_windows))
    slots = options.masking.num_slots(config.sequence_length)
    sampler = _Sampler(masked_lm.backbone, masked_lm.masked_lm_head)
    start, sampled_here = time.perf_counter(), 0

    def sample(first, count):
        nonlocal sampled_here
        # FILE_EXAMPLES is a multiple of ROWS.
        rows = []
        for step in range(first // ROWS, -(-(first + count) // ROWS)):
            rows.append(_sample_batch(sampler, batches, step, config, slots))
            sampled_here += ROWS
        seconds = time.perf_counter() - start
        print(
            f"{min(first + count, examples):,} of {examples:,} windows, "
            f"{sampled_here / seconds:,.0f} a second",
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
        sample,
    )
    print(f"{config.output}: {examples:,} windows, {slots} samples each")


class _Sampler(keras.Model):
    """Masked windows and random numbers in, sampled ids out."""

    def __init__(self, encoder, head):
        super().__init__(name="sampler")
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
        sampled = vocabulary_axis.sample_at(
            ops.reshape(logits, (-1, logits.shape[-1])),
            ops.reshape(inputs["uniform"], (-1, 2)),
        )
        return ops.reshape(sampled, ops.shape(positions))


def _sample_batch(sampler, batches, step, config, slots):
    """(ROWS, slots) ids for the examples of a step."""
    batch = batches.batch(step)
    example = step * ROWS + np.arange(ROWS)
    inputs = encoder_inputs(batch, batch["masked_token_ids"])
    return sampler.predict_on_batch(
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
    """float32, the temperature at which each example's samples are made."""
    final = config.final_temperature
    if final is None:
        return (0.0 * example + config.temperature).astype("float32")
    examples = config.temperature_steps * config.batch_size
    left = (1.0 - example / examples).clip(0.0)
    return (final + (config.temperature - final) * left).astype("float32")


def main(argv=None):
    """The command; returns its exit status."""
    return run_safely(
        lambda: draw_replacements(
            parse_group(ReplacementsSettings, __doc__, argv)
        )
    )


if __name__ == "__main__":
    sys.exit(main())
