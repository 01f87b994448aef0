"""Activation checkpointing: compute again what would have been kept.

For pure functions. `keras.RematScope` runs a layer's call twice, and with it
draws the dropout's numbers twice: on TensorFlow and PyTorch the gradient is
then that of other masks, and JAX refuses the seed's new state.
"""

import keras


def recomputed(function):
    """`function`, keeping nothing but its arguments for the gradient.

    Args:
        function: pure function of a list of tensors, weights and integer
            random states, and two tensors `x` and `bias`, that returns a
            tensor and a list of new random states.

    Returns:
        A function with the same arguments, results and gradients.
    """
    backend = keras.config.backend()
    if backend == "jax":
        import jax

        return jax.checkpoint(function)
    if backend == "torch":
        return _recomputed_torch(function)
    return _recomputed_tensorflow(function)


def _recomputed_torch(function):
    from torch.utils.checkpoint import checkpoint

    def run(values, x, bias):
        # The random states are among the values, none is PyTorch's own. They
        # are about to change in place.
        values = [v if v.is_floating_point() else v.clone() for v in values]
        return checkpoint(
            function,
            values,
            x,
            bias,
            use_reentrant=False,
            preserve_rng_state=False,
        )

    return run


def _recomputed_tensorflow(function):
    import tensorflow as tf

    @tf.custom_gradient
    def run(x, bias, *values):
        y, states = function(list(values), x, bias)

        def gradient(upstream, *_):
            inputs = [_after(upstream, t) for t in (x, bias, *values)]
            weights = [t for t in inputs if t.dtype.is_floating]
            with tf.GradientTape() as tape:
                tape.watch(weights)
                again, _ = function(inputs[2:], *inputs[:2])
            found = iter(tape.gradient(again, weights, upstream))
            return [
                next(found) if t.dtype.is_floating else None for t in inputs
            ]

        return (y, *states), gradient

    def call(values, x, bias):
        y, *states = run(x, bias, *values)
        return y, states

    return call


def _after(upstream, tensor):
    """`tensor`, by a zero that is known only when `upstream` is.

    Without, the second computation would be merged with the first, or moved
    before the gradient; XLA does not look at control dependencies
    (`tf.recompute_grad` does the same).
    """
    import tensorflow as tf

    first = tf.reshape(upstream, (-1,))[:1]
    zero = tf.where(
        tf.equal(first, first), 0.0, 0.0 * tf.cast(first, tf.float32)
    )
    return tensor + tf.cast(zero[0], tensor.dtype)
