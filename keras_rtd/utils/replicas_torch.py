"""Sums over the processes of PyTorch's default process group."""

import torch
from torch import distributed

# Bytes a message: large enough to use the network, and few.
BUCKET = 32 * 1024 * 1024


def total(tensors):
    """Sums over all processes; see `keras_rtd.utils.replicas.total`.

    Tensors travel together in messages of some megabytes, the next one packed
    while the last is under way.
    """
    results: list = [None] * len(tensors)
    pending = []
    for members in _buckets(tensors):
        flat = torch.cat([tensors[i].reshape(-1) for i in members])
        work = distributed.all_reduce(flat, async_op=True)
        pending.append((members, flat, work))
    for members, flat, work in pending:
        work.wait()
        parts = flat.split([tensors[i].numel() for i in members])
        for i, part in zip(members, parts):
            results[i] = part.view(tensors[i].shape)
    return results


def copy_from_first(variables):
    """Give every process the values that process 0 has.

    Args:
        variables: list of `keras.Variable`.
    """
    for variable in variables:
        distributed.broadcast(variable.value.detach(), src=0)


def _buckets(tensors):
    """Lists of indices of one dtype and at most `BUCKET` bytes, in order."""
    open_buckets: dict = {}
    for i, tensor in enumerate(tensors):
        size = tensor.numel() * tensor.element_size()
        members, used = open_buckets.get(tensor.dtype, ([], 0))
        if members and used + size > BUCKET:
            yield members
            members, used = [], 0
        open_buckets[tensor.dtype] = ([*members, i], used + size)
    for members, _ in open_buckets.values():
        yield members
