"""Writes the bundled presets: configs and vocabularies, no weights.

    python tools/make_presets.py --uncased VOCAB_30522 --tiny VOCAB_8192 [NAME]

The vocabularies come from `python -m keras_rtd.data.vocabulary`; the commands
are in docs/presets.md. Sizes and rates are those of google-research/electra,
configure_pretraining.py; tiny is ours, and so are the layers of rtd_modern.
What is there of a preset is removed, weights too.
"""

import argparse
import pathlib

from keras_rtd.models import ElectraPreprocessor
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import ElectraTokenizer
from keras_rtd.models import families
from keras_rtd.models.bundled import DESCRIPTIONS
from keras_rtd.models.bundled import DIRECTORY
from keras_rtd.utils.targets import PRESET
from keras_rtd.utils.writing import new_path

# size: layers, width, heads, embedding, generator's width
SIZES = {
    "tiny": (4, 128, 2, 128, None),
    "small": (12, 256, 4, 128, 64),
    "base": (12, 768, 12, 768, 256),
    "large": (24, 1024, 16, 1024, 256),
}
# size: peak rate, steps
SCHEDULES = {
    "small": (5e-4, 1_000_000),
    "base": (2e-4, 766_000),
    "large": (2e-4, 400_000),
}
# Measured, see docs/tuning.md; small and base keep the reference's AdamW.
OPTIMIZERS_OF_TINY = {
    "electra": {"learning_rate": 1e-3},
    "modernbert": {
        "optimizer": "muon",
        "learning_rate": 4e-3,
        "weight_decay": 0.05,
    },
}
# A quarter of the width, as in the paper; electra_tiny's weights have half.
GENERATORS_OF_TINY = {"electra": 64, "modernbert": 32}
# rtd_modern's weights are of the layers that it had first.
OPTIONS = {"electra": {}, "modernbert": families.OLD_MODERN}


def encoder(vocabulary_size, layers, width, heads, embedding, family, **kwargs):
    backbone_cls = families.get(family)
    options = dict(OPTIONS[family])
    if options:
        options["output_stddev"] = kwargs.get("kernel_stddev", 0.02)
    return backbone_cls(
        vocabulary_size=vocabulary_size,
        num_layers=layers,
        num_heads=heads,
        hidden_dim=width,
        embedding_dim=embedding,
        intermediate_dim=backbone_cls.inner_width(4 * width),
        **{**options, **kwargs},
    )


def write(name, tokenizer, sizes, optimizer, sequence_length, **kwargs):
    layers, width, heads, embedding, generator_width = sizes
    size = tokenizer.vocabulary_size()
    discriminator = encoder(size, layers, width, heads, embedding, **kwargs)
    generator = encoder(
        size,
        layers,
        generator_width,
        max(1, generator_width // 64),
        embedding,
        embeddings=discriminator.embeddings,
        name="generator",
        **kwargs,
    )
    pretrainer = ElectraPretrainer(
        discriminator,
        generator,
        preprocessor=ElectraPreprocessor(
            tokenizer, sequence_length=sequence_length
        ),
        optimizer_config=optimizer,
        name="electra_pretrainer",
    )
    directory = DIRECTORY / name
    with new_path(directory, PRESET) as temporary:
        pretrainer.save_to_preset(temporary)
        for path in pathlib.Path(temporary).glob("*.weights.h5"):
            path.unlink()
    print(name, discriminator.count_params(), "parameters")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--uncased", required=True)
    parser.add_argument("--tiny", required=True)
    parser.add_argument("names", nargs="*", help="which (default: all)")
    arguments = parser.parse_args()
    for prefix, family in (
        ("electra", "electra"),
        ("rtd_modern", "modernbert"),
    ):
        for size, sizes in SIZES.items():
            name = f"{prefix}_{size}_uncased_en"
            if name not in (arguments.names or DESCRIPTIONS):
                continue
            if size == "tiny":
                write_tiny(name, arguments.tiny, sizes, family)
                continue
            rate, steps = SCHEDULES[size]
            write(
                name,
                ElectraTokenizer(arguments.uncased),
                sizes,
                {
                    "learning_rate": rate,
                    "warmup_steps": 10_000,
                    "train_steps": steps,
                },
                sequence_length=512,
                dropout=0.1,
                family=family,
            )


def write_tiny(name, vocabulary, sizes, family):
    write(
        name,
        ElectraTokenizer(vocabulary),
        (*sizes[:-1], GENERATORS_OF_TINY[family]),
        {
            **OPTIMIZERS_OF_TINY[family],
            "warmup_steps": 100,
            "train_steps": None,
            # Short runs: without it the first steps are three times too long.
            "bias_correction": True,
        },
        sequence_length=128,
        dropout=0.0,
        kernel_stddev=0.08,
        family=family,
    )


if __name__ == "__main__":
    main()
