"""Encoders with a norm before the first attention, as a `ModernBertModel`.

That of `transformers` has none there, so that a layer is put in front. Where
the embeddings are as wide as the model, it is zeros: the residual passes
through. Where they are narrower, it makes their projection: its window is one
token, each attends to itself, and value and output kernel are what the
projection adds to the embeddings that pass. All windows of a `ModernBertModel`
being one, the other layers then attend to all tokens.
"""

import warnings

import numpy as np
from keras import ops

from keras_rtd.models import stored_tensors
from keras_rtd.models.modernbert import conversion


def applies(backbone):
    """Whether this is the way out for an encoder."""
    return backbone.first_attention_norm


def write(backbone, prefix=""):
    """Config and weights of a `ModernBertModel` with the same outputs.

    Args:
        backbone: `ModernBertBackbone` with `first_attention_norm`.
        prefix: string. Before each name. Defaults to none.

    Returns:
        (dict of `config.json`, dict of names to float32 arrays). Of several
        segments, the first is in the token table.

    Raises:
        ValueError: an encoder of another direction, or embeddings of another
            width with local windows.
    """
    _check(backbone)
    narrow = backbone.embeddings_projection is not None
    width, inner = backbone.hidden_dim, backbone.intermediate_dim
    found = stored_tensors.read(conversion.tensors(backbone))
    table, norm = _embeddings(backbone)
    value, output = _front(backbone)
    arrays = {
        conversion.TOKEN_TABLE: table,
        "embeddings.norm.weight": norm,
        "layers.0.attn.Wqkv.weight": np.concatenate(
            [np.zeros((2 * width, width)), value.T]
        ),
        "layers.0.attn.Wo.weight": output.T,
        "layers.0.mlp_norm.weight": np.ones(width),
        "layers.0.mlp.Wi.weight": np.zeros((2 * inner, width)),
        "layers.0.mlp.Wo.weight": np.zeros((width, inner)),
        "final_norm.weight": np.ones(width),
    }
    for name, array in found.items():
        scope, _, rest = name.partition(".")
        if scope == "layers":
            index, _, rest = rest.partition(".")
            arrays[f"layers.{int(index) + 1}.{rest}"] = array
        elif scope == "final_norm":
            arrays[name] = array
    config = conversion.config(backbone)
    config["num_hidden_layers"] = backbone.num_layers + 1
    config["layer_types"] = [
        conversion.SLIDING if narrow else conversion.FULL,
        *config["layer_types"],
    ]
    if narrow:
        config["local_attention"] = 1
    return config, {
        prefix + name: np.ascontiguousarray(array, "float32")
        for name, array in arrays.items()
    }


def _check(backbone):
    narrow = backbone.embeddings_projection is not None
    wrong = []
    if backbone.direction != "bidirectional":
        wrong.append(f"direction={backbone.direction!r}")
    if narrow and backbone.local_attention_window is not None:
        wrong.append(
            f"embedding_dim={backbone.embedding_dim} beside "
            f"hidden_dim={backbone.hidden_dim} where there are windows "
            f"(local_attention_window={backbone.local_attention_window})"
        )
    if backbone.embedding_dim > backbone.hidden_dim:
        wrong.append(f"embedding_dim={backbone.embedding_dim}")
    if wrong:
        raise ValueError(
            f"transformers' ModernBertModel has no {', '.join(wrong)}."
        )
    segments = "; only segment 0 is kept" if backbone.num_segments > 1 else ""
    warnings.warn(
        "This encoder normalises before its first attention, which "
        "transformers' ModernBertModel does not: it is written with a layer "
        f"more, which comes first{segments}.",
        stacklevel=5,
    )


def _embeddings(backbone):
    """Token table and scale of the norm, both as wide as the model."""
    embeddings = backbone.embeddings
    tables = [ops.convert_to_numpy(t) for t in embeddings.tables()]
    table = tables[0][: backbone.vocabulary_size].astype("float64")
    if embeddings.num_segments:
        table = table + tables[1][0]
    scale = ops.convert_to_numpy(embeddings.layer_norm.gamma)
    extra = backbone.hidden_dim - backbone.embedding_dim
    if not extra:
        return table, scale
    # Normalised among zeros, a row of mean 0 and variance 1 grows by a factor.
    table = table - table.mean(-1, keepdims=True)
    variance = (table * table).mean(-1, keepdims=True)
    table = table / np.sqrt(variance + backbone.layer_norm_epsilon)
    shrink = np.sqrt(backbone.embedding_dim / backbone.hidden_dim)
    return (
        np.pad(table, ((0, 0), (0, extra))),
        np.pad(scale * shrink, (0, extra)),
    )


def _front(backbone):
    """Value and output kernel (inputs, outputs) of the layer in front."""
    width = backbone.hidden_dim
    if backbone.embeddings_projection is None:
        return np.zeros((width, width)), np.zeros((width, width))
    projection = ops.convert_to_numpy(backbone.embeddings_projection.kernel)
    added = np.pad(projection, ((0, width - backbone.embedding_dim), (0, 0)))
    passes = np.arange(backbone.embedding_dim)
    added[passes, passes] -= 1
    return np.eye(width), added
