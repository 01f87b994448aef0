"""Writes the bundled presets: configs and vocabularies, no weights.

    python tools/make_presets.py --uncased VOCAB_30522 --tiny VOCAB_8192 \\
        --cased CASED_32000.json --cased_tiny CASED_8192.json [NAME]

The vocabularies come from `python -m keras_rtd.data.vocabulary`; the commands
are in docs/presets.md. Sizes and rates are those of google-research/electra,
configure_pretraining.py, and microsoft/DeBERTa, experiments/language_model;
tiny and mini are ours, and the layers of rtd_modern are ModernBERT's.
What is there of a preset is removed, weights too.
"""

import argparse
import json
import pathlib

import keras

from keras_rtd import tokenizers
from keras_rtd.models import DebertaV3Backbone
from keras_rtd.models import ElectraPreprocessor
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import ElectraTokenizer
from keras_rtd.models import families
from keras_rtd.models.bundled import DESCRIPTIONS
from keras_rtd.models.bundled import DIRECTORY
from keras_rtd.models.encoders import DISENTANGLED
from keras_rtd.models.encoders import make_encoders
from keras_rtd.utils.targets import PRESET
from keras_rtd.utils.writing import new_path

# size: layers, width, heads, embedding, generator's width
SIZES = {
    "tiny": (4, 128, 2, 128, None),
    "mini": (6, 256, 4, 256, None),
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
OPTIMIZERS_OF_OURS = {
    "electra": {"learning_rate": 1e-3},
    "modernbert": {
        "optimizer": "muon",
        "learning_rate": 4e-3,
        "weight_decay": 0.05,
    },
}
# (family, size): width of the generator, first standard deviation. A quarter
# of the width, as in the paper; electra_tiny's weights have half.
OURS = {
    ("electra", "tiny"): (64, 0.08),
    ("modernbert", "tiny"): (32, 0.08),
    ("modernbert", "mini"): (64, 0.06),
}
# DeBERTaV3: layers, width, heads, peak rate. Generators are as wide and half as
# deep. Microsoft's scripts have no rate for small.
DEBERTA = {
    "tiny": (4, 128, 2, 1e-3),
    "xsmall": (12, 384, 6, 3e-4),
    "small": (6, 768, 12, 1e-4),
    "base": (12, 768, 12, 1e-4),
    "large": (24, 1024, 16, 1e-4),
}
# The weights of rtd_modern_tiny are of the layers that it had first.
OLD = "rtd_modern_tiny_uncased_en"


def encoder(vocabulary_size, layers, width, heads, embedding, family, **kwargs):
    backbone_cls = families.get(family)
    return backbone_cls(
        vocabulary_size=vocabulary_size,
        num_layers=layers,
        num_heads=heads,
        hidden_dim=width,
        embedding_dim=embedding,
        intermediate_dim=backbone_cls.inner_width(4 * width),
        **kwargs,
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
    save(
        name,
        discriminator,
        generator,
        preprocessor=ElectraPreprocessor(
            tokenizer, sequence_length=sequence_length
        ),
        optimizer_config=optimizer,
    )


def save(name, discriminator, generator, **kwargs):
    pretrainer = ElectraPretrainer(
        discriminator, generator, name="electra_pretrainer", **kwargs
    )
    directory = DIRECTORY / name
    with new_path(directory, PRESET) as temporary:
        pretrainer.save_to_preset(temporary)
        for path in pathlib.Path(temporary).glob("*.weights.h5"):
            path.unlink()
        for path in pathlib.Path(temporary).glob("assets/*/*.json"):
            # Indented, it is three times as long.
            content = json.loads(path.read_text("utf-8"))
            text = json.dumps(
                content, ensure_ascii=False, separators=(",", ":")
            )
            path.write_text(text + "\n", "utf-8")
    print(name, discriminator.count_params(), "parameters")


def write_deberta(name, vocabulary, size):
    layers, width, heads, rate = DEBERTA[size]
    tokenizer = tokenizers.load(vocabulary)
    tiny = size == "tiny"
    config = {
        "vocabulary_size": tokenizer.vocabulary_size(),
        "num_layers": layers,
        "num_heads": heads,
        "hidden_dim": width,
        "intermediate_dim": 4 * width,
        "max_relative_positions": 512,
        "dropout": 0.0 if tiny else 0.1,
        "kernel_stddev": 0.08 if tiny else 0.02,
    }
    generator = DebertaV3Backbone(
        **DebertaV3Backbone.generator_config(config),
        **DebertaV3Backbone.generator_arguments,
        name="generator",
    )
    discriminator, generator = make_encoders(
        keras.layers.serialize(DebertaV3Backbone(**config)),
        generator,
        DISENTANGLED,
    )
    steps = {"warmup_steps": 10_000, "train_steps": 1_000_000}
    if tiny:
        steps = {
            "warmup_steps": 100,
            "train_steps": None,
            "bias_correction": True,
        }
    save(
        name,
        discriminator,
        generator,
        preprocessor=ElectraPreprocessor(
            tokenizer, sequence_length=128 if tiny else 512
        ),
        # Microsoft's lambda; with Adam it acts through the clip alone.
        objective_config={"discriminator_weight": 10.0},
        optimizer_config={"learning_rate": rate, **steps},
        embedding_sharing=DISENTANGLED,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--uncased")
    parser.add_argument("--tiny")
    parser.add_argument("--cased")
    parser.add_argument("--cased_tiny")
    parser.add_argument("names", nargs="*", help="which (default: all)")
    arguments = parser.parse_args()
    names = arguments.names or DESCRIPTIONS
    for size in DEBERTA:
        name = f"rtd_deberta_v3_{size}_en"
        if name in names:
            tiny = size == "tiny"
            vocabulary = arguments.cased_tiny if tiny else arguments.cased
            write_deberta(name, vocabulary, size)
    for prefix, family in (
        ("electra", "electra"),
        ("rtd_modern", "modernbert"),
    ):
        for size, sizes in SIZES.items():
            name = f"{prefix}_{size}_uncased_en"
            if name not in names:
                continue
            if (family, size) in OURS:
                write_ours(name, arguments.tiny, size, family)
                continue
            options = {"dropout": 0.1}
            if family == "modernbert":
                # As wide as the model, so that it leaves for transformers.
                sizes = (*sizes[:3], sizes[1], sizes[4])
                options = {}
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
                family=family,
                **options,
            )


def write_ours(name, vocabulary, size, family):
    generator, stddev = OURS[family, size]
    old = {}
    if name == OLD:
        old = {**families.OLD_MODERN, "output_stddev": stddev}
    write(
        name,
        ElectraTokenizer(vocabulary),
        (*SIZES[size][:-1], generator),
        {
            **OPTIMIZERS_OF_OURS[family],
            "warmup_steps": 100,
            "train_steps": None,
            # Short runs: without it the first steps are three times too long.
            "bias_correction": True,
        },
        sequence_length=128,
        family=family,
        **{**old, "dropout": 0.0, "kernel_stddev": stddev},
    )


if __name__ == "__main__":
    main()
