"""AdamW with the reference's rules."""

from collections.abc import Iterable
from typing import Any
from typing import Self

import keras
from keras import ops

from keras_rtd import kernels
from keras_rtd.keras_internals import Optimizer
from keras_rtd.utils.types import Tensor

# Biases and LayerNorm; matched on the variable's own name because layer
# names differ between backends. Embeddings do decay, as in the reference.
NOT_DECAYED = ("bias", "gamma", "beta")


@keras.saving.register_keras_serializable(package="keras_rtd")
class AdamW(Optimizer):
    """Adam with decoupled weight decay, as ELECTRA was trained.

    Source: google-research/electra, model/optimization.py: no bias
    correction, epsilon 1e-6, no decay of biases and LayerNorm, one clip of
    the joint gradient norm.

    With `decoupled_training` the training step updates the generator first and
    shows the discriminator the updated embeddings, and each of the two has a
    clip of its own, as DeBERTaV3 was trained (microsoft/DeBERTa, `rtd.py`).
    Shared embeddings then are the generator's: they learn from its loss alone,
    at its rate. Without a generator that learns, nothing changes.

    Args:
        learning_rate: float or schedule. Defaults to 5e-4.
        generator_learning_rate: float, schedule or `None`. Rate of the
            generator's own weights; `None` takes `learning_rate`. Shared
            embeddings take `learning_rate`, but for decoupled training.
        weight_decay: float. Defaults to 0.01.
        beta_1: float. Defaults to 0.9.
        beta_2: float. Defaults to 0.999.
        epsilon: float. Defaults to 1e-6.
        bias_correction: bool. Adam's correction of the first steps. Defaults
            to `False`.
        global_clipnorm: float or `None`. Defaults to 1.0.
        decoupled_training: bool. Defaults to `False`, joint training.
    """

    def __init__(
        self,
        learning_rate: float
        | keras.optimizers.schedules.LearningRateSchedule = 5e-4,
        generator_learning_rate: float
        | keras.optimizers.schedules.LearningRateSchedule
        | None = None,
        weight_decay: float = 0.01,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-6,
        bias_correction: bool = False,
        global_clipnorm: float | None = 1.0,
        decoupled_training: bool = False,
        name: str = "adamw",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate=learning_rate,
            global_clipnorm=global_clipnorm,
            name=name,
            **kwargs,
        )
        # Keras would decay on its own; the rule here is part of the update.
        self.decay_rate = weight_decay
        self.generator_learning_rate = generator_learning_rate
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.bias_correction = bias_correction
        self.decoupled_training = decoupled_training
        self._generator_ids: frozenset[int] = frozenset()
        self._factors_by_id: dict[int, float] = {}

    def set_generator_variables(
        self, variables: Iterable[keras.Variable]
    ) -> None:
        """Say which variables take `generator_learning_rate`."""
        self._generator_ids = frozenset(id(v) for v in variables)

    def set_rate_factors(
        self, factors: Iterable[tuple[keras.Variable, float]]
    ) -> None:
        """Give variables rates of their own.

        Args:
            factors: iterable of (variable, float): the variable's rate is the
                learning rate times the float. Others keep 1.
        """
        self._factors_by_id = {id(v): float(f) for v, f in factors}

    def build(self, variables: list[keras.Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        self._factors = [self._factors_by_id.get(id(v), 1.0) for v in variables]
        self._decays = [v.name not in NOT_DECAYED for v in variables]
        self._is_generator = [id(v) in self._generator_ids for v in variables]
        self._momentums, self._velocities = self.make_moments(variables)

    def make_moments(
        self, variables: list[keras.Variable]
    ) -> tuple[list[Any], list[Any]]:
        """Two lists of `keras.Variable`: each variable's moments."""
        return self.add_optimizer_variables(variables, ["momentum", "velocity"])

    def moments(
        self, variable: keras.Variable
    ) -> tuple[keras.Variable, keras.Variable]:
        """Adam's two moments of a variable: the mean of its gradients and of
        their squares, each a `keras.Variable` of its shape."""
        index = self.index_of(variable)
        return self._momentums[index], self._velocities[index]

    def rates(self, learning_rate: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(rate, generator's rate, factor of the bias correction)."""
        other = self.generator_learning_rate
        if other is None:
            other = learning_rate
        elif callable(other):
            other = other(self.iterations)
        if not self.bias_correction:
            return learning_rate, other, 1.0
        step = ops.cast(self.iterations + 1, "float32")
        first = 1.0 - ops.power(self.beta_1, step)
        second = 1.0 - ops.power(self.beta_2, step)
        return learning_rate, other, ops.sqrt(second) / first

    def is_generator(self, variable: keras.Variable) -> bool:
        """Whether a variable takes `generator_learning_rate`."""
        return self._is_generator[self.index_of(variable)]

    def rate_factor(self, variable: keras.Variable) -> float:
        """What the learning rate is multiplied by for a variable: a float."""
        return self._factors[self.index_of(variable)]

    def decays(self, variable: keras.Variable) -> bool:
        """Whether weight decay reaches a variable."""
        return self._decays[self.index_of(variable)]

    def clip_all(
        self, gradients: list[Tensor], variables: list[keras.Variable]
    ) -> list[Tensor]:
        clipped = list(gradients)
        for indices in self._clipped_together(variables):
            part = [gradients[i] for i in indices]
            if self.global_clipnorm:
                part = kernels.clip_by_global_norm(part, self.global_clipnorm)
            else:
                part = super().clip_all(part, [variables[i] for i in indices])
            for i, gradient in zip(indices, part):
                clipped[i] = gradient
        return clipped

    def _clipped_together(self, variables):
        """Lists of indices: the variables whose gradients have one norm."""
        places = range(len(variables))
        if not self.decoupled_training:
            return [places]
        parts: dict[bool, list[int]] = {}
        for i in places:
            parts.setdefault(self.is_generator(variables[i]), []).append(i)
        return parts.values()

    def preview(
        self,
        gradients: list[Tensor],
        variables: list[keras.Variable],
        wanted: list[keras.Variable],
    ) -> list[Tensor]:
        """What `wanted` of the variables would be after an update.

        Args:
            gradients: list of tensors, of all variables that are clipped
                together.
            variables: list of `keras.Variable`, theirs.
            wanted: list of `keras.Variable`, some of these.

        Returns:
            list of tensors. Nothing is assigned.
        """
        clipped = self.clip_all(gradients, variables)
        by_id = {id(v): g for v, g in zip(variables, clipped)}
        rates = self.rates(self.learning_rate)
        return [self._updated(by_id[id(v)], v, rates)[0] for v in wanted]

    def update_all(
        self,
        gradients: list[Tensor],
        variables: list[keras.Variable],
        learning_rate: Tensor,
    ) -> None:
        kernels.adamw(self, gradients, variables, learning_rate)

    def update_step(
        self, gradient: Tensor, variable: keras.Variable, learning_rate: Tensor
    ) -> None:
        new = self._updated(gradient, variable, self.rates(learning_rate))
        for target, value in zip((variable, *self.moments(variable)), new):
            self.assign(target, value)

    def _updated(self, gradient, variable, rates):
        """`formula` of a variable."""
        m, v = map(ops.convert_to_tensor, self.moments(variable))
        return self.formula(
            gradient,
            ops.convert_to_tensor(variable),
            m,
            v,
            rates,
            self.is_generator(variable),
            self.decays(variable),
            self.rate_factor(variable),
        )

    def formula(
        self,
        gradient: Tensor,
        w: Tensor,
        m: Tensor,
        v: Tensor,
        rates: tuple[Tensor, Tensor, Tensor],
        is_generator: bool,
        decays: bool,
        factor: float,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """New weight and moments from the old ones, tensors of one shape."""
        rate, generator_rate, correction = rates
        rate = generator_rate if is_generator else rate
        if factor != 1.0:
            rate = rate * factor
        rate = ops.cast(rate, m.dtype)
        gradient = ops.cast(gradient, m.dtype)
        m = m + (gradient - m) * (1 - self.beta_1)
        v = v + (ops.square(gradient) - v) * (1 - self.beta_2)
        step = m / (ops.sqrt(v) + self.epsilon)
        if self.bias_correction:
            step = step * ops.cast(correction, m.dtype)
        if self.decay_rate and decays:
            step = step + self.decay_rate * w
        return w - rate * self.scaled(step, w, decays), m, v

    def scaled(self, step: Tensor, w: Tensor, decays: bool) -> Tensor:
        """The step of a variable, as the rate multiplies it."""
        return step

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        # Keras's own decay is off and must stay off.
        config["weight_decay"] = self.decay_rate
        other = self.generator_learning_rate
        if isinstance(other, keras.optimizers.schedules.LearningRateSchedule):
            other = keras.optimizers.schedules.serialize(other)
        config.update(
            {
                "generator_learning_rate": other,
                "beta_1": self.beta_1,
                "beta_2": self.beta_2,
                "epsilon": self.epsilon,
                "bias_correction": self.bias_correction,
                "decoupled_training": self.decoupled_training,
            }
        )
        return config

    @classmethod
    def from_config(
        cls,
        config: dict[str, Any],
        custom_objects: dict[str, Any] | None = None,
    ) -> Self:
        config = dict(config)
        other = config.get("generator_learning_rate")
        if isinstance(other, dict):
            config["generator_learning_rate"] = (
                keras.optimizers.schedules.deserialize(other)
            )
        return super().from_config(config, custom_objects)
