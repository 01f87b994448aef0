"""ELECTRA as directories of `transformers`.

See `keras_rtd.interop.huggingface`, which asks for the names here. They are
those of models/electra/modeling_electra.py: the reference's, with points for
slashes and dense kernels transposed.
"""

import warnings
from typing import Any

from keras_rtd.models import stored_tensors
from keras_rtd.models.electra import conversion
from keras_rtd.models.electra.conversion import add_layer

MODEL_TYPE = "electra"
ARCHITECTURES = {
    "encoder": "ElectraModel",
    "masked_lm": "ElectraForMaskedLM",
    "detector": "ElectraForPreTraining",
}
SPECIAL_IDS = {"pad_token_id": "pad_token_id"}
PREFIX = "electra."

# Names of gelu there, and ours.
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_approximate",
    "gelu_fast": "gelu_approximate",
    "gelu_pytorch_tanh": "gelu_approximate",
}
# Ours -> theirs, and the default of transformers' ElectraConfig.
SIZES = {
    "vocabulary_size": ("vocab_size", 30522),
    "num_layers": ("num_hidden_layers", 12),
    "num_heads": ("num_attention_heads", 4),
    "hidden_dim": ("hidden_size", 256),
    "embedding_dim": ("embedding_size", 128),
    "intermediate_dim": ("intermediate_size", 1024),
    "max_sequence_length": ("max_position_embeddings", 512),
    "num_segments": ("type_vocab_size", 2),
    "layer_norm_epsilon": ("layer_norm_eps", 1e-12),
}

TOKEN_TABLE = "electra.embeddings.word_embeddings.weight"
# A tied copy of the token table, and buffers of older versions.
TIED = "generator_lm_head.weight"
BUFFERS = ("embeddings.position_ids", "embeddings.token_type_ids")

LEAVES = {"kernel": "weight", "gamma": "weight", "beta": "bias"}


def arguments(config, kind):
    """Arguments of the encoder's class.

    Args:
        config: dict, `config.json`.
        kind: a key of `ARCHITECTURES`.

    Raises:
        ValueError: options that there are not here.
    """
    activation = config.get("hidden_act", "gelu")
    if activation not in ACTIVATIONS:
        raise ValueError(
            f"hidden_act={activation!r}. Known: {', '.join(ACTIVATIONS)}."
        )
    positions = config.get("position_embedding_type", "absolute")
    if positions != "absolute":
        raise ValueError(
            f"position_embedding_type={positions!r}; ELECTRA's positions are "
            "absolute."
        )
    dropout = config.get("hidden_dropout_prob", 0.1)
    if config.get("attention_probs_dropout_prob", 0.1) != dropout:
        warnings.warn(
            "hidden_dropout_prob and attention_probs_dropout_prob differ; "
            f"keras_rtd has one rate for both: {dropout}",
            stacklevel=4,
        )
    found = {
        **{ours: config.get(*theirs) for ours, theirs in SIZES.items()},
        "dropout": dropout,
        "activation": ACTIVATIONS[activation],
    }
    if kind == "masked_lm" and found["activation"] != "gelu":
        raise ValueError(
            f"a generator whose encoder has hidden_act={activation!r} while "
            "its head has erf-gelu; keras_rtd has one for both."
        )
    return found


def tensors(kind, model, found=()):
    """The weights of a model as its file has them.

    Args:
        kind: a key of `ARCHITECTURES`.
        model: the encoder, or a task that has one.
        found: the names of a file that is read; there is one spelling here.

    Returns:
        dict of names to `StoredTensor`, the encoder's with `PREFIX`.
    """
    backbone = getattr(model, "backbone", model)
    named: dict[str, Any] = {}
    conversion.add_embeddings(named, backbone.embeddings)
    conversion.add_encoder(named, "electra", backbone)
    if kind == "masked_lm":
        head, scope = model.masked_lm_head, "generator_predictions"
        add_layer(named, f"{scope}/dense", head.dense)
        add_layer(named, f"{scope}/LayerNorm", head.layer_norm)
        named["generator_lm_head/beta"] = head.bias
    elif kind == "detector":
        head, scope = model.detection_head, "discriminator_predictions"
        add_layer(named, f"{scope}/dense", head.dense)
        add_layer(named, f"{scope}/dense_prediction", head.logits)
    return {
        _spell(name): _stored(name, variable, backbone.vocabulary_size)
        for name, variable in named.items()
    }


def _spell(name):
    name = name.replace("/layer_", "/layer/")
    scope, _, leaf = name.rpartition("/")
    if leaf.endswith("_embeddings"):
        name += "/weight"
    else:
        name = f"{scope}/{LEAVES.get(leaf, leaf)}"
    return name.replace("/", ".")


def _stored(name, variable, rows):
    if name == conversion.TOKEN_TABLE:
        return stored_tensors.table(variable, rows)
    if name.endswith("/kernel"):
        return stored_tensors.kernel(variable)
    return stored_tensors.plain(variable)


def write(kind, model):
    """What a directory of a model holds.

    Args:
        kind: a key of `ARCHITECTURES`.
        model: the encoder, or a task that has one.

    Returns:
        (dict of `config.json`, dict of names to arrays with `PREFIX`).

    Raises:
        ValueError: a generator with tanh-gelu: the head of
            ElectraForMaskedLM always computes erf-gelu.
    """
    backbone = getattr(model, "backbone", model)
    if kind == "masked_lm" and backbone.activation != "gelu":
        raise ValueError(
            "This generator has tanh-gelu (activation="
            f"{backbone.activation!r}), but Transformers' ElectraForMaskedLM "
            "computes erf-gelu in its head whatever the config says. Save "
            "`pretrainer.replaced_token_detector()` alone."
        )
    tanh = backbone.activation == "gelu_approximate"
    sizes = {
        theirs: getattr(backbone, ours) for ours, (theirs, _) in SIZES.items()
    }
    return {
        **sizes,
        "hidden_act": "gelu_new" if tanh else "gelu",
        "hidden_dropout_prob": backbone.dropout,
        "attention_probs_dropout_prob": backbone.dropout,
        "initializer_range": backbone.kernel_stddev,
        "tie_word_embeddings": True,
    }, stored_tensors.read(tensors(kind, model))


def stays_behind(model):
    """Why a part of a pretrainer cannot leave, or `None`."""
    return None
