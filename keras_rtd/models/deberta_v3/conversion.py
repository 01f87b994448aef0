"""The weights of a DebertaV3Backbone under Microsoft's names.

They are those of `transformers`' `DebertaV2Model` too; matrices are (outputs,
inputs) there.
"""

from typing import Any

from keras_rtd.models import stored_tensors
from keras_rtd.models.stored_tensors import kernel
from keras_rtd.models.stored_tensors import plain

# Ours -> theirs.
SIZES = {
    "vocabulary_size": "vocab_size",
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "hidden_dim": "hidden_size",
    "intermediate_dim": "intermediate_size",
    "max_sequence_length": "max_position_embeddings",
    "num_segments": "type_vocab_size",
    "layer_norm_epsilon": "layer_norm_eps",
    "kernel_stddev": "initializer_range",
    "share_attention_key": "share_att_key",
    "absolute_positions": "position_biased_input",
}
# What a config.json leaves out: transformers' DebertaV2Config, and Microsoft's
# code.
DEFAULTS = {
    "vocab_size": 128100,
    "hidden_size": 1536,
    "num_hidden_layers": 24,
    "num_attention_heads": 24,
    "intermediate_size": 6144,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": 512,
    "type_vocab_size": 0,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-7,
    "relative_attention": False,
    "max_relative_positions": -1,
    "position_buckets": -1,
    "position_biased_input": True,
    "share_att_key": False,
    "norm_rel_ebd": "none",
    "conv_kernel_size": 0,
}
# Names of gelu there, and ours.
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_approximate",
    "gelu_fast": "gelu_approximate",
    "gelu_pytorch_tanh": "gelu_approximate",
}

TOKEN_TABLE = "embeddings.word_embeddings.weight"
POSITION_TABLE = "embeddings.position_embeddings.weight"
SEGMENT_TABLE = "embeddings.token_type_embeddings.weight"

# Theirs -> our layers of a block.
KERNELS = {
    "attention.self.query_proj": "query",
    "attention.self.key_proj": "key",
    "attention.self.value_proj": "value",
    "attention.self.pos_query_proj": "position_query",
    "attention.self.pos_key_proj": "position_key",
    "attention.output.dense": "attention_output",
    "intermediate.dense": "intermediate",
    "output.dense": "output_dense",
}
OWN_KEYS = ("position_query", "position_key")
NORMS = {
    "attention.output.LayerNorm": "attention_norm",
    "output.LayerNorm": "output_norm",
}


def check(backbone):
    """Refuse an encoder that their files cannot hold.

    Raises:
        ValueError: naming the arguments.
    """
    wrong = []
    if backbone.direction != "bidirectional":
        wrong.append(f"direction={backbone.direction!r}")
    if backbone.embeddings.base() is not None:
        wrong.append("gradient-disentangled embeddings")
    if wrong:
        raise ValueError(f"DeBERTa's files have no {', '.join(wrong)}.")


def tensors(backbone):
    """The weights under their names, by `StoredTensor`."""
    return {**embedding_tensors(backbone), **encoder_tensors(backbone)}


def embedding_tensors(backbone):
    """The tables."""
    embeddings = backbone.embeddings
    named = {
        TOKEN_TABLE: stored_tensors.table(
            embeddings.token_table, backbone.vocabulary_size
        )
    }
    if embeddings.position_table is not None:
        named[POSITION_TABLE] = plain(embeddings.position_table)
    if embeddings.segment_table is not None:
        named[SEGMENT_TABLE] = plain(embeddings.segment_table)
    return named


def encoder_tensors(backbone):
    """All weights but the tables of the embedding."""
    named: dict[str, Any] = {}
    projection = backbone.embeddings_projection
    if projection.dense is not None:
        named["embeddings.embed_proj.weight"] = kernel(projection.dense.kernel)
    add_norm(named, "embeddings.LayerNorm", projection.layer_norm)
    relative = backbone.relative_embedding
    named["encoder.rel_embeddings.weight"] = plain(relative.table)
    if relative.layer_norm is not None:
        add_norm(named, "encoder.LayerNorm", relative.layer_norm)
    if backbone.decoder_positions is not None:
        named[POSITION_TABLE] = plain(backbone.decoder_positions.table)
    for i, block in enumerate(backbone.transformer_layers):
        scope = f"encoder.layer.{i}"
        for name, ours in KERNELS.items():
            layer = getattr(block, ours)
            if ours in OWN_KEYS and (
                layer is None or block.share_attention_key
            ):
                continue
            add_dense(named, f"{scope}.{name}", layer)
        for name, ours in NORMS.items():
            add_norm(named, f"{scope}.{name}", getattr(block, ours))
    return named


