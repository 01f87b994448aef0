"""The arguments of `from_preset` that are the encoders'."""

from typing import Any
from typing import TypedDict

from keras_rtd.models import families
from keras_rtd.utils.setting import nearest

# Before the name of an argument that reaches the generator alone.
GENERATOR = "generator_"


class EncoderArguments(TypedDict, total=False):
    """Arguments of the encoder's class, which reach both encoders, and of the
    generator alone. One that is not given is the preset's.

    A class of encoders may have more, or not all: its signature decides.
    """

    vocabulary_size: int
    num_layers: int
    num_heads: int
    hidden_dim: int
    embedding_dim: int
    intermediate_dim: int
    max_sequence_length: int
    num_segments: int
    dropout: float
    activation: str
    layer_norm_epsilon: float
    kernel_stddev: float
    family: str
    block: str
    local_attention_window: int | None
    remat: bool
    dtype: Any
    generator_num_layers: int
    generator_num_heads: int
    generator_hidden_dim: int
    generator_intermediate_dim: int
    generator_dropout: float


GENERATOR_ARGUMENTS = frozenset(
    name
    for name in EncoderArguments.__annotations__
    if name.startswith(GENERATOR)
)


def encoder_arguments(encoder_class):
    """Names of an encoder's arguments that `from_preset` takes: frozenset."""
    return frozenset(families.parameters(encoder_class)) - {"embeddings"}


def split(arguments, encoder_class, others):
    """Arguments of both encoders, and of the generator alone.

    Args:
        arguments: dict.
        encoder_class: class of the encoder.
        others: names that `from_preset` takes besides, for the message.

    Returns:
        (dict, dict), the second without `generator_`.

    Raises:
        ValueError: an unknown name, with the nearest right one.
    """
    of_both = encoder_arguments(encoder_class)
    encoder, generator = {}, {}
    for name, value in arguments.items():
        if name in GENERATOR_ARGUMENTS:
            generator[name.removeprefix(GENERATOR)] = value
        elif name in of_both:
            encoder[name] = value
        else:
            known = [*others, *sorted(of_both | GENERATOR_ARGUMENTS)]
            raise ValueError(
                f"Unknown argument of from_preset: {name!r}"
                f"{nearest(name, known) or '.'} Known: {', '.join(known)}"
            )
    return encoder, generator
