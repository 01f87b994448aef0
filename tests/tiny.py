"""A model and batches small enough for every test."""

import keras
import numpy as np

from keras_rtd.models import ElectraPreprocessor
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import ElectraTokenizer
from keras_rtd.models import families
from keras_rtd.objectives import find
from keras_rtd.pretraining.ingredients import compile_pretrainer
from keras_rtd.pretraining.ingredients import pretrainer_arguments

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = (
    "the a of to and in is it that was he she for on as with his her they "
    "at be this from have or by one had not but what all were when we there "
    "can an your which their said if do will each about how up out them then "
    "many some so these would other into has more two like him see time "
    "could no make than first been its who now people my made over did down"
).split()
VOCABULARY = [*SPECIAL, *WORDS, "##s", "##ed", "##ing", ".", ","]


def built(settings):
    """The compiled pretrainer of `PretrainSettings`."""
    model = ElectraPretrainer.from_preset(
        compile=False,
        **pretrainer_arguments(
            settings.model,
            settings.generator,
            settings.objective,
            settings.devices,
            settings.run,
            settings.of_preset,
            settings.data.sequence_length,
        ),
    )
    compile_pretrainer(
        model, settings.optimizer, settings.devices, settings.run
    )
    return model


def tokenizer():
    return ElectraTokenizer(list(VOCABULARY))


def pretrainer(
    dropout=0.0,
    with_tokenizer=False,
    dtype=None,
    family="electra",
    kernel_stddev=0.02,
    encoder_options=None,
    **kwargs,
):
    """2 layers x 16; the vocabulary is not a multiple of 64."""
    backbone_cls = families.get(family)
    sizes = {
        "vocabulary_size": len(VOCABULARY),
        "num_layers": 2,
        "embedding_dim": 12,
        "intermediate_dim": 32,
        "max_sequence_length": 32,
        "dropout": dropout,
        "dtype": dtype,
        "kernel_stddev": kernel_stddev,
        **(encoder_options or {}),
    }
    backbone = backbone_cls(hidden_dim=16, num_heads=2, **sizes)
    objective = find(kwargs.get("objective", "electra"))
    kind = objective.generator_class(backbone_cls)
    if kind is not None and kind is not backbone_cls:
        sizes["encoder"] = keras.saving.get_registered_name(backbone_cls)
    generator = kind and kind(
        **{**sizes, "hidden_dim": 8, "num_heads": 1},
        embeddings=backbone.embeddings,
        name="generator",
    )
    if "special_ids" in objective.tokenizer_options and not with_tokenizer:
        options = kwargs.setdefault("objective_config", {})
        options.setdefault("special_ids", [2, 3, 4])
    if with_tokenizer:
        kwargs["preprocessor"] = ElectraPreprocessor(
            tokenizer(), sequence_length=16
        )
    kwargs.setdefault(
        "optimizer_config", {"learning_rate": 1e-2, "warmup_steps": 2}
    )
    return ElectraPretrainer(backbone, generator, seed=1, **kwargs)


def batch(seed=0, rows=4, length=16, slots=3, vocabulary=None):
    """A masked batch with rows of different lengths and an unused slot."""
    vocabulary = vocabulary or len(VOCABULARY)
    rng = np.random.default_rng(seed)
    lengths = rng.integers(length // 2, length + 1, rows)
    real = np.arange(length)[None] < lengths[:, None]
    ids = np.where(real, rng.integers(5, vocabulary, (rows, length)), 0)
    ids[:, 0] = 2
    ids[np.arange(rows), lengths - 1] = 3
    positions = np.stack(
        [
            np.sort(rng.choice(np.arange(1, n - 1), slots, replace=False))
            for n in lengths
        ]
    )
    weights = np.ones((rows, slots), np.float32)
    weights[0, -1] = 0.0
    positions = positions * weights.astype(np.int64)
    mask_ids = np.take_along_axis(ids, positions, 1) * weights
    masked = ids.copy()
    for row in range(rows):
        masked[row, positions[row][weights[row] > 0]] = 4
    segments = (np.arange(length)[None] >= length // 2) & real
    return {
        "token_ids": ids.astype(np.int32),
        "segment_ids": segments.astype(np.int32),
        "padding_mask": real,
        "mask_positions": positions.astype(np.int32),
        "mask_ids": mask_ids.astype(np.int32),
        "mask_weights": weights,
        "masked_token_ids": masked.astype(np.int32),
    }


class Batches(keras.utils.PyDataset):
    """Endless batches, each a function of its step."""

    def __init__(self, start=0):
        super().__init__()
        self.start = start
        self._keras_rtd_rebuild = lambda start_step: Batches(start_step)

    num_batches = None

    def __getitem__(self, index):
        return (batch(self.start + index),)


def text(documents=40, sentences=6, seed=0):
    """Sentences of the vocabulary's words, a line each."""
    rng = np.random.default_rng(seed)
    return "\n\n".join(
        "\n".join(
            " ".join(rng.choice(WORDS, rng.integers(4, 12))) + "."
            for _ in range(sentences)
        )
        for _ in range(documents)
    )