def add_dense(named, scope, layer):
    named[f"{scope}.weight"] = kernel(layer.kernel)
    named[f"{scope}.bias"] = plain(layer.bias)


def add_norm(named, scope, layer):
    named[f"{scope}.weight"] = plain(layer.gamma)
    named[f"{scope}.bias"] = plain(layer.beta)


def state_dict(backbone):
    """The weights as `DebertaV2Model.state_dict()` names them.

    Args:
        backbone: `DebertaV3Backbone`.

    Returns:
        dict of names to float32 arrays; the token table without its padding
        rows.

    Raises:
        ValueError: an encoder that their files cannot hold.
    """
    check(backbone)
    return stored_tensors.read(tensors(backbone))


def assign(backbone, arrays, where="The state dict"):
    """Write their weights into an encoder.

    Args:
        backbone: `DebertaV3Backbone`.
        arrays: dict of names to arrays; other names are left alone.
        where: string. Names the source in messages.

    Raises:
        ValueError: weights that are missing or of another shape, all of them.
            Nothing is written then.
    """
    check(backbone)
    stored_tensors.assign(tensors(backbone), arrays, where)


def arguments(config):
    """Arguments of `DebertaV3Backbone` for one of their configs.

    Args:
        config: dict, a `DebertaV2Config` of `transformers`, or Microsoft's
            `model_config.json`.

    Raises:
        ValueError: options that `DebertaV3Backbone` has not.
    """
    config = {**DEFAULTS, **{k: v for k, v in config.items() if v is not None}}
    width, heads = config["hidden_size"], config["num_attention_heads"]
    terms = config.get("pos_att_type") or []
    if isinstance(terms, str):
        terms = terms.lower().split("|")
    terms = [term.strip() for term in terms]
    norm = config["norm_rel_ebd"].lower().split("|")
    dropout = config["hidden_dropout_prob"]
    refused = []
    if config["conv_kernel_size"] > 0:
        refused.append(f"conv_kernel_size={config['conv_kernel_size']}")
    if not config["relative_attention"]:
        refused.append("relative_attention=False")
    if not terms or not set(terms) <= {"c2p", "p2c"}:
        refused.append(f"pos_att_type={'|'.join(terms)!r}")
    if not {name.strip() for name in norm} <= {"layer_norm", "none"}:
        refused.append(f"norm_rel_ebd={config['norm_rel_ebd']!r}")
    if config.get("attention_head_size", width // heads) * heads != width:
        refused.append(f"attention_head_size={config['attention_head_size']}")
    if config["hidden_act"] not in ACTIVATIONS:
        refused.append(f"hidden_act={config['hidden_act']!r}")
    if config["attention_probs_dropout_prob"] != dropout:
        refused.append("dropouts that differ")
    if refused:
        raise ValueError(f"DebertaV3Backbone has no {', '.join(refused)}.")
    longest = config["max_relative_positions"]
    buckets = config["position_buckets"]
    return {
        **{ours: config[theirs] for ours, theirs in SIZES.items()},
        "embedding_dim": config.get("embedding_size", width),
        "dropout": dropout,
        "activation": ACTIVATIONS[config["hidden_act"]],
        "bucket_size": buckets if buckets > 0 else None,
        "max_relative_positions": (
            longest if longest > 0 else config["max_position_embeddings"]
        ),
        "position_attention": [t for t in ("c2p", "p2c") if t in terms],
        "normalize_relative_embedding": "layer_norm" in config["norm_rel_ebd"],
    }


def config(backbone):
    """The part of `config.json` that is the encoder's.

    Args:
        backbone: `DebertaV3Backbone`.

    Returns:
        dict, as `transformers` and Microsoft's code read it.
    """
    tanh = backbone.activation == "gelu_approximate"
    found = {
        **{theirs: getattr(backbone, ours) for ours, theirs in SIZES.items()},
        "hidden_act": "gelu_pytorch_tanh" if tanh else "gelu",
        "hidden_dropout_prob": backbone.dropout,
        "attention_probs_dropout_prob": backbone.dropout,
        "relative_attention": True,
        "position_buckets": backbone.bucket_size or -1,
        "max_relative_positions": backbone.max_relative_positions,
        "pos_att_type": "|".join(reversed(backbone.position_attention)),
        "norm_rel_ebd": (
            "layer_norm" if backbone.normalize_relative_embedding else "none"
        ),
        "conv_kernel_size": 0,
    }
    if backbone.embedding_dim != backbone.hidden_dim:
        found["embedding_size"] = backbone.embedding_dim
    return found
