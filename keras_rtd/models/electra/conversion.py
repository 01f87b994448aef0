"""The weights of ELECTRA's encoder under google-research/electra's names.

Those names are the common language of ELECTRA's formats: Hugging Face's are
derived from them, and KerasHub's layers are mapped to them.
"""

EMBEDDINGS = "electra/embeddings"
TOKEN_TABLE = f"{EMBEDDINGS}/word_embeddings"
POSITION_TABLE = f"{EMBEDDINGS}/position_embeddings"
SEGMENT_TABLE = f"{EMBEDDINGS}/token_type_embeddings"

# Our layers of a Transformer block -> the reference's scopes.
BLOCK = {
    "query": "attention/self/query",
    "key": "attention/self/key",
    "value": "attention/self/value",
    "attention_output": "attention/output/dense",
    "attention_norm": "attention/output/LayerNorm",
    "intermediate": "intermediate/dense",
    "output_dense": "output/dense",
    "output_norm": "output/LayerNorm",
}


def add_layer(named, scope, layer):
    for variable in layer.weights:
        named[f"{scope}/{variable.name}"] = variable


def add_embeddings(named, embeddings):
    if embeddings.base() is not None:
        raise ValueError(
            "Disentangled embeddings have no names elsewhere: pass the "
            "pretrainer's `replaced_token_detector()`, whose embeddings are "
            "added up, or `masked_lm()`."
        )
    named[TOKEN_TABLE] = embeddings.token_table
    named[SEGMENT_TABLE] = embeddings.segment_table
    named[POSITION_TABLE] = embeddings.position_table
    add_layer(named, f"{EMBEDDINGS}/LayerNorm", embeddings.layer_norm)


def add_encoder(named, scope, backbone):
    projection = backbone.embeddings_projection
    if projection is not None:
        add_layer(named, f"{scope}/embeddings_project", projection)
    for index, block in enumerate(backbone.transformer_layers):
        for layer, path in BLOCK.items():
            add_layer(
                named,
                f"{scope}/encoder/layer_{index}/{path}",
                getattr(block, layer),
            )


def encoder_sizes(shapes, scope, where):
    """Sizes of an encoder as its weights have them.

    Args:
        shapes: dict of the reference's names to shapes.
        scope: `"electra"`, `"generator"` or one of Electric's towers.
        where: string. Names the source in messages.

    Returns:
        dict of arguments of `ElectraBackbone`, all but `num_heads`.

    Raises:
        ValueError: the weights that sizes are read from are missing.
    """
    query = f"{scope}/encoder/layer_0/{BLOCK['query']}/kernel"
    dense = f"{scope}/encoder/layer_0/{BLOCK['intermediate']}/kernel"
    needed = (TOKEN_TABLE, POSITION_TABLE, SEGMENT_TABLE, query, dense)
    missing = [name for name in needed if name not in shapes]
    if missing:
        raise ValueError(
            f"{where} has no ELECTRA encoder under {scope!r}. Missing, each "
            f"with 2 dimensions: {', '.join(missing)}"
        )
    layers = {
        int(name.split("/layer_")[1].split("/")[0])
        for name in shapes
        if name.startswith(f"{scope}/encoder/layer_")
    }
    return {
        "vocabulary_size": int(shapes[TOKEN_TABLE][0]),
        "embedding_dim": int(shapes[TOKEN_TABLE][1]),
        "max_sequence_length": int(shapes[POSITION_TABLE][0]),
        "num_segments": int(shapes[SEGMENT_TABLE][0]),
        "num_layers": max(layers) + 1,
        "hidden_dim": int(shapes[query][1]),
        "intermediate_dim": int(shapes[dense][1]),
    }
