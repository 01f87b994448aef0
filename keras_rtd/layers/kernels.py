"""Dense, LayerNorm and GELU by what each backend does fastest."""

import keras
from keras import ops


def project(x, kernel, bias):
    """x @ kernel + bias over the last axis, in the dtype of `x`.

    Args:
        x: (..., input_dim).
        kernel: (input_dim, units).
        bias: (units,) or `None`.

    Returns:
        (..., units).
    """
    if keras.config.backend() == "torch":
        from torch.nn.functional import linear

        # One kernel, where matmul and add would write the product twice.
        if bias is not None:
            bias = ops.cast(bias, x.dtype)
        return linear(x, ops.cast(kernel, x.dtype).t(), bias)
    compiled = islands()
    if compiled:
        return compiled.project(
            tf_tensor(x),
            tf_tensor(kernel),
            None if bias is None else tf_tensor(bias),
        )
    product = ops.matmul(x, kernel)
    return product if bias is None else product + bias


def islands():
    """The compiled kernels of TensorFlow's training step, or `None`."""
    if keras.config.backend() != "tensorflow":
        return None
    from keras_rtd.layers import islands_tensorflow

    return islands_tensorflow if islands_tensorflow.are_active() else None


def gelu(x, approximate=False):
    """`keras.ops.gelu`, in the dtype of `x`."""
    compiled = islands()
    if compiled:
        return compiled.gelu(tf_tensor(x), approximate)
    return ops.gelu(x, approximate=approximate)


def gelu_dense(x, dense, approximate=False):
    """`dense(gelu(x))`, on PyTorch without keeping what GELU returned.

    Where products are as fast as on a CPU in bfloat16, computing it again
    would be felt; there it is kept.

    Args:
        x: (..., input_dim).
        dense: `Dense` with a bias and no activation.
        approximate: bool. Defaults to `False`.

    Returns:
        (..., units).
    """
    if keras.config.backend() != "torch" or (
        x.device.type == "cpu"
        and keras.backend.standardize_dtype(x.dtype) == "bfloat16"
    ):
        return dense(gelu(x, approximate))
    from keras_rtd.layers.gelu_dense_torch import gelu_dense

    return gelu_dense(
        x,
        ops.convert_to_tensor(dense.kernel),
        ops.convert_to_tensor(dense.bias),
        approximate,
    )


def tf_tensor(x):
    """A plain `tf.Tensor`: `tf.custom_gradient` refuses variables, which Keras
    hands out."""
    import tensorflow as tf

    return tf.convert_to_tensor(ops.convert_to_tensor(x))


class Dense(keras.layers.Dense):
    """`keras.layers.Dense` with `project`. Keras's LoRA reaches it."""

    def call(self, inputs, training=None):
        x = project(inputs, self.kernel, self.bias)
        return x if self.activation is None else self.activation(x)


class LayerNormalization(keras.layers.LayerNormalization):
    """`keras.layers.LayerNormalization` over the last axis.

    Statistics are float32 whatever the compute dtype. Keras casts the whole
    input to float32 and back for that; PyTorch's CPU kernel does it inside.
    """

    def call(self, inputs):
        gamma = self.gamma
        compiled = islands()
        if compiled:
            if gamma is None:
                gamma = ops.ones((inputs.shape[-1],), "float32")
            return compiled.layer_norm(
                tf_tensor(inputs),
                tf_tensor(gamma),
                None if self.beta is None else tf_tensor(self.beta),
                self.epsilon,
            )
        if keras.config.backend() != "torch" or inputs.device.type != "cpu":
            return super().call(inputs)
        from torch.nn.functional import layer_norm

        weight, bias = (
            None if variable is None else ops.convert_to_tensor(variable)
            for variable in (gamma, self.beta)
        )
        return layer_norm(inputs, inputs.shape[-1:], weight, bias, self.epsilon)
