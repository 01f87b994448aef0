"""The vocabulary's score on PyTorch: logits in slices, made twice.

Of the largest tensor of the step only a slice of rows exists in float32 at a
time, forward and backward; the product that is made again for the backward
pass costs less than reading a stored one would.
"""

import torch

from keras_rtd.kernels.vocabulary_axis import BLOCK
from keras_rtd.kernels.vocabulary_axis import first_above

# Rows at a time: few megabytes, which a CPU's cache holds, and launches that
# fill a GPU.
ROWS = {"cpu": 64}
MANY_ROWS = 4096


def score_vocabulary(x, table, bias, ids, uniform):
    """As `base.score_vocabulary`."""
    return _Score.apply(x, table, bias, ids.long(), uniform)


def _slices(x):
    size = ROWS.get(x.device.type, MANY_ROWS)
    return [slice(i, i + size) for i in range(0, len(x), size)]


def _logits(x, table, bias):
    if x.dtype == torch.float32:
        return torch.addmm(bias, x, table.t())
    return (x @ table.t()).float().add_(bias)


class _Score(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, table, bias, ids, uniform):
        parts = [
            _score_slice(
                _logits(x[rows], table, bias), ids[rows], uniform[rows]
            )
            for rows in _slices(x)
        ]
        nll, sampled, best, total = map(torch.cat, zip(*parts))
        ctx.save_for_backward(x, table, bias, ids, total)
        ctx.mark_non_differentiable(sampled, best)
        return nll, sampled, best

    @staticmethod
    def backward(ctx, upstream, *_):
        x, table, bias, ids, total = ctx.saved_tensors
        slopes = torch.empty(
            (len(x), len(table)), dtype=x.dtype, device=x.device
        )
        bias_gradient = torch.zeros_like(bias)
        for rows in _slices(x):
            slope = _logits(x[rows], table, bias)
            slope.sub_(total[rows, None]).exp_()
            slope.scatter_add_(
                1, ids[rows, None], slope.new_full((len(slope), 1), -1.0)
            )
            slope.mul_(upstream[rows, None])
            bias_gradient.add_(slope.sum(0))
            slopes[rows] = slope
        return slopes @ table, slopes.t() @ x, bias_gradient, None, None


def _score_slice(logits, ids, uniform):
    """`vocabulary_axis.score_logits`, overwriting the logits."""
    blocks = logits.view(len(logits), -1, BLOCK)
    row = torch.arange(len(logits), device=logits.device)
    top = blocks.amax(-1)
    best = top.argmax(-1)
    inside = blocks[row, best].argmax(-1)
    chosen = logits.gather(1, ids[:, None])[:, 0]
    peak = top.amax(-1)
    logits.sub_(peak[:, None]).exp_()
    mass = blocks.sum(-1)
    total = peak + mass.sum(-1).log()
    block = first_above(mass, uniform[:, 0])
    token = first_above(blocks[row, block], uniform[:, 1])
    return (
        total - chosen,
        (block * BLOCK + token).int(),
        (best * BLOCK + inside).int(),
        total,
    )
