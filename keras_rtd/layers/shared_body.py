"""One traced body for layers that differ only in their weights.

Twelve layers in two encoders are twenty-four times the same Python, and most
of the time to the first step is spent tracing it. Here a layer's body is a
function of its weights, traced once: a `tf.function` on TensorFlow, a nested
`jax.jit` on JAX. The result is the same to the last bit; the weights stay
where they are.
"""

import keras

from keras_rtd import kernels
from keras_rtd.keras_internals import AutocastScope
from keras_rtd.utils import replicas

# What was traced last; a process seldom has more than a few models.
_MOST = 16
_bodies: dict[tuple, "_Body"] = {}


def helps():
    """Whether this is the tracing of a step, where a shared body saves time."""
    return kernels.shares_traces()


def call(layer, x, shared, training, recompute=False):
    """`layer.body(x, *shared, training=training)` by a body that alike layers
    share.

    Args:
        layer: `EncoderBlock`: has `body`, and `trace_key()`, a hashable of all
            that its body depends on but for its variables' values.
        x: tensor.
        shared: tuple of tensors.
        training: bool or `None`.
        recompute: bool. Keep none of what the body computes for its gradient,
            and compute it again there. Defaults to `False`.

    Returns:
        What `layer.body` returns, a tensor.
    """
    key = (bool(training), recompute, *_signature(layer))
    body = _bodies.get(key)
    # LoRA, say, gives the layer that was traced other weights afterwards.
    if body is None or _signature(body.template) != key[2:]:
        while len(_bodies) >= _MOST:
            _bodies.pop(next(iter(_bodies)))
        body = _bodies[key] = _Body(layer, bool(training), recompute)
    return body(layer, x, *shared)


def _signature(layer):
    variables = tuple(
        (v.name, tuple(v.shape), v.dtype) for v in layer.variables
    )
    return type(layer), layer.trace_key(), variables


def _random_states(layer):
    """The dropouts' seeds: the integers, and all that a call changes."""
    return [
        v for v in layer.variables if not keras.backend.is_float_dtype(v.dtype)
    ]


class _Body:
    """The traced function, with the layer that it was traced from."""

    def __init__(self, layer, training, recompute):
        self.template = layer
        self.training = training
        self.function = kernels.traced(self._run)
        if recompute:
            self.function = kernels.recomputed(self.function)

    def _run(self, values, x, *shared):
        variables = self.template.variables
        mapping = list(zip(variables, values))
        with (
            keras.StatelessScope(state_mapping=mapping) as scope,
            # The gradient runs this outside of the layer's own scope.
            AutocastScope(self.template.compute_dtype),
            replicas.already_folded_in(),
        ):
            y = self.template.body(x, *shared, training=self.training)
        states = _random_states(self.template)
        return y, [scope.get_current_value(v) for v in states]

    def __call__(self, layer, x, *shared):
        # The replica that was traced must not lend the others its number.
        states = {id(v) for v in _random_states(layer)}
        with AutocastScope(None):
            values = [kernels.tensor(v.value) for v in layer.variables]
        values = [
            replicas.fold_in(value) if id(v) in states else value
            for v, value in zip(layer.variables, values)
        ]
        y, new = self.function(values, x, *shared)
        for variable, state in zip(_random_states(layer), new):
            variable.assign(replicas.fold_in(state, sign=-1))
        return y
