"""Plain KerasHub presets, in both directions.

A family other than ELECTRA brings a `keras_hub` module of its own.

KerasHub's `ElectraBackbone` differs from ours in three ways. It always
computes tanh-gelu, so that what is loaded has
`activation="gelu_approximate"`, and gives the same vectors; a model trained
with erf-gelu is changed a little (about 1e-3) by being saved there. It always
has a `pooled_dense` layer, which ELECTRA has not: it is left out when loading
and written as an identity, so that KerasHub's `pooled_output` is the tanh of
[CLS]. And it has no heads: those of a pretrainer stay behind.
"""

import pathlib
import warnings
from typing import Any

import keras_hub as hub
import numpy as np

from keras_rtd.interop import assembly
from keras_rtd.interop import deberta_files
from keras_rtd.interop import weights
from keras_rtd.keras_internals import encoder_block_layers
from keras_rtd.models import ElectraBackbone
from keras_rtd.models import ElectraTokenizer
from keras_rtd.models import RtdBackbone
from keras_rtd.models.electra import conversion
from keras_rtd.models.families import FAMILIES
from keras_rtd.models.preset_files import check_configs
from keras_rtd.models.weight_copies import with_plain_embeddings
from keras_rtd.tokenizers import TOKENIZERS
from keras_rtd.tokenizers.base import Tokenizer
from keras_rtd.utils.targets import check_preset_target
from keras_rtd.utils.types import Path

# Ours -> KerasHub's. The rest of the names are the same.
SIZES = (
    "num_layers",
    "num_heads",
    "hidden_dim",
    "embedding_dim",
    "intermediate_dim",
    "dropout",
    "max_sequence_length",
    "num_segments",
)

SPECIAL = {
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "mask_token": "[MASK]",
    "unk_token": "[UNK]",
}


def load(path: Path, dtype: Any = None) -> RtdBackbone:
    """The encoder of a KerasHub preset, with equal outputs.

    Args:
        path: string. A directory with KerasHub's own `ElectraBackbone` or
            `DebertaV3Backbone`, or the name of a released preset, which needs
            the network.
        dtype: dtype policy or `None`.

    Returns:
        `ElectraBackbone` with `activation="gelu_approximate"`, or
        `DebertaV3Backbone`.

    Raises:
        ValueError: no such preset, or one of another model. What keras_rtd's
            `save_to_preset` wrote is loaded by `from_preset`.
    """
    theirs = hub.models.Backbone.from_preset(_preset(path), dtype=dtype)
    for cls in _families():
        if type(theirs) is cls.keras_hub.BACKBONE:
            return cls.keras_hub.load(cls, theirs, dtype, str(path))
    if type(theirs) is not hub.models.ElectraBackbone:
        raise ValueError(
            f"{path} holds a {type(theirs).__module__}."
            f"{type(theirs).__name__}, not KerasHub's "
            f"{' or '.join(cls.__name__ for cls in _theirs())}. "
            "keras_rtd's own presets are loaded by their class's from_preset."
        )
    ours = ElectraBackbone(
        vocabulary_size=theirs.vocab_size,
        activation="gelu_approximate",
        dtype=dtype,
        **{name: getattr(theirs, name) for name in SIZES},
    )
    found = {
        name: np.reshape(variable.numpy(), _shape(name, variable.shape))
        for name, variable in _named_variables(theirs).items()
    }
    weights.assign(ours, found, str(path))
    return ours


def load_tokenizer(path: Path) -> Tokenizer | None:
    """The tokenizer of a KerasHub preset, or `None` where it has none.

    Args:
        path: as for `load`.

    Returns:
        `ElectraTokenizer` or `UnigramTokenizer`. The first splits text as
        BERT's reference does, where KerasHub's differs on no-break spaces,
        accents and the like.
    """
    try:
        theirs = hub.tokenizers.Tokenizer.from_preset(_preset(path))
    except (FileNotFoundError, ValueError):
        return None
    found = (c.from_keras_hub(theirs) for c in TOKENIZERS.values())
    return next((ours for ours in found if ours is not None), None)


