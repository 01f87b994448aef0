"""Functions of a model as the programs its backend makes of them."""

import keras

from keras_rtd.utils.hardware import keep_freed_memory


def compile_function(model, function):
    """`function` run as a step of `model` is.

    Args:
        model: compiled `keras.Model`.
        function: function of one nest of arrays, which reads the model's
            variables and returns tensors.

    Returns:
        function of a nest of NumPy arrays. What `function` assigns to
        variables is lost on JAX.
    """
    return _COMPILE[keras.config.backend()](model, function)


def _tensorflow(model, function):
    import tensorflow as tf

    return tf.function(function, jit_compile=model.jit_compile)


def _jax(model, function):
    import jax

    @jax.jit
    def run(values, batch):
        mapping = list(zip(model.variables, values))
        with keras.StatelessScope(state_mapping=mapping):
            return function(batch)

    return lambda batch: run([v.value for v in model.variables], batch)


def _torch(model, function):
    if model.trainable_variables[0].value.device.type == "cpu":
        keep_freed_memory()

    def run(batch):
        batch = keras.tree.map_structure(keras.ops.convert_to_tensor, batch)
        return function(batch)

    return run


_COMPILE = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
