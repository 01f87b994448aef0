"""The training step on JAX, stateless."""

import functools
import itertools
from typing import Any

import jax
import keras
from jax import numpy as jnp

from keras_rtd.keras_internals import state_shardings
from keras_rtd.training.batch import unpack
from keras_rtd.training.guard import check_trainable
from keras_rtd.training.step_interface import StepInterface
from keras_rtd.utils.types import Batch
from keras_rtd.utils.types import Tensor


class TrainStep(StepInterface):
    """Gives a model `train_step` and `test_step`; see `training.step`."""

    def best_jit_compile(self) -> bool:
        return True

    def make_train_function(self, force: bool = False) -> Any:
        check_trainable(self)
        if self.steps_per_execution == 1 or not self.jit_compile:
            return keras.Model.make_train_function(self, force)
        if self.train_function is None or force:
            self.train_function = self._several_steps()
        return self.train_function

    def _several_steps(self):
        """A function of the state and an iterator: `steps_per_execution`
        steps in one program, where Keras calls one after the other."""
        shardings = None
        if keras.distribution.distribution() is not None:
            shardings = (None, state_shardings(self))

        @functools.partial(jax.jit, donate_argnums=0, out_shardings=shardings)
        def run(state, batches):
            def step(state, batch):
                logs, state = self.train_step(state, batch)
                return state, logs

            stacked = jax.tree.map(lambda *rows: jnp.stack(rows), *batches)
            state, logs = jax.lax.scan(step, state, stacked)
            return jax.tree.map(lambda value: value[-1], logs), state

        def function(state, iterator):
            first = next(iterator)
            rest = itertools.islice(iterator, self.steps_per_execution - 1)
            return run(state, [first, *rest])

        return function

    def gradients(self, batch: Batch) -> list[Tensor]:
        trainable, non_trainable, optimizer = (
            [v.value for v in variables]
            for variables in (
                self.trainable_variables,
                self.non_trainable_variables,
                self.optimizer.variables,
            )
        )
        return self._forward_backward(
            trainable, non_trainable, optimizer, batch
        )[0]

    def _forward_backward(self, trainable, non_trainable, optimizer, batch):
        """(gradients, loss, what the metrics add, non-trainable values) of the
        whole batch."""
        if self.decoupled:
            return self._two_passes(trainable, non_trainable, optimizer, batch)

        def micro_batch(non_trainable, batch, counts):
            def scaled_loss(trainable):
                loss, measured, new = self._stateless_loss(
                    trainable, non_trainable, batch, counts, training=True
                )
                scaled = self._scaled(loss, optimizer)
                return scaled, (loss, measured, new)

            gradients, aux = jax.grad(scaled_loss, has_aux=True)(trainable)
            return gradients, *aux

        if self.accumulate_steps == 1:
            return micro_batch(non_trainable, batch, None)
        counts = self.objective.counts(batch)

        def add(carry, batch):
            total, non_trainable = carry
            *new, non_trainable = micro_batch(non_trainable, batch, counts)
            total = jax.tree.map(jnp.add, total, tuple(new))
            return (total, non_trainable), None

        nothing = (
            jax.tree.map(jnp.zeros_like, trainable),
            jnp.zeros(()),
            self.pretraining_metrics.nothing(),
        )
        (total, non_trainable), _ = jax.lax.scan(
            add, (nothing, non_trainable), self._rows(batch)
        )
        return *total, non_trainable

    def _rows(self, batch):
        """The batch as dict of (accumulate_steps, rows of each, …)."""
        return jax.tree.map(
            lambda value: jnp.moveaxis(value, 1, 0), self.micro_batches(batch)
        )

    def _scaled(self, loss, optimizer):
        mapping = list(zip(self.optimizer.variables, optimizer))
        with keras.StatelessScope(state_mapping=mapping):
            return self.optimizer.scale_loss(loss)

    def _two_passes(self, trainable, non_trainable, optimizer, batch):
        """As `_forward_backward`, for decoupled training."""
        counts = self.objective.counts(batch)
        passes = self.passes.first, self.passes.second
        value_of = dict(zip(map(id, self.trainable_variables), trainable))
        first, second = ([value_of[id(v)] for v in part] for part in passes)

        def one_pass(number, others, function):
            """`function` of a micro-batch as the body of a scan: it carries
            gradients and non-trainable values."""

            def body(carry, inputs):
                total, non_trainable = carry

                def scaled_loss(values):
                    mapping = [*zip(passes[number], values), *others]
                    mapping += zip(self.non_trainable_variables, non_trainable)
                    with keras.StatelessScope(state_mapping=mapping) as scope:
                        loss, result = function(*inputs, counts)
                    new = self._non_trainable_in(scope)
                    return self._scaled(loss, optimizer), (loss, result, new)

                values = (first, second)[number]
                gradients, (loss, result, new) = jax.grad(
                    scaled_loss, has_aux=True
                )(values)
                total = jax.tree.map(jnp.add, total, gradients)
                return (total, new), (loss, result)

            return body

        def run(body, values, non_trainable, inputs):
            carry = jax.tree.map(jnp.zeros_like, values), non_trainable
            return jax.lax.scan(body, carry, inputs)

        rows = self._rows(batch)
        seen = list(zip(passes[1], second))
        (of_generator, non_trainable), (_, outputs) = run(
            one_pass(0, seen, self.generator_loss),
            first,
            non_trainable,
            (rows,),
        )
        mapping = list(zip(self.trainable_variables, trainable))
        mapping += zip(self.optimizer.variables, optimizer)
        with keras.StatelessScope(state_mapping=mapping):
            values = self.after_generator(of_generator)
        # The later of two values of a variable counts.
        seen = [*zip(passes[0], first), *zip(self.passes.read, values)]
        (of_encoder, non_trainable), (losses, measured) = run(
            one_pass(1, seen, self.encoder_loss),
            second,
            non_trainable,
            (rows, outputs),
        )
        gradients = self.passes.in_order(of_generator, of_encoder)
        return gradients, losses.sum(0), measured.sum(0), non_trainable

    def train_step(self, state: Any, data: Any) -> Any:
        trainable, non_trainable, optimizer, metrics = state
        gradients, loss, measured, non_trainable = self._forward_backward(
            trainable, non_trainable, optimizer, unpack(data)
        )
        trainable, optimizer = self.optimizer.stateless_apply(
            optimizer, gradients, trainable
        )
        mapping = list(zip(self.non_trainable_variables, non_trainable))
        with keras.StatelessScope(state_mapping=mapping) as scope:
            self.step.assign_add(1)
        non_trainable = self._non_trainable_in(scope)
        logs, metrics = self._stateless_metrics(metrics, measured, loss)
        return logs, (trainable, non_trainable, optimizer, metrics)

    def test_step(self, state: Any, data: Any) -> Any:
        trainable, non_trainable, metrics = state
        loss, measured, non_trainable = self._stateless_loss(
            trainable, non_trainable, unpack(data), None, training=False
        )
        logs, metrics = self._stateless_metrics(metrics, measured, loss)
        return logs, (trainable, non_trainable, metrics)

    def _stateless_loss(
        self, trainable, non_trainable, batch, counts, training
    ):
        mapping = list(zip(self.trainable_variables, trainable))
        mapping += list(zip(self.non_trainable_variables, non_trainable))
        with keras.StatelessScope(state_mapping=mapping) as scope:
            loss, measured = self.measured_loss(batch, counts, training)
        return loss, measured, self._non_trainable_in(scope)

    def _non_trainable_in(self, scope):
        return [
            scope.get_current_value(v) for v in self.non_trainable_variables
        ]

    def _stateless_metrics(self, metrics, measured, loss):
        mapping = list(zip(self.metrics_variables, metrics))
        with keras.StatelessScope(state_mapping=mapping) as scope:
            self.pretraining_metrics.update_state(measured, loss)
            logs = self.pretraining_metrics.result()
        metrics = [scope.get_current_value(v) for v in self.metrics_variables]
        return logs, metrics