def save(model: Any, path: Path, tokenizer: Tokenizer | None = None) -> None:
    """Write a preset that KerasHub loads without keras_rtd.

    Args:
        model: `ElectraBackbone` or `DebertaV3Backbone`, or a model that has
            one: the discriminator of an `ElectraPretrainer`, the generator of
            an `ElectraMaskedLM`.
        path: string. The directory; made if absent.
        tokenizer: `ElectraTokenizer` or `None` for the model's own.

    Raises:
        ValueError: a tokenizer whose special tokens have other names than
            KerasHub's, another LayerNorm epsilon than its, or a DeBERTaV3
            with options that KerasHub's has not, naming them.
    """
    ours = getattr(model, "backbone", model)
    if ours.keras_hub is not None:
        check_preset_target(path)
        theirs = ours.keras_hub.make(with_plain_embeddings(ours))
        theirs.save_to_preset(str(path))
        _save_sentencepiece(assembly.tokenizer_of(model, tokenizer), path)
        return
    weights.named_variables(model)
    tokenizer = assembly.tokenizer_of(model, tokenizer)
    if ours.layer_norm_epsilon != 1e-12:
        raise ValueError(
            "KerasHub's ElectraBackbone has LayerNorm with epsilon 1e-12. "
            f"Received: layer_norm_epsilon={ours.layer_norm_epsilon}"
        )
    check_preset_target(path)
    if tokenizer is not None:
        tokenizer = _tokenizer(tokenizer)
    if ours.activation == "gelu":
        warnings.warn(
            "KerasHub's ElectraBackbone computes tanh-gelu, this encoder was "
            "made with erf-gelu: its outputs change by about 1e-3.",
            stacklevel=2,
        )
    theirs = hub.models.ElectraBackbone(
        vocab_size=ours.vocabulary_size,
        **{name: getattr(ours, name) for name in SIZES},
    )
    arrays = weights.read(ours)
    for name, variable in _named_variables(theirs).items():
        variable.assign(np.reshape(arrays[name], variable.shape))
    kernel, bias = theirs.pooled_dense.weights
    kernel.assign(np.eye(ours.hidden_dim, dtype=np.float32))
    bias.assign(np.zeros(ours.hidden_dim, np.float32))
    theirs.save_to_preset(str(path))
    if tokenizer is not None:
        tokenizer.save_to_preset(str(path))


def _families():
    """Families that have a module of their own for KerasHub."""
    return [cls for cls in FAMILIES.values() if cls.keras_hub is not None]


def _theirs():
    """KerasHub's classes that are read."""
    others = [cls.keras_hub.BACKBONE for cls in _families()]
    return [hub.models.ElectraBackbone, *others]


def _preset(path):
    path = str(path)
    if pathlib.Path(path).is_dir():
        check_configs(path)
        return path
    known = [name for cls in _theirs() for name in cls.presets]
    if path not in known and "://" not in path:
        raise ValueError(
            f"No KerasHub preset {path!r}: not a directory, and not one of "
            f"{', '.join(known)}."
        )
    return path


def _named_variables(theirs):
    """KerasHub's variables, less `pooled_dense`, by the reference's names."""
    scope = conversion.EMBEDDINGS
    positions = theirs.position_embedding.position_embeddings
    named = {
        conversion.TOKEN_TABLE: theirs.token_embedding.embeddings,
        conversion.POSITION_TABLE: positions,
        conversion.SEGMENT_TABLE: theirs.segment_embedding.embeddings,
    }
    layers = {f"{scope}/LayerNorm": theirs.embeddings_layer_norm}
    if theirs.hidden_dim != theirs.embedding_dim:
        layers["electra/embeddings_project"] = theirs.embeddings_projection
    for index, block in enumerate(theirs.transformer_layers):
        for part, layer in encoder_block_layers(block).items():
            name = f"electra/encoder/layer_{index}/{conversion.BLOCK[part]}"
            layers[name] = layer
    for name, layer in layers.items():
        for variable in layer.weights:
            named[f"{name}/{variable.name}"] = variable
    return named


def _shape(name, shape):
    """Ours of KerasHub's, whose attention has an axis for the heads."""
    if "/attention/self/" in name:
        return (shape[0], -1) if name.endswith("kernel") else (-1,)
    if name.endswith("/attention/output/dense/kernel"):
        return (-1, shape[-1])
    return shape


def _save_sentencepiece(ours, path):
    if ours is None:
        return
    try:
        proto = deberta_files.sentencepiece(ours)
    except ValueError as reason:
        warnings.warn(
            "The tokenizer stays behind. KerasHub's DebertaV3Tokenizer reads "
            f"SentencePiece's files, and this is none: {reason}",
            stacklevel=3,
        )
        return
    theirs = hub.tokenizers.DebertaV3Tokenizer(proto=proto)
    theirs.save_to_preset(str(path))


def _tokenizer(ours):
    if not isinstance(ours, ElectraTokenizer) or ours.normalization:
        raise ValueError(
            "KerasHub's ELECTRA takes a WordPiece tokenizer with BERT's "
            f"rules. This one is {type(ours).__name__}, with others."
        )
    wrong = [
        f"{name}={getattr(ours, name)!r}"
        for name, token in SPECIAL.items()
        if getattr(ours, name) != token
    ]
    if wrong:
        raise ValueError(
            "KerasHub's ELECTRA tokenizer knows only [CLS], [SEP], [PAD], "
            f"[MASK] and [UNK]. This tokenizer has {', '.join(wrong)}."
        )
    return hub.tokenizers.ElectraTokenizer(
        list(ours.vocabulary),
        lowercase=ours.lowercase,
        strip_accents=ours.strip_accents,
    )
