"""Every kernel in plain `keras.ops`: the interface, and the default."""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_rtd.kernels.vocabulary_axis import score_logits
from keras_rtd.utils.hardware import has_gpu
from keras_rtd.utils.types import Tensor

__all__ = [
    "adamw",
    "attend",
    "clip_by_global_norm",
    "gelu",
    "gelu_dense",
    "layer_norm",
    "lookup",
    "project",
    "recomputed",
    "score_vocabulary",
    "segment_sum",
    "shares_traces",
    "tensor",
    "traced",
    "training_scope",
    "turn",
]


def project(x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
    """x @ kernel + bias over the last axis.

    Args:
        x: (..., input_dim), in the compute dtype.
        kernel: (input_dim, units), in the compute dtype.
        bias: (units,) or `None`. Defaults to `None`.

    Returns:
        (..., units) in the dtype of `x`.
    """
    product = ops.matmul(x, kernel)
    return product if bias is None else product + bias


def gelu(x: Tensor, approximate: bool = False) -> Tensor:
    """`keras.ops.gelu`.

    Args:
        x: tensor of a float dtype.
        approximate: bool. `True` for tanh, `False` for erf. Defaults to
            `False`.

    Returns:
        As `x`.
    """
    return ops.gelu(x, approximate=approximate)


def gelu_dense(
    x: Tensor, dense: keras.layers.Layer, approximate: bool = False
) -> Tensor:
    """`dense(gelu(x))`; a backend may compute GELU again for the gradient.

    Args:
        x: (..., input_dim).
        dense: `keras_rtd.layers.basic.Dense` with a bias and no activation.
        approximate: bool, see `gelu`. Defaults to `False`.

    Returns:
        (..., units).
    """
    return dense(gelu(x, approximate))


def layer_norm(
    x: Tensor, gamma: Tensor, beta: Tensor, epsilon: float
) -> Tensor:
    """LayerNorm over the last axis, with float32 statistics.

    Args:
        x: (..., width).
        gamma: float32 (width,), or `None` for ones.
        beta: float32 (width,), or `None` for zeros.
        epsilon: float.

    Returns:
        (..., width) in the dtype of `x`.
    """
    y = ops.layer_normalization(x, gamma, beta, axis=-1, epsilon=epsilon)
    return ops.cast(y, x.dtype)


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor,
    dropout: keras.layers.Layer | None = None,
    training: bool | None = None,
) -> Tensor:
    """Scaled dot-product attention. The softmax is float32.

    Args:
        query, key, value: (batch, heads, length, head_dim).
        bias: float32 (batch, heads, length, length) or 1 in place of any of
            the first three, added to the scores.
        dropout: a dropout layer with a `rate`, for the attention weights, or
            `None`. Defaults to `None`.
        training: bool or `None`. Defaults to `None`.

    Returns:
        (batch, heads, length, head_dim) in the dtype of `value`.
    """
    backend = keras.config.backend()
    warn_if_slow(f"{backend} compiles the plain products")
    return plain_attention(query, key, value, bias, dropout, training)


def plain_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor,
    dropout: keras.layers.Layer | None = None,
    training: bool | None = None,
) -> Tensor:
    """`attend` as two products and a softmax between them."""
    scale = query.shape[-1] ** -0.5
    scores = ops.matmul(query * scale, ops.transpose(key, (0, 1, 3, 2)))
    # Keras has cast the bias to the compute dtype on the way.
    scores = ops.cast(scores, "float32") + ops.cast(bias, "float32")
    weights = ops.cast(ops.softmax(scores, axis=-1), value.dtype)
    if dropout is not None and dropout.rate > 0 and training:
        weights = dropout(weights, training=training)
    return ops.matmul(weights, value)


@functools.cache
def warn_if_slow(reason: str) -> None:
    """Print once, on a GPU, why no fused attention kernel is used."""
    if has_gpu():
        print(
            "warning: attention takes the slow path on this GPU "
            f"({reason}); its memory grows with the square of the sequence "
            "length",
            flush=True,
        )


