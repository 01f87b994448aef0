"""The training step on TensorFlow."""

from typing import Any

import tensorflow as tf

from keras_rtd.keras_internals import do_not_add_up_gradients
from keras_rtd.training.batch import unpack
from keras_rtd.training.step_interface import StepInterface
from keras_rtd.utils import replicas
from keras_rtd.utils.types import Batch
from keras_rtd.utils.types import Tensor


class TrainStep(StepInterface):
    """Gives a model `train_step` and `test_step`; see `training.step`."""

    # Whether XLA compiles what each replica does by itself.
    _compiles_replicas = False

    def best_jit_compile(self) -> bool:
        return bool(tf.config.list_logical_devices("GPU"))

    def jit_compile_of_keras(self, jit_compile: Any) -> Any:
        # Keras compiles the step of all replicas as one program, which XLA
        # refuses: it reads variables of several devices.
        strategy = tf.distribute.get_strategy()
        self._compiles_replicas = jit_compile is True and isinstance(
            strategy,
            (
                tf.distribute.MirroredStrategy,
                tf.distribute.MultiWorkerMirroredStrategy,
            ),
        )
        return False if self._compiles_replicas else jit_compile

    def prepare_optimizer(self, optimizer: Any) -> None:
        # Keras would add up what is added up already.
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        do_not_add_up_gradients(inner)

    def gradients(self, batch: Batch) -> list[Tensor]:
        return self._forward_backward(batch)[0]

    def _forward_backward(self, batch):
        """(gradients, loss, what the metrics add) of the whole batch."""
        # Apart, because XLA compiles nothing that replicas exchange.
        counts = self.objective.counts(batch)
        of_replica = self._micro_batch
        if self.accumulate_steps > 1:
            of_replica = self._accumulated
        if self._compiles_replicas:
            of_replica = tf.function(of_replica, jit_compile=True)
        gradients, loss, measured = of_replica(batch, counts)
        return replicas.total(gradients), loss, measured

    def _accumulated(self, batch, counts):
        rows = self.micro_batches(batch)

        def add(i, total):
            one = {k: tf.gather(v, i, axis=1) for k, v in rows.items()}
            new = self._micro_batch(one, counts)
            return i + 1, tf.nest.map_structure(tf.add, total, new)

        nothing = (
            [tf.zeros(v.shape, v.dtype) for v in self.trainable_variables],
            tf.zeros(()),
            self.pretraining_metrics.nothing(),
        )
        # One after the other, or nothing would be gained.
        _, total = tf.while_loop(
            lambda i, _: i < self.accumulate_steps,
            add,
            (0, nothing),
            parallel_iterations=1,
            maximum_iterations=self.accumulate_steps,
        )
        return total

    def _micro_batch(self, batch, counts):
        with tf.GradientTape() as tape, self.training_scope():
            loss, measured = self.measured_loss(batch, counts, training=True)
            scaled = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, self.trainable_variables)
        return gradients, loss, measured

    def train_step(self, data: Any) -> Any:
        gradients, loss, measured = self._forward_backward(unpack(data))
        self.step.assign_add(1)
        variables = self.trainable_variables
        self.optimizer.apply_gradients(zip(gradients, variables))
        return self._update_metrics(measured, loss)

    def test_step(self, data: Any) -> Any:
        loss, measured = self.measured_loss(unpack(data), training=False)
        return self._update_metrics(measured, loss)

    def predict_step(self, data: Any) -> Any:
        outputs = self.call(unpack(data), training=False)
        if _several_workers():
            # What hosts exchange may not be boolean.
            outputs["is_replaced"] = tf.cast(outputs["is_replaced"], tf.int32)
        return outputs

    def _update_metrics(self, measured, loss):
        self.pretraining_metrics.update_state(measured, loss)
        logs = self.pretraining_metrics.result()
        if _several_workers():
            # Keras takes their mean over axis 0; they are all the same.
            logs = {name: value[None] for name, value in logs.items()}
        return logs


def _several_workers():
    strategy = tf.distribute.get_strategy()
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
