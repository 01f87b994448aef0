"""What the values of a Hugging Face `config.json` may be."""

import pathlib

# Keys that some family reads, and their types.
KINDS: dict[type, tuple[str, ...]] = {
    int: (
        "vocab_size",
        "hidden_size",
        "embedding_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "attention_head_size",
        "max_position_embeddings",
        "max_relative_positions",
        "position_buckets",
        "type_vocab_size",
        "conv_kernel_size",
        "local_attention",
        "global_attn_every_n_layers",
    ),
    float: (
        "layer_norm_eps",
        "norm_eps",
        "initializer_range",
        "hidden_dropout_prob",
        "attention_probs_dropout_prob",
        "embedding_dropout",
        "attention_dropout",
        "mlp_dropout",
        "classifier_dropout",
        "global_rope_theta",
        "local_rope_theta",
    ),
    str: (
        "model_type",
        "hidden_act",
        "hidden_activation",
        "norm_rel_ebd",
        "position_embedding_type",
    ),
    bool: ("relative_attention", "position_biased_input", "share_att_key"),
    dict: ("id2label",),
    list: ("architectures",),
}
POSITIVE = (
    "vocab_size",
    "hidden_size",
    "embedding_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "max_position_embeddings",
)


def check(config):
    """Refuse values of another type than the key's.

    Args:
        config: `keras_rtd.utils.json_file.Node` of an object.

    Raises:
        ValueError: naming file and key.
    """
    for kind, names in KINDS.items():
        for name in names:
            value = config.get(name)
            if value is not None:
                value.of(kind)
    for name in ("architectures", "pos_att_type"):
        found = config.get(name)
        if found is not None and not isinstance(found.value, str):
            for value in found.items():
                value.of(str)
    labels = config.get("id2label")
    for key in labels.of(dict) if labels else ():
        labels[key].of(str)
        if not key.isdecimal():
            raise labels.error(f"must have numbers as keys. Received: {key!r}")
    for name in POSITIVE:
        value = config.get(name)
        if value is not None and value.value < 1:
            raise value.error(f"must be at least 1. Received: {value.value}")


def check_sizes(config, path):
    """Refuse a model that is larger than the weights beside its config.

    Args:
        config: dict.
        path: of the `config.json`.

    Raises:
        ValueError: naming file and key.
    """
    files = pathlib.Path(path).parent.glob("*.safetensors")
    stored = sum(file.stat().st_size for file in files)
    width = config.get("hidden_size") or 1
    factors = {
        "vocab_size": config.get("embedding_size") or width,
        "num_hidden_layers": width * width,
        "intermediate_size": width,
        "max_position_embeddings": 1,
        "position_buckets": width,
        "type_vocab_size": 1,
    }
    for name, factor in factors.items():
        if stored and (config.get(name) or 0) * factor > stored:
            raise ValueError(
                f"{name}={config[name]} with hidden_size={width} is larger "
                f"than the {stored:,} bytes of weights beside it."
            )
