"""Muon for the kernels of hidden layers, AdamW for everything else."""

from collections.abc import Iterable
from typing import Any

import keras
from keras import ops

from keras_rtd.training.adamw import AdamW
from keras_rtd.utils.types import Tensor

# Coefficients of the quintic iteration, its number of steps, and the size of
# an update as a part of what AdamW's usually is. Sources: Jordan et al. 2024,
# https://kellerjordan.github.io/posts/muon; Liu et al. 2025,
# https://arxiv.org/abs/2502.16982, §2.2.
A, B, C = 3.4445, -4.7750, 2.0315
STEPS = 5
RMS = 0.2


@keras.saving.register_keras_serializable(package="keras_rtd")
class Muon(AdamW):
    """Muon: a kernel's momentum, with its singular values made equal.

    The kernels that `set_kernels` names move by `0.2 * sqrt(max(rows,
    columns))` times an orthogonalised momentum, which is as large as AdamW's
    usual step, so that rate, schedule and decay are AdamW's. All others
    (embeddings, heads, biases, LayerNorm) are AdamW's own, at `adam_lr_ratio`
    times the rate. The joint clip is over both.

    `keras.optimizers.Muon` orthogonalises the same way, but its other half is
    another Adam: with bias correction, decaying biases and LayerNorm, without
    rates and clip of the generator's own, one operation after the other. Here
    kernels of one shape go through the products together.

    Args:
        learning_rate: float or schedule. Defaults to 5e-4.
        adam_lr_ratio: float. Rate of what AdamW moves, as a part of
            `learning_rate` (of the generator's own, where it has one).
            Defaults to 1.0.
        momentum: float. Of the kernels' gradients. Defaults to 0.95.
        nesterov: bool. Look ahead by one gradient. Defaults to `True`.
        product_dtype: string. In which the products are computed; bfloat16 is
            the authors' choice, and much faster where the device has it.
            Defaults to `"float32"`.
        **kwargs: those of `AdamW`.

    Raises:
        ValueError: built before `set_kernels` was called.
    """

    def __init__(
        self,
        learning_rate: float
        | keras.optimizers.schedules.LearningRateSchedule = 5e-4,
        adam_lr_ratio: float = 1.0,
        momentum: float = 0.95,
        nesterov: bool = True,
        product_dtype: str = "float32",
        name: str = "muon",
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.adam_lr_ratio = adam_lr_ratio
        self.momentum = momentum
        self.nesterov = nesterov
        self.product_dtype = product_dtype
        self._kernel_ids: frozenset[int] | None = None

    def set_kernels(self, variables: Iterable[keras.Variable]) -> None:
        """Say which variables Muon moves.

        Args:
            variables: list of `keras.Variable` of two axes.

        Raises:
            ValueError: one of another number of axes.
        """
        for variable in variables:
            if len(variable.shape) != 2:
                raise ValueError(
                    "Muon moves variables of two axes. Received: "
                    f"{variable.path} of shape {tuple(variable.shape)}"
                )
        self._kernel_ids = frozenset(id(v) for v in variables)

    def is_kernel(self, variable: keras.Variable) -> bool:
        """Whether Muon moves a variable."""
        return id(variable) in (self._kernel_ids or ())

    def rate_factor(self, variable: keras.Variable) -> float:
        factor = super().rate_factor(variable)
        return factor * (
            1.0 if self.is_kernel(variable) else self.adam_lr_ratio
        )

    def make_moments(
        self, variables: list[keras.Variable]
    ) -> tuple[list[Any], list[Any]]:
        # A kernel has a momentum alone: half of AdamW's state.
        others = [v for v in variables if not self.is_kernel(v)]
        velocities = iter(self.add_optimizer_variables(others, "velocity"))
        return self.add_optimizer_variables(variables, "momentum"), [
            None if self.is_kernel(v) else next(velocities) for v in variables
        ]

    def build(self, variables: list[keras.Variable]) -> None:
        if self._kernel_ids is None:
            raise ValueError(
                "Muon must know which variables are kernels of hidden layers: "
                "call `set_kernels` before it is built. `ElectraPretrainer` "
                "does so in `compile`."
            )
        super().build(variables)

    def update_all(
        self,
        gradients: list[Tensor],
        variables: list[keras.Variable],
        learning_rate: Tensor,
    ) -> None:
        pairs = list(zip(gradients, variables))
        others = [pair for pair in pairs if not self.is_kernel(pair[1])]
        if others:
            super().update_all(
                [g for g, _ in others], [v for _, v in others], learning_rate
            )
        groups: dict[Any, list[Any]] = {}
        for gradient, variable in pairs:
            if self.is_kernel(variable):
                key = (
                    tuple(variable.shape),
                    self.is_generator(variable),
                    self.rate_factor(variable),
                )
                groups.setdefault(key, []).append((gradient, variable))
        rates = self.rates(learning_rate)[:2]
        for (_, is_generator, factor), members in groups.items():
            self._update_kernels(members, rates[is_generator] * factor)

    def _update_kernels(self, members, rate):
        """One step of kernels of one shape and rate."""
        gradients, variables = zip(*members)
        momentums = [self.moments(v)[0] for v in variables]
        w, m = (
            ops.stack([x.value for x in part])
            for part in (variables, momentums)
        )
        g = ops.cast(ops.stack(gradients), m.dtype)
        m = m + (g - m) * (1 - self.momentum)
        step = g + (m - g) * self.momentum if self.nesterov else m
        step = orthogonalise(step, self.product_dtype)
        step = step * (RMS * max(w.shape[1:]) ** 0.5)
        w = w - ops.cast(rate, w.dtype) * (step + self.decay_rate * w)
        for i, (variable, momentum) in enumerate(zip(variables, momentums)):
            self.assign(variable, w[i])
            self.assign(momentum, m[i])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "adam_lr_ratio": self.adam_lr_ratio,
            "momentum": self.momentum,
            "nesterov": self.nesterov,
            "product_dtype": self.product_dtype,
        }


def orthogonalise(x, dtype="float32"):
    """About U V^T of x = U S V^T: singular values become .7 to 1.2.

    Five steps of an odd polynomial of the matrix, which is one of its
    singular values. Those below a thousandth of the norm come out smaller.

    Args:
        x: float32 (count, rows, columns).
        dtype: string, of the products. Defaults to `"float32"`.

    Returns:
        float32 of the shape of `x`.
    """
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = ops.transpose(x, (0, 2, 1))
    norm = ops.sqrt(ops.sum(ops.square(x), axis=(1, 2), keepdims=True))
    x = ops.cast(x / ops.maximum(norm, 1e-7), dtype)
    for _ in range(STEPS):
        gram = ops.matmul(x, ops.transpose(x, (0, 2, 1)))
        polynomial = B * gram + C * ops.matmul(gram, gram)
        x = A * x + ops.matmul(polynomial, x)
    x = ops.cast(x, "float32")
    return ops.transpose(x, (0, 2, 1)) if tall else x
