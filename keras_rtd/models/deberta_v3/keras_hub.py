"""DeBERTaV3 as KerasHub's `DebertaV3Backbone`.

It computes the same, but for distances beyond `max_sequence_length`, which it
does not clip. Its inputs have no segments, its output is one tensor.
"""

import keras_hub as hub
import numpy as np

from keras_rtd.keras_internals import encoder_block_layers
from keras_rtd.models import stored_tensors
from keras_rtd.models.deberta_v3 import conversion

BACKBONE = hub.models.DebertaV3Backbone
# The names are the same.
SIZES = (
    "vocabulary_size",
    "num_layers",
    "num_heads",
    "hidden_dim",
    "intermediate_dim",
    "dropout",
    "bucket_size",
)
# Ours -> values with which KerasHub's computes the same.
EXACT = {
    "activation": "gelu",
    "layer_norm_epsilon": 1e-7,
    "num_segments": 0,
    "direction": "bidirectional",
    "position_attention": ["c2p", "p2c"],
    "share_attention_key": True,
    "normalize_relative_embedding": True,
    "absolute_positions": False,
    "enhanced_mask_decoder": False,
}


def load(backbone_cls, theirs, dtype, where):
    """Our encoder of KerasHub's.

    Args:
        backbone_cls: `DebertaV3Backbone`.
        theirs: `keras_hub.models.DebertaV3Backbone`.
        dtype: dtype policy or `None`.
        where: string. Names the source in messages.
    """
    ours = backbone_cls(
        max_sequence_length=theirs.max_sequence_length,
        max_relative_positions=theirs.max_sequence_length,
        dtype=dtype,
        **{name: getattr(theirs, name) for name in SIZES},
    )
    arrays = {}
    for name, variable in _variables(theirs).items():
        array = np.asarray(variable.numpy(), "float32")
        if name.endswith("_proj.weight") or name.endswith("dense.weight"):
            array = _matrix(name, array).T
        elif name.endswith("_proj.bias"):
            array = array.reshape(-1)
        arrays[name] = array
    conversion.assign(ours, arrays, where)
    return ours


def make(ours):
    """KerasHub's encoder of ours, without base of its embeddings.

    Raises:
        ValueError: naming the options that KerasHub's has not.
    """
    wrong = [
        f"{name}={getattr(ours, name)!r}"
        for name, value in EXACT.items()
        if getattr(ours, name) != value
    ]
    if ours.embedding_dim != ours.hidden_dim:
        wrong.append(f"embedding_dim={ours.embedding_dim}")
    if ours.bucket_size is None:
        wrong.append("bucket_size=None")
    if wrong:
        raise ValueError(
            f"KerasHub's DebertaV3Backbone has no {', '.join(wrong)}."
        )
    theirs = BACKBONE(
        max_sequence_length=ours.max_relative_positions,
        **{name: getattr(ours, name) for name in SIZES},
    )
    arrays = stored_tensors.read(conversion.tensors(ours))
    for name, variable in _variables(theirs).items():
        array = arrays[name]
        if array.ndim == 2 and not name.endswith("embeddings.weight"):
            array = array.T
        variable.assign(np.reshape(array, variable.shape))
    return theirs


def _matrix(name, array):
    """Of a kernel with an axis for the heads, (inputs, outputs)."""
    if "attention.output" in name:
        return array.reshape(-1, array.shape[-1])
    return array.reshape(array.shape[0], -1)


def _variables(theirs):
    """KerasHub's variables by Microsoft's names."""
    relative = theirs.relative_embeddings
    named = {
        conversion.TOKEN_TABLE: theirs.token_embedding.embeddings,
        "encoder.rel_embeddings.weight": relative.rel_embeddings,
    }
    layers = {
        "embeddings.LayerNorm": theirs.embeddings_layer_norm,
        "encoder.LayerNorm": relative.layer_norm,
    }
    for i, block in enumerate(theirs.transformer_layers):
        found = encoder_block_layers(block)
        for names in (conversion.KERNELS, conversion.NORMS):
            for name, part in names.items():
                if part in found:
                    layers[f"encoder.layer.{i}.{name}"] = found[part]
    for name, layer in layers.items():
        weight, bias = layer.weights
        named[f"{name}.weight"] = weight
        named[f"{name}.bias"] = bias
    return named
