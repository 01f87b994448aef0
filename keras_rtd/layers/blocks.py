"""Which layers an encoder is made of."""

from keras_rtd.layers.encoder_block import ElectraEncoderBlock
from keras_rtd.layers.modern_block import ElectraModernBlock

BLOCKS = ("classic", "modern")

# Of the layers of an encoder with a local window, every third attends to all,
# from the first on, as in ModernBERT.
GLOBAL_EVERY = 3


def is_global(index):
    """Whether the layer of this number attends to everything."""
    return index % GLOBAL_EVERY == 0


def make_layers(block, num_layers, window, **arguments):
    """The Transformer layers of an encoder.

    Args:
        block: a key of `BLOCKS`.
        num_layers: int.
        window: int or `None`. What local layers attend to.
        **arguments: of `ElectraEncoderBlock`.

    Returns:
        list of layers.
    """
    layers = []
    for i in range(num_layers):
        name = f"transformer_layer_{i}"
        if block == "classic":
            layers.append(ElectraEncoderBlock(name=name, **arguments))
        else:
            layers.append(
                ElectraModernBlock(
                    name=name,
                    local_attention_window=None if is_global(i) else window,
                    **arguments,
                )
            )
    return layers


def inner_width(intermediate_dim, block):
    """Inner width of the other kind of layer's feed-forward, in multiples of 8,
    with about as many weights and products: three kernels for two, or two for
    three.

    Args:
        intermediate_dim: int, the width in a layer of the other kind.
        block: a key of `BLOCKS`, the kind that is wanted.

    Returns:
        int.
    """
    factor = 2 / 3 if block == "modern" else 3 / 2
    return max(8, 8 * round(intermediate_dim * factor / 8))


def check(block, window, embeddings):
    """Refuse what does not fit a kind of layers.

    Args:
        block: string.
        window: int or `None`, the local layers'.
        embeddings: shared `ElectraEmbedding` or `None`.

    Raises:
        ValueError: see `ElectraBackbone`.
    """
    if block not in BLOCKS:
        raise ValueError(
            f"`block` must be one of {', '.join(BLOCKS)}. Received: "
            f"block={block!r}"
        )
    if embeddings is not None and embeddings.block != block:
        raise ValueError(
            f"Shared `embeddings` were made for {embeddings.block} layers. "
            f"Received: block={block!r}"
        )
    if window is None:
        return
    if block != "modern" or not isinstance(window, int) or window < 2:
        raise ValueError(
            "`local_attention_window` is for block='modern', and an int of at "
            "least 2. "
            f"Received: local_attention_window={window!r}, block={block!r}"
        )
