"""Writes the bundled presets: configs and vocabularies, no weights.

    python tools/make_presets.py --uncased VOCAB_30522 --tiny VOCAB_8192

The vocabularies come from `python -m keras_rtd.data.vocabulary`; the commands
are in docs/presets.md. Sizes and rates are those of google-research/electra,
configure_pretraining.py; tiny is ours.
"""

import argparse
import pathlib
import shutil

from keras_rtd.models import ElectraBackbone
from keras_rtd.models import ElectraPreprocessor
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import ElectraTokenizer
from keras_rtd.models.presets import DIRECTORY

# name: layers, width, heads, embedding, generator's width, peak rate, steps
SIZES = {
    "small": (12, 256, 4, 128, 64, 5e-4, 1_000_000),
    "base": (12, 768, 12, 768, 256, 2e-4, 766_000),
    "large": (24, 1024, 16, 1024, 256, 2e-4, 400_000),
}


def encoder(vocabulary_size, layers, width, heads, embedding, **kwargs):
    return ElectraBackbone(
        vocabulary_size=vocabulary_size,
        num_layers=layers,
        num_heads=heads,
        hidden_dim=width,
        embedding_dim=embedding,
        intermediate_dim=4 * width,
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
    shutil.rmtree(directory, ignore_errors=True)
    pretrainer.save_to_preset(str(directory))
    for path in pathlib.Path(directory).glob("*.weights.h5"):
        path.unlink()
    print(name, discriminator.count_params(), "parameters")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--uncased", required=True)
    parser.add_argument("--tiny", required=True)
    arguments = parser.parse_args()
    tokenizer = ElectraTokenizer(arguments.uncased)
    for size, (*sizes, rate, steps) in SIZES.items():
        write(
            f"electra_{size}_uncased_en",
            tokenizer,
            sizes,
            {
                "learning_rate": rate,
                "warmup_steps": 10_000,
                "train_steps": steps,
            },
            sequence_length=512,
            dropout=0.1,
        )
    write(
        "electra_tiny_uncased_en",
        ElectraTokenizer(arguments.tiny),
        (4, 128, 2, 128, 64),
        {
            "learning_rate": 1e-3,
            "warmup_steps": 100,
            "train_steps": None,
            # Short runs: without it the first steps are three times too long.
            "bias_correction": True,
        },
        sequence_length=128,
        dropout=0.0,
        kernel_stddev=0.08,
    )


if __name__ == "__main__":
    main()
