"""The weights of a ModernBertBackbone under the names of `transformers`.

`ModernBertModel`'s state dict: matrices are (outputs, inputs) there, query, key
and value are one matrix, and so are gate and inner kernel.
"""

from keras_rtd.models import stored_tensors
from keras_rtd.models.stored_tensors import kernel
from keras_rtd.models.stored_tensors import plain

# Every third layer, from the first on, attends to all tokens.
GLOBAL_EVERY = 3
FULL, SLIDING = "full_attention", "sliding_attention"
ROPE_BASES = {FULL: 160_000.0, SLIDING: 10_000.0}

# Ours -> theirs.
SIZES = {
    "vocabulary_size": "vocab_size",
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "hidden_dim": "hidden_size",
    "intermediate_dim": "intermediate_size",
    "max_sequence_length": "max_position_embeddings",
    "layer_norm_epsilon": "norm_eps",
    "kernel_stddev": "initializer_range",
}
# transformers' ModernBertConfig's, for what a config.json leaves out.
DEFAULTS = {
    "vocab_size": 50368,
    "num_hidden_layers": 22,
    "num_attention_heads": 12,
    "hidden_size": 768,
    "intermediate_size": 1152,
    "max_position_embeddings": 8192,
    "norm_eps": 1e-5,
    "initializer_range": 0.02,
    "hidden_activation": "gelu",
    "local_attention": 128,
}
# Names of gelu there, and ours.
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_approximate",
    "gelu_fast": "gelu_approximate",
    "gelu_pytorch_tanh": "gelu_approximate",
}

TOKEN_TABLE = "embeddings.tok_embeddings.weight"

# transformers' name -> the layers of a block whose kernels it joins.
KERNELS = {
    "attn.Wqkv": ("query", "key", "value"),
    "attn.Wo": ("attention_output",),
    "mlp.Wi": ("gate", "intermediate"),
    "mlp.Wo": ("output_dense",),
}
NORMS = {"attn_norm": "attention_norm", "mlp_norm": "intermediate_norm"}

# Ours -> values with which transformers' model computes the same.
EXACT = {
    "num_segments": 0,
    "first_attention_norm": False,
    "final_norm_scale": True,
    "direction": "bidirectional",
}


def check(backbone):
    """Refuse an encoder that `ModernBertModel` cannot hold.

    Raises:
        ValueError: naming the arguments.
    """
    wrong = [
        f"{name}={getattr(backbone, name)!r}"
        for name, value in EXACT.items()
        if getattr(backbone, name) != value
    ]
    if backbone.embedding_dim != backbone.hidden_dim:
        wrong.append(f"embedding_dim={backbone.embedding_dim}")
    if backbone.embeddings.base() is not None:
        wrong.append("gradient-disentangled embeddings")
    if wrong:
        raise ValueError(
            f"transformers' ModernBertModel has no {', '.join(wrong)}."
        )


def tensors(backbone):
    """The weights under `ModernBertModel`'s names, by `StoredTensor`."""
    embeddings = backbone.embeddings
    named = {
        TOKEN_TABLE: stored_tensors.table(
            embeddings.token_table, backbone.vocabulary_size
        ),
        "embeddings.norm.weight": plain(embeddings.layer_norm.gamma),
    }
    for i, block in enumerate(backbone.transformer_layers):
        for name, ours in NORMS.items():
            norm = getattr(block, ours)
            if norm is not None:
                named[f"layers.{i}.{name}.weight"] = plain(norm.gamma)
        for name, parts in KERNELS.items():
            kernels = [getattr(block, part).kernel for part in parts]
            named[f"layers.{i}.{name}.weight"] = kernel(*kernels)
    if backbone.final_norm_scale:
        named["final_norm.weight"] = plain(backbone.final_norm.gamma)
    return named


def state_dict(backbone):
    """The weights as `ModernBertModel.state_dict()` names them.

    Args:
        backbone: `ModernBertBackbone`.

    Returns:
        dict of names to float32 arrays; the token table without its padding
        rows.

    Raises:
        ValueError: an encoder that `ModernBertModel` cannot hold.
    """
    check(backbone)
    return stored_tensors.read(tensors(backbone))


