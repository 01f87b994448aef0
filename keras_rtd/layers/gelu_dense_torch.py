"""`kernels.gelu_dense` on PyTorch, which would keep GELU's result as well.

The widest tensor of a layer, and quick to compute again: a fifth of what a
training step keeps.
"""

import torch
from torch.nn.functional import gelu
from torch.nn.functional import linear


def gelu_dense(x, kernel, bias, approximate):
    """gelu(x) @ kernel + bias, keeping `x` for the gradient and no more."""
    return _GeluDense.apply(
        x, kernel.to(x.dtype), bias.to(x.dtype), _name(approximate)
    )


def _name(approximate):
    return "tanh" if approximate else "none"


class _GeluDense(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, kernel, bias, approximate):
        ctx.save_for_backward(x, kernel)
        ctx.approximate = approximate
        return linear(gelu(x, approximate=approximate), kernel.t(), bias)

    @staticmethod
    def backward(ctx, upstream):
        x, kernel = ctx.saved_tensors
        rows = upstream.flatten(0, -2)
        again = gelu(x, approximate=ctx.approximate).flatten(0, -2)
        kernel_gradient = again.t() @ rows
        x_gradient = torch.ops.aten.gelu_backward(
            linear(upstream, kernel), x, approximate=ctx.approximate
        )
        return x_gradient, kernel_gradient, rows.sum(0), None
