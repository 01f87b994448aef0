"""Functions with gradients of their own, which keep less than autograd."""

import torch
from torch.nn.functional import gelu
from torch.nn.functional import linear


class GeluDense(torch.autograd.Function):
    """gelu(x) @ kernel + bias, keeping `x` for the gradient and no more.

    What GELU returns is the widest tensor of a layer, and quick to compute
    again: a fifth of what a training step would keep.
    """

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


class Turn(torch.autograd.Function):
    """`base.turn`; the gradient is turned back.

    It keeps nothing for the gradient, and makes few intermediate tensors: half
    the time of `base.turn` and its gradient.
    """

    @staticmethod
    def forward(ctx, x, cosine, sine):
        ctx.angles = cosine, sine
        return _turned(x, cosine, sine)

    @staticmethod
    def backward(ctx, upstream):
        cosine, sine = ctx.angles
        return _turned(upstream, cosine, -sine), None, None


def _turned(x, cosine, sine):
    cosine = torch.cat([cosine, cosine], -1)
    sine = torch.cat([-sine, sine], -1)
    # Products of two dtypes are slow.
    y = x.float()
    swapped = torch.roll(y, y.shape[-1] // 2, -1)
    return (y * cosine).addcmul_(swapped, sine).to(x.dtype)