def assign(backbone, arrays, where="The state dict"):
    """Write `ModernBertModel`'s weights into an encoder.

    Args:
        backbone: `ModernBertBackbone`.
        arrays: dict of names to arrays; other names are left alone.
        where: string. Names the source in messages.

    Raises:
        ValueError: weights that are missing or of another shape, all of them.
            Nothing is written then.
    """
    check(backbone)
    stored_tensors.assign(tensors(backbone), arrays, where)


def arguments(config):
    """Arguments of `ModernBertBackbone` for a `ModernBertConfig`.

    Args:
        config: dict, as in `config.json`, of any version of `transformers`.

    Raises:
        ValueError: options that `ModernBertBackbone` has not.
    """
    config = {**DEFAULTS, **config}
    layers = config["num_hidden_layers"]
    every = config.get("global_attn_every_n_layers", GLOBAL_EVERY)
    types = config.get("layer_types") or [
        SLIDING if i % every else FULL for i in range(layers)
    ]
    window = config["local_attention"]
    # All layers full is an encoder without a window.
    if types == layer_types(layers, None):
        window = None
    dropouts = {
        config.get(f"{name}_dropout", 0.0)
        for name in ("embedding", "attention", "mlp")
    }
    refused = [
        f"{name}={config[name]!r}"
        for name in ("attention_bias", "mlp_bias", "norm_bias")
        if config.get(name)
    ]
    if types != layer_types(layers, window):
        refused.append("full attention in other layers than every third")
    activation = config["hidden_activation"]
    if activation not in ACTIVATIONS:
        refused.append(f"hidden_activation={activation!r}")
    if len(dropouts) > 1:
        refused.append("dropouts that differ")
    bases = []
    for kind, old in ((FULL, "global"), (SLIDING, "local")):
        rope = (config.get("rope_parameters") or {}).get(kind) or {}
        if rope.get("rope_type", "default") != "default":
            refused.append(f"rope_type={rope['rope_type']!r}")
        default = config.get(f"{old}_rope_theta") or ROPE_BASES[kind]
        bases.append(float(rope.get("rope_theta", default)))
    if config.get("rope_scaling"):
        refused.append("rope_scaling")
    if refused:
        raise ValueError(f"ModernBertBackbone has no {', '.join(refused)}.")
    return {
        **{ours: config[theirs] for ours, theirs in SIZES.items()},
        "activation": ACTIVATIONS[activation],
        "local_attention_window": window,
        "global_rope_base": bases[0],
        "local_rope_base": bases[1],
        "dropout": dropouts.pop(),
    }


def config(backbone):
    """The part of `config.json` that is the encoder's.

    Args:
        backbone: `ModernBertBackbone`.

    Returns:
        dict, as `transformers` 5 writes it.
    """
    window = backbone.local_attention_window
    tanh = backbone.activation == "gelu_approximate"
    activation = "gelu_pytorch_tanh" if tanh else "gelu"
    bases = (backbone.global_rope_base, backbone.local_rope_base)
    dropout = backbone.dropout
    return {
        **{theirs: getattr(backbone, ours) for ours, theirs in SIZES.items()},
        "hidden_activation": activation,
        "classifier_activation": activation,
        "layer_types": layer_types(backbone.num_layers, window),
        "local_attention": window or DEFAULTS["local_attention"],
        "rope_parameters": {
            kind: {"rope_theta": float(base), "rope_type": "default"}
            for kind, base in zip((FULL, SLIDING), bases)
        },
        **{f"{n}_dropout": dropout for n in ("embedding", "attention", "mlp")},
        "attention_bias": False,
        "mlp_bias": False,
        "norm_bias": False,
        "tie_word_embeddings": True,
    }


def layer_types(layers, window):
    """transformers' name of the attention of each layer, a list."""
    return [
        SLIDING if window is not None and i % GLOBAL_EVERY else FULL
        for i in range(layers)
    ]
