"""Kernels on PyTorch, which runs eagerly: the fewer, the faster."""

import torch
from keras import ops
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from keras_rtd.kernels import base
from keras_rtd.kernels.torch.adamw import adamw as adamw
from keras_rtd.kernels.torch.gradients import GeluDense
from keras_rtd.kernels.torch.gradients import Turn
from keras_rtd.kernels.torch.vocabulary import (
    score_vocabulary as score_vocabulary,
)


def project(x, kernel, bias=None):
    # One kernel, where matmul and add would write the product twice.
    if bias is not None:
        bias = ops.cast(bias, x.dtype)
    return functional.linear(x, ops.cast(kernel, x.dtype).t(), bias)


def gelu_dense(x, dense, approximate=False):
    # Where products are as fast as on a CPU in bfloat16, computing GELU again
    # would be felt; there it is kept.
    if x.device.type == "cpu" and x.dtype == torch.bfloat16:
        return dense(base.gelu(x, approximate))
    kernel, bias = map(ops.convert_to_tensor, (dense.kernel, dense.bias))
    return GeluDense.apply(
        x,
        kernel.to(x.dtype),
        bias.to(x.dtype),
        "tanh" if approximate else "none",
    )


def layer_norm(x, gamma, beta, epsilon):
    if x.device.type != "cpu":
        return base.layer_norm(x, gamma, beta, epsilon)
    # Keras casts the whole input to float32 and back; this kernel does it
    # inside.
    gamma, beta = (
        None if variable is None else ops.convert_to_tensor(variable)
        for variable in (gamma, beta)
    )
    return functional.layer_norm(x, x.shape[-1:], gamma, beta, epsilon)


def attend(query, key, value, bias, dropout=None, training=None):
    if dropout is not None and dropout.rate > 0 and training:
        base.warn_if_slow(
            "PyTorch's fused kernel is not used with dropout: --dropout=0"
        )
        return base.plain_attention(query, key, value, bias, dropout, training)
    bias = bias.to(query.dtype)
    if query.device.type == "cpu" and query.dtype == torch.bfloat16:
        # The backward of the fused CPU kernel does not use the matrix unit,
        # which these products do.
        scale = query.shape[-1] ** -0.5
        scores = torch.matmul(query * scale, key.transpose(-1, -2))
        weights = torch.softmax(scores + bias, dim=-1)
        return torch.matmul(weights, value)
    return functional.scaled_dot_product_attention(
        query, key, value, attn_mask=bias
    )


def turn(x, cosine, sine):
    return Turn.apply(x, cosine, sine)


def segment_sum(values, ids, segments):
    # Keras's reads the number of repeats from the device: the host would wait.
    return values.new_zeros(segments).index_add(0, ids, values)


def clip_by_global_norm(gradients, limit):
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    # Above 1 only where the norm is above the limit.
    factor = torch.clamp(norm / limit, min=1.0)
    return list(torch._foreach_div(gradients, factor))


def recomputed(function):
    def run(values, *tensors):
        # The random states are among the values, none is PyTorch's own. They
        # are about to change in place.
        values = [v if v.is_floating_point() else v.clone() for v in values]
        return checkpoint(
            function,
            values,
            *tensors,
            use_reentrant=False,
            preserve_rng_state=False,
        )

    return run
