"""Classic layers in place of modern ones, and the other way round."""

from keras_rtd.layers.blocks import inner_width


def block_of(config):
    """The kind of layers in an encoder's config; older ones do not say."""
    return config.get("block", "classic")


def inner_dim(config, width):
    """Inner width of an encoder of another width: four times that, or as many
    weights.

    Args:
        config: dict, an encoder's.
        width: int, its `hidden_dim`.
    """
    if block_of(config) == "modern":
        return inner_width(4 * width, "modern")
    return 4 * width


def exchange_block(settings, block):
    """Make the encoders of a pretrainer's config of another kind of layers,
    with inner widths at which they have about as many weights.

    Args:
        settings: dict, the config of a pretrainer; it is changed.
        block: string.

    Returns:
        bool. Whether they were of another kind.
    """
    if block == block_of(settings["backbone"]["config"]):
        return False
    for encoder in (settings["backbone"], settings["generator"]):
        if encoder is not None:
            config = encoder["config"]
            config["block"] = block
            config["intermediate_dim"] = inner_width(
                config["intermediate_dim"], block
            )
    return True
