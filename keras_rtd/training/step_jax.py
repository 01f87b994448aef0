"""The training step on JAX, stateless."""

import jax
import keras

from keras_rtd.training.batch import unpack
from keras_rtd.training.step_interface import StepInterface


class TrainStep(StepInterface):
    """Gives a model `train_step` and `test_step`; see `training.step`."""

    def best_jit_compile(self):
        return True

    def compile_function(self, function):
        @jax.jit
        def run(values, batch):
            mapping = list(zip(self.variables, values))
            with keras.StatelessScope(state_mapping=mapping):
                return function(batch)

        return lambda batch: run([v.value for v in self.variables], batch)

    def gradients(self, batch):
        non_trainable = [v.value for v in self.non_trainable_variables]

        def loss(trainable):
            loss, *_ = self._stateless_loss(
                trainable, non_trainable, batch, training=True
            )
            return self.optimizer.scale_loss(loss)

        return jax.grad(loss)([v.value for v in self.trainable_variables])

    def train_step(self, state, data):
        trainable, non_trainable, optimizer, metrics = state
        batch = unpack(data)

        def scaled_loss(trainable, non_trainable):
            loss, outputs, parts, non_trainable = self._stateless_loss(
                trainable, non_trainable, batch, training=True
            )
            mapping = list(zip(self.optimizer.variables, optimizer))
            with keras.StatelessScope(state_mapping=mapping):
                scaled = self.optimizer.scale_loss(loss)
            return scaled, (loss, outputs, parts, non_trainable)

        gradient = jax.grad(scaled_loss, has_aux=True)
        gradients, aux = gradient(trainable, non_trainable)
        loss, outputs, parts, non_trainable = aux
        trainable, optimizer = self.optimizer.stateless_apply(
            optimizer, gradients, trainable
        )
        logs, metrics = self._stateless_metrics(
            metrics, batch, outputs, loss, parts
        )
        return logs, (trainable, non_trainable, optimizer, metrics)

    def test_step(self, state, data):
        trainable, non_trainable, metrics = state
        batch = unpack(data)
        loss, outputs, parts, non_trainable = self._stateless_loss(
            trainable, non_trainable, batch, training=False
        )
        logs, metrics = self._stateless_metrics(
            metrics, batch, outputs, loss, parts
        )
        return logs, (trainable, non_trainable, metrics)

    def _stateless_loss(self, trainable, non_trainable, batch, training):
        mapping = list(zip(self.trainable_variables, trainable))
        mapping += list(zip(self.non_trainable_variables, non_trainable))
        with keras.StatelessScope(state_mapping=mapping) as scope:
            outputs = self.run_objective(batch, training=training)
            loss, parts = self.objective.loss(batch, outputs)
        non_trainable = [
            scope.get_current_value(v) for v in self.non_trainable_variables
        ]
        return loss, outputs, parts, non_trainable

    def _stateless_metrics(self, metrics, batch, outputs, loss, parts):
        mapping = list(zip(self.metrics_variables, metrics))
        with keras.StatelessScope(state_mapping=mapping) as scope:
            self.pretraining_metrics.update_state(batch, outputs, loss, parts)
            logs = self.pretraining_metrics.result()
        metrics = [scope.get_current_value(v) for v in self.metrics_variables]
        return logs, metrics
