"""The training step on TensorFlow."""

from typing import Any

import keras
import tensorflow as tf

from keras_rtd.keras_internals import do_not_add_up_gradients
from keras_rtd.training.batch import unpack
from keras_rtd.training.guard import check_trainable
from keras_rtd.training.step_interface import StepInterface
from keras_rtd.utils import replicas
from keras_rtd.utils.types import Batch
from keras_rtd.utils.types import Tensor


class TrainStep(StepInterface):
    """Gives a model `train_step` and `test_step`; see `training.step`."""

    # Whether XLA compiles what each replica does by itself.
    _compiles_replicas = False

    def make_train_function(self, force: bool = False) -> Any:
        check_trainable(self)
        return keras.Model.make_train_function(self, force)

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
        if self.decoupled:
            return self._two_passes(batch, counts)
        joint = self._of_replica(self._joint_pass)
        gradients, loss, measured = joint(batch, counts)
        return replicas.total(gradients), loss, measured

    def _of_replica(self, function):
        if self._compiles_replicas:
            return tf.function(function, jit_compile=True)
        return function

    def _two_passes(self, batch, counts):
        """As `_forward_backward`, for decoupled training."""
        generate = self._of_replica(self._generator_pass)
        encode = self._of_replica(self._encoder_pass)
        of_generator, outputs = generate(batch, counts)
        of_generator = replicas.total(of_generator)
        values = self.after_generator(of_generator)
        of_encoder, loss, measured = encode(batch, outputs, values, counts)
        of_encoder = replicas.total(of_encoder)
        return self.passes.in_order(of_generator, of_encoder), loss, measured

    def _joint_pass(self, batch, counts):
        variables = self.trainable_variables

        def one(part):
            return self._differentiated(
                lambda: self.measured_loss(part, counts, training=True),
                variables,
            )

        return self._summed(one, variables, batch)

    def _encoder_pass(self, batch, outputs, values, counts):
        variables = self.passes.second

        def one(part, corrupted):
            with self.with_values(values):
                return self._differentiated(
                    lambda: self.encoder_loss(part, corrupted, counts),
                    variables,
                )

        return self._summed(one, variables, batch, outputs)

    def _generator_pass(self, batch, counts):
        """(gradients, what the encoder's pass needs of the whole batch)."""
        variables = self.passes.first

        def one(part):
            gradients, _, outputs = self._differentiated(
                lambda: self.generator_loss(part, counts), variables
            )
            return gradients, outputs

        if self.accumulate_steps == 1:
            return one(batch)
        rows = self.micro_batches(batch)
        gradients, outputs = one(_part(rows, 0))
        arrays = {
            name: tf.TensorArray(
                value.dtype, self.accumulate_steps, element_shape=value.shape
            ).write(0, value)
            for name, value in outputs.items()
        }

        def add(i, total, arrays):
            new, outputs = one(_part(rows, i))
            arrays = {k: a.write(i, outputs[k]) for k, a in arrays.items()}
            return i + 1, tf.nest.map_structure(tf.add, total, new), arrays

        _, gradients, arrays = self._loop(add, (1, gradients, arrays))
        return gradients, {k: _unstacked(a) for k, a in arrays.items()}

    def _summed(self, one, variables, *nests):
        """`one(*nests)`, its results summed over the micro-batches."""
        if self.accumulate_steps == 1:
            return one(*nests)
        rows = [self.micro_batches(nest) for nest in nests]

        def add(i, total):
            new = one(*(_part(nest, i) for nest in rows))
            return i + 1, tf.nest.map_structure(tf.add, total, new)

        nothing = (
            [tf.zeros(v.shape, v.dtype) for v in variables],
            tf.zeros(()),
            self.pretraining_metrics.nothing(),
        )
        return self._loop(add, (0, nothing))[1]

    def _loop(self, add, start):
        # One after the other, or nothing would be gained.
        return tf.while_loop(
            lambda i, *_: i < self.accumulate_steps,
            add,
            start,
            parallel_iterations=1,
            maximum_iterations=self.accumulate_steps,
        )

    def _differentiated(self, function, variables):
        """(gradients of the scaled loss, loss, the other result)."""
        with tf.GradientTape() as tape, self.training_scope():
            loss, result = function()
            scaled = self.optimizer.scale_loss(loss)
        return tape.gradient(scaled, variables), loss, result

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


def _part(rows, i):
    """Micro-batch i of what `micro_batches` made."""
    return {name: tf.gather(value, i, axis=1) for name, value in rows.items()}


def _unstacked(array):
    """A TensorArray of micro-batches as the whole batch, see `_part`."""
    rows = tf.experimental.numpy.moveaxis(array.stack(), 0, 1)
    return tf.reshape(rows, (-1, *rows.shape[2:]))
