"""The weights of a ModernBertBackbone under the names of `transformers`.

`ModernBertModel`'s state dict: matrices are (outputs, inputs) there, query, key
and value are one matrix, and so are gate and inner kernel.
"""

import numpy as np
from keras import ops

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


def _variables(backbone):
    """(name there, our variables that it joins) of each weight, in order."""
    yield TOKEN_TABLE, [backbone.embeddings.token_table]
    yield "embeddings.norm.weight", [backbone.embeddings.layer_norm.gamma]
    for i, block in enumerate(backbone.transformer_layers):
        for name, ours in NORMS.items():
            norm = getattr(block, ours)
            if norm is not None:
                yield f"layers.{i}.{name}.weight", [norm.gamma]
        for name, parts in KERNELS.items():
            kernels = [getattr(block, part).kernel for part in parts]
            yield f"layers.{i}.{name}.weight", kernels
    yield "final_norm.weight", [backbone.final_norm.gamma]


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
    arrays = {}
    for name, variables in _variables(backbone):
        values = [np.array(ops.convert_to_numpy(v)) for v in variables]
        if name == TOKEN_TABLE:
            arrays[name] = values[0][: backbone.vocabulary_size]
        elif values[0].ndim == 2:
            arrays[name] = np.concatenate(values, axis=1).T
        else:
            arrays[name] = values[0]
    return {k: np.ascontiguousarray(v, "float32") for k, v in arrays.items()}


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
    wrong = []
    for name, array in state_dict(backbone).items():
        found = np.shape(arrays[name]) if name in arrays else "missing"
        if found != array.shape:
            wrong.append(f"{name}: {found}, should be {array.shape}")
    if wrong:
        raise ValueError(
            f"{where} is not of this configuration:\n" + "\n".join(wrong)
        )
    for name, variables in _variables(backbone):
        array = np.asarray(arrays[name], "float32")
        if name == TOKEN_TABLE:
            extra = variables[0].shape[0] - len(array)
            array = np.pad(array, ((0, extra), (0, 0))).T
        parts = np.split(array.T, len(variables), axis=-1)
        for variable, part in zip(variables, parts):
            variable.assign(part)


def arguments(config):
    """Arguments of `ModernBertBackbone` for a `ModernBertConfig`.

    Args:
        config: dict, as in `config.json`.

    Raises:
        ValueError: options that `ModernBertBackbone` has not.
    """
    layers = config["num_hidden_layers"]
    every = config.get("global_attn_every_n_layers", 3)
    expected = [
        "sliding_attention" if i % 3 else "full_attention"
        for i in range(layers)
    ]
    types = config.get("layer_types") or [
        "sliding_attention" if i % every else "full_attention"
        for i in range(layers)
    ]
    dropouts = {
        config.get(f"{name}_dropout", 0.0)
        for name in ("embedding", "attention", "mlp")
    }
    refused = [
        f"{name}={config[name]!r}"
        for name in ("attention_bias", "mlp_bias", "norm_bias")
        if config.get(name)
    ]
    if types != expected:
        refused.append("full attention in other layers than every third")
    if config.get("hidden_activation", "gelu") != "gelu":
        refused.append(f"hidden_activation={config['hidden_activation']!r}")
    if len(dropouts) > 1:
        refused.append("dropouts that differ")
    if refused:
        raise ValueError(f"ModernBertBackbone has no {', '.join(refused)}.")
    rope = config.get("rope_parameters") or {}
    bases = [
        rope.get(kind, {}).get("rope_theta", config.get(old, default))
        for kind, old, default in (
            ("full_attention", "global_rope_theta", 160_000.0),
            ("sliding_attention", "local_rope_theta", 10_000.0),
        )
    ]
    return {
        "vocabulary_size": config["vocab_size"],
        "num_layers": layers,
        "num_heads": config["num_attention_heads"],
        "hidden_dim": config["hidden_size"],
        "intermediate_dim": config["intermediate_size"],
        "max_sequence_length": config["max_position_embeddings"],
        "layer_norm_epsilon": config.get("norm_eps", 1e-5),
        "kernel_stddev": config.get("initializer_range", 0.02),
        "local_attention_window": config.get("local_attention", 128),
        "global_rope_base": float(bases[0]),
        "local_rope_base": float(bases[1]),
        "dropout": dropouts.pop(),
    }