def turn(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn each pair of numbers (i, i + head_dim / 2) by an angle, in float32.

    Args:
        x: (batch, heads, length, head_dim).
        cosine, sine: float32 (length, head_dim / 2), of the angles. They get
            no gradient.

    Returns:
        As `x`.
    """
    first, second = ops.split(ops.cast(x, "float32"), 2, axis=-1)
    turned = ops.concatenate(
        [first * cosine - second * sine, second * cosine + first * sine],
        axis=-1,
    )
    return ops.cast(turned, x.dtype)


def lookup(table: Tensor, ids: Tensor) -> Tensor:
    """Rows of a table, with a dense gradient.

    Args:
        table: (rows, width).
        ids: int, of any shape.

    Returns:
        (*ids.shape, width) in the dtype of `table`.
    """
    return ops.take(table, ids, axis=0)


def score_vocabulary(
    x: Tensor, table: Tensor, bias: Tensor, ids: Tensor, uniform: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """All that a training step needs of the logits x @ table^T + bias.

    Backends do not keep float32 logits for the gradient where they can avoid
    it.

    Args:
        x: (rows, width), in the compute dtype.
        table: (vocabulary, width), in the same; a multiple of 64 tokens.
        bias: float32 (vocabulary,).
        ids: int32 (rows,).
        uniform: float32 (rows, 2), random numbers from 0 up to 1.

    Returns:
        (nll, sampled, best): float32 (rows,), the negative log-likelihood of
        `ids`, the only one with a gradient; int32 (rows,), one sample from
        the softmax; int32 (rows,), the most probable id.
    """
    logits = ops.cast(ops.matmul(x, ops.transpose(table)), "float32") + bias
    return score_logits(logits, ids, uniform)[:3]


def segment_sum(values: Tensor, ids: Tensor, segments: int) -> Tensor:
    """Sums of the values of each segment.

    Args:
        values: (count,).
        ids: int32 (count,), the segment of each value.
        segments: int. Number of segments.

    Returns:
        (segments,) in the dtype of `values`.
    """
    return ops.segment_sum(values, ids, num_segments=segments)


def clip_by_global_norm(gradients: list[Tensor], limit: float) -> list[Tensor]:
    """Scale all gradients down so that their joint norm is at most `limit`.

    Args:
        gradients: list of tensors.
        limit: float.

    Returns:
        list of tensors.
    """
    norm = ops.sqrt(
        ops.sum(ops.stack([ops.sum(ops.square(g)) for g in gradients]))
    )
    scale = limit * ops.minimum(1.0 / norm, 1.0 / limit)
    # NaN where the norm is infinite.
    scale = scale + (norm - norm)
    return [g * scale for g in gradients]


def adamw(
    optimizer: Any,
    gradients: list[Tensor],
    variables: list[keras.Variable],
    learning_rate: Tensor,
) -> None:
    """Apply one step of AdamW to all variables.

    Args:
        optimizer: the `keras_rtd.training.AdamW`.
        gradients: list of tensors.
        variables: list of `keras.Variable`.
        learning_rate: float32 scalar tensor.
    """
    for gradient, variable in zip(gradients, variables):
        optimizer.update_step(gradient, variable, learning_rate)


def recomputed(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, keeping only its arguments for the gradient.

    For pure functions. `keras.RematScope` would sample dropout's numbers a
    second time: on TensorFlow and PyTorch the gradient is then that of other
    masks, and JAX refuses the seed's new state.

    Args:
        function: pure function of a list of tensors, weights and integer
            random states, and any number of tensors, that returns a tensor and
            a list of new random states.

    Returns:
        A function with the same arguments, results and gradients.
    """
    return function


def traced(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, a pure one of tensors, traced once for all of its calls."""
    return function


def shares_traces() -> bool:
    """Whether `traced` saves time now: in the tracing of a training step."""
    return False


def tensor(value: Tensor) -> Tensor:
    """A plain tensor of the backend; `value` may be a variable too."""
    return ops.convert_to_tensor(value)


def training_scope() -> contextlib.AbstractContextManager[Any]:
    """A context manager in which kernels compute as a training step wants."""
    return contextlib.nullcontext()
