"""Hugging Face Transformers: ELECTRA directories, in both directions.

`transformers` itself is not needed. Its names and layout are those of
models/electra/modeling_electra.py: the reference's, with points for slashes
and dense kernels transposed.
"""

import pathlib
import warnings
from typing import Any

import keras
import numpy as np

from keras_rtd.interop import assembly
from keras_rtd.interop import huggingface_files
from keras_rtd.interop import tokenizer_files
from keras_rtd.interop import weights
from keras_rtd.models import ElectraBackbone
from keras_rtd.models import ElectraMaskedLM
from keras_rtd.models import ElectraPretrainer
from keras_rtd.models import ElectraReplacedTokenDetector
from keras_rtd.models.electra import conversion
from keras_rtd.tokenizers.base import Tokenizer
from keras_rtd.utils.types import Path

DISCRIMINATOR, GENERATOR = "discriminator", "generator"

ARCHITECTURES = {
    "ElectraForPreTraining": ElectraReplacedTokenDetector,
    "ElectraForMaskedLM": ElectraMaskedLM,
    "ElectraModel": ElectraBackbone,
}

# Names of gelu there, and ours.
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_approximate",
    "gelu_fast": "gelu_approximate",
    "gelu_pytorch_tanh": "gelu_approximate",
}

# A tied copy of the token table, and a buffer of older versions.
TIED = "generator_lm_head.weight"
BUFFERS = ("embeddings.position_ids", "embeddings.token_type_ids")

RENAMED = (
    ("generator/", "electra/"),
    (
        "discriminator_predictions/dense_1/",
        "discriminator_predictions/dense_prediction/",
    ),
    ("generator_predictions/output_bias", "generator_lm_head/bias"),
)
LEAVES = {"kernel": "weight", "gamma": "weight", "beta": "bias"}


def load(path: Path) -> keras.Model:
    """The model of a directory.

    Args:
        path: string. A directory with `config.json`, `model.safetensors` and
            `vocab.txt` or `tokenizer.json`; or one with two such directories,
            `discriminator/` and `generator/`.

    Returns:
        `ElectraReplacedTokenDetector` of an ElectraForPreTraining,
        `ElectraMaskedLM` of an ElectraForMaskedLM, `ElectraBackbone` of an
        ElectraModel; `ElectraPretrainer` of two directories, the generator's
        embeddings tied to the discriminator's.

    Raises:
        ValueError: no such directory, another model, weights that are
            missing or misshapen (lists all), or weights only as a pickle.
    """
    path = pathlib.Path(path)
    if (path / GENERATOR).is_dir() and (path / DISCRIMINATOR).is_dir():
        return _load_pretrainer(path)
    config = huggingface_files.read_config(path)
    kind = _architecture(config, path)
    backbone = ElectraBackbone(**_encoder_arguments(config, path))
    preprocessor = None
    if kind is not ElectraBackbone:
        preprocessor = tokenizer_files.preprocessor_of(
            load_tokenizer(path), backbone
        )
    model = {
        ElectraBackbone: lambda: backbone,
        ElectraMaskedLM: lambda: ElectraMaskedLM(backbone, preprocessor),
        ElectraReplacedTokenDetector: lambda: ElectraReplacedTokenDetector(
            backbone, preprocessor
        ),
    }[kind]()
    _assign(model, huggingface_files.read_weights(path), path)
    return model


def load_tokenizer(path: Path) -> Tokenizer | None:
    """The tokenizer of a directory.

    Args:
        path: string. A directory; `vocab.txt` alone suffices.

    Returns:
        `Tokenizer`, or `None` where there is none.
    """
    path = pathlib.Path(path)
    if (path / DISCRIMINATOR).is_dir():
        path = path / DISCRIMINATOR
    return huggingface_files.read_tokenizer(path)


