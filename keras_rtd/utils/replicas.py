"""The devices that compute one step together, seen from one of them.

On TensorFlow a replica is a device of the `tf.distribute` strategy in scope, on
PyTorch a process of the default process group. On JAX the program is written
for the whole batch and the compiler divides it, so there is one replica.
"""

import contextlib
import contextvars

import keras
from keras import ops

# Far apart, so that the streams of two replicas never meet.
STRIDE = 0x3C6EF372
# Of a seed: PyTorch's are signed.
SEEDS = 2**31

_is_folded_in = contextvars.ContextVar("replicas_folded_in", default=False)


def count():
    """How many replicas compute the step: an int."""
    if _backend() == "tensorflow":
        import tensorflow as tf

        return tf.distribute.get_strategy().num_replicas_in_sync
    if _backend() == "torch":
        from torch import distributed

        if distributed.is_available() and distributed.is_initialized():
            return distributed.get_world_size()
    return 1


def index():
    """Which of them this is: an int from 0, or an int32 scalar."""
    if count() == 1:
        return 0
    if _backend() == "tensorflow":
        import tensorflow as tf

        context = tf.distribute.get_replica_context()
        return 0 if context is None else context.replica_id_in_sync_group
    from torch import distributed

    return distributed.get_rank()


def total(tensors):
    """Sums over all replicas, without gradient.

    Args:
        tensors: list of tensors, the same shapes on every replica.

    Returns:
        list of tensors, equal on every replica.
    """
    tensors = [ops.stop_gradient(ops.convert_to_tensor(t)) for t in tensors]
    if count() == 1:
        return tensors
    if _backend() == "tensorflow":
        import tensorflow as tf

        context = tf.distribute.get_replica_context()
        return list(context.all_reduce(tf.distribute.ReduceOp.SUM, tensors))
    from keras_rtd.utils import replicas_torch

    return replicas_torch.total(tensors)


def fold_in(state, sign=1):
    """A seed state that is another one on every replica, the same on the first.

    Args:
        state: int (2,), a `keras.random.SeedGenerator`'s.
        sign: 1, or -1 to undo it.

    Returns:
        int (2,) in the dtype of `state`.
    """
    if count() == 1:
        return state
    offset = ops.cast(index(), "int64") * (sign * STRIDE)
    offset = ops.stack([offset, ops.zeros_like(offset)])
    return ops.cast((ops.cast(state, "int64") + offset) % SEEDS, state.dtype)


class SeedGenerator(keras.random.SeedGenerator):
    """`keras.random.SeedGenerator` with other numbers on every replica."""

    def next(self, ordered=True):
        state = super().next(ordered)
        return state if _is_folded_in.get() else fold_in(state)


@contextlib.contextmanager
def already_folded_in():
    """Inside, the seed states are those of one replica already."""
    token = _is_folded_in.set(True)
    try:
        yield
    finally:
        _is_folded_in.reset(token)


def _backend():
    return keras.config.backend()
