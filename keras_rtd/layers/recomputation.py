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
            random states, and any number of tensors, that returns a tensor and
            a list of new random states.

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


def _recomputed_tensorflow(function):
    import tensorflow as tf

    def call(values, *tensors):
        count = len(tensors)

        @tf.custom_gradient
        def run(*inputs):
            y, states = function(list(inputs[count:]), *inputs[:count])

            def gradient(upstream, *_):
                after = [_after(upstream, t) for t in inputs]
                floats = [t for t in after if t.dtype.is_floating]
                with tf.GradientTape() as tape:
                    tape.watch(floats)
                    again, _ = function(after[count:], *after[:count])
                found = iter(tape.gradient(again, floats, upstream))
                return [
                    next(found) if t.dtype.is_floating else None for t in after
                ]

            return (y, *states), gradient

        y, *states = run(*tensors, *values)
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