def save(model: Any, path: Path, tokenizer: Tokenizer | None = None) -> None:
    """Write a directory that `transformers` loads.

    Args:
        model: `ElectraReplacedTokenDetector`, `ElectraMaskedLM`,
            `ElectraBackbone`, or an `ElectraPretrainer`, which becomes
            `discriminator/` and `generator/`.
        path: string. The directory; made if absent.
        tokenizer: `ElectraTokenizer` or `None` for the model's own. Without
            one, no tokenizer files are written.

    Raises:
        ValueError: a generator with tanh-gelu: Transformers' head of
            ElectraForMaskedLM always computes erf-gelu; or a pretrainer
            without generator or detector.
    """
    tokenizer = assembly.tokenizer_of(model, tokenizer)
    path = pathlib.Path(path)
    if isinstance(model, ElectraPretrainer):
        tasks = model.objective.tasks()
        kept = {encoder for encoder, _ in tasks.values()}
        if len(tasks) < 2 or kept != {"backbone", "generator"}:
            raise ValueError(
                "Of a pretrainer a detector and a masked language model are "
                f"saved, which the objective {model.objective.name!r} has not "
                "both: pass the pretrainer's `discriminator`, `masked_lm()` "
                "or `replaced_token_detector()`."
            )
        _check_generator(model.generator)
        save(model.replaced_token_detector(), path / DISCRIMINATOR, tokenizer)
        save(model.masked_lm(), path / GENERATOR, tokenizer)
        return
    arrays = weights.read(model)
    backbone = getattr(model, "backbone", model)
    if isinstance(model, ElectraMaskedLM):
        _check_generator(backbone)
    bare = isinstance(model, ElectraBackbone)
    tensors = {
        spell(name, bare): _turn(name, array) for name, array in arrays.items()
    }
    huggingface_files.write_model(
        path, _config(model, backbone, tokenizer), tensors
    )
    if tokenizer is not None:
        huggingface_files.write_tokenizer(
            tokenizer, path, backbone.max_sequence_length
        )


def spell(name: str, bare: bool = False) -> str:
    """Hugging Face's name of a weight.

    Args:
        name: string. The reference's name.
        bare: bool. As in an ElectraModel, which is the encoder alone.
            Defaults to `False`.

    Returns:
        string.
    """
    for old, new in RENAMED:
        if name.startswith(old):
            name = new + name[len(old) :]
    name = name.replace("/layer_", "/layer/")
    scope, _, leaf = name.rpartition("/")
    if leaf.endswith("_embeddings"):
        name += "/weight"
    else:
        name = f"{scope}/{LEAVES.get(leaf, leaf)}"
    name = name.replace("/", ".")
    return name.removeprefix("electra.") if bare else name


def _turn(name, array):
    # Dense kernels are (inputs, outputs) here and the other way round there.
    return array.T if name.endswith("/kernel") else array


def _load_pretrainer(path):
    detector, generator = load(path / DISCRIMINATOR), load(path / GENERATOR)
    kinds = (ElectraReplacedTokenDetector, ElectraMaskedLM)
    if (type(detector), type(generator)) != kinds:
        raise ValueError(
            f"{path}: {DISCRIMINATOR}/ should be an ElectraForPreTraining and "
            f"{GENERATOR}/ an ElectraForMaskedLM."
        )
    pretrainer, _ = assembly.join(detector, generator)
    return pretrainer


def _assign(model, tensors, path):
    bare = not any(name.startswith("electra.") for name in tensors)
    arrays = weights.read(model)
    names = {spell(name, bare): name for name in arrays}
    shapes = {
        there: _turn(name, arrays[name]).shape for there, name in names.items()
    }
    weights.check_shapes(shapes, tensors, str(path))
    table = spell(conversion.TOKEN_TABLE, bare)
    if TIED in tensors and not np.array_equal(tensors[TIED], tensors[table]):
        raise ValueError(
            f"{path} has an output table of its own ({TIED}): ELECTRA's is "
            "the token table."
        )
    unused = [
        name
        for name in tensors
        if name not in names and name != TIED and not name.endswith(BUFFERS)
    ]
    if unused:
        warnings.warn(
            f"{path} has weights that ELECTRA has no place for: "
            f"{', '.join(sorted(unused))}",
            stacklevel=3,
        )
    found = {name: _turn(name, tensors[there]) for there, name in names.items()}
    weights.assign(model, found, str(path))


def _architecture(config, path):
    names = config.get("architectures") or ["ElectraModel"]
    if names[0] not in ARCHITECTURES:
        raise ValueError(
            f"{path} is an {names[0]}. What can be loaded: "
            f"{', '.join(ARCHITECTURES)}."
        )
    return ARCHITECTURES[names[0]]


def _encoder_arguments(config, path):
    activation = config.get("hidden_act", "gelu")
    if activation not in ACTIVATIONS:
        raise ValueError(
            f"{path} has hidden_act={activation!r}. Known: "
            f"{', '.join(ACTIVATIONS)}."
        )
    kind = config.get("position_embedding_type", "absolute")
    if kind != "absolute":
        raise ValueError(
            f"{path} has position_embedding_type={kind!r}; ELECTRA's "
            "positions are absolute."
        )
    dropout = config.get("hidden_dropout_prob", 0.1)
    if config.get("attention_probs_dropout_prob", 0.1) != dropout:
        warnings.warn(
            f"{path}: hidden_dropout_prob and attention_probs_dropout_prob "
            f"differ; keras_rtd has one rate for both: {dropout}",
            stacklevel=3,
        )
    # Absent ones have the defaults of transformers' ElectraConfig.
    arguments = {
        "vocabulary_size": config.get("vocab_size", 30522),
        "num_layers": config.get("num_hidden_layers", 12),
        "num_heads": config.get("num_attention_heads", 4),
        "hidden_dim": config.get("hidden_size", 256),
        "embedding_dim": config.get("embedding_size", 128),
        "intermediate_dim": config.get("intermediate_size", 1024),
        "max_sequence_length": config.get("max_position_embeddings", 512),
        "num_segments": config.get("type_vocab_size", 2),
        "layer_norm_epsilon": config.get("layer_norm_eps", 1e-12),
        "dropout": dropout,
        "activation": ACTIVATIONS[activation],
    }
    if config.get("architectures") == ["ElectraForMaskedLM"]:
        arguments["name"] = "generator"
        if arguments["activation"] != "gelu":
            raise ValueError(
                f"{path} is a generator whose encoder has "
                f"hidden_act={activation!r} while its head has erf-gelu; "
                "keras_rtd has one for both."
            )
    return arguments


def _config(model, backbone, tokenizer):
    kinds = {kind: name for name, kind in ARCHITECTURES.items()}
    tanh = backbone.activation == "gelu_approximate"
    return {
        "architectures": [kinds[type(model)]],
        "model_type": "electra",
        "vocab_size": backbone.vocabulary_size,
        "embedding_size": backbone.embedding_dim,
        "hidden_size": backbone.hidden_dim,
        "num_hidden_layers": backbone.num_layers,
        "num_attention_heads": backbone.num_heads,
        "intermediate_size": backbone.intermediate_dim,
        "hidden_act": "gelu_new" if tanh else "gelu",
        "hidden_dropout_prob": backbone.dropout,
        "attention_probs_dropout_prob": backbone.dropout,
        "max_position_embeddings": backbone.max_sequence_length,
        "type_vocab_size": backbone.num_segments,
        "initializer_range": 0.02,
        "layer_norm_eps": backbone.layer_norm_epsilon,
        "pad_token_id": 0 if tokenizer is None else tokenizer.pad_token_id,
        "tie_word_embeddings": True,
        "dtype": "float32",
    }


def _check_generator(generator):
    if generator.activation != "gelu":
        raise ValueError(
            "This generator has tanh-gelu (activation="
            f"{generator.activation!r}), but Transformers' ElectraForMaskedLM "
            "computes erf-gelu in its head whatever the config says. Save "
            "`pretrainer.replaced_token_detector()` alone."
        )
