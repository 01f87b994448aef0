"""The training step on TensorFlow."""

import tensorflow as tf

from keras_rtd.layers import islands_tensorflow
from keras_rtd.training.batch import unpack
from keras_rtd.training.step_interface import StepInterface
from keras_rtd.utils import replicas


class TrainStep(StepInterface):
    """Gives a model `train_step` and `test_step`; see `training.step`."""

    def best_jit_compile(self):
        return bool(tf.config.list_logical_devices("GPU"))

    def prepare_optimizer(self, optimizer):
        # Keras would add up what is added up already.
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        inner._all_reduce_sum_gradients = lambda pairs: pairs

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # All is built when made; Keras would add up a first batch over the
        # replicas, which fails for booleans and in several processes.
        pass

    def compile_function(self, function):
        return tf.function(function, jit_compile=self.jit_compile)

    def training_scope(self):
        return islands_tensorflow.active()

    def gradients(self, batch):
        return self._forward_backward(batch)[0]

    def _forward_backward(self, batch):
        with tf.GradientTape() as tape, self.training_scope():
            outputs = self.run_objective(batch, training=True)
            loss, parts = self.objective.loss(batch, outputs)
            scaled = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, self.trainable_variables)
        return replicas.total(gradients), outputs, loss, parts

    def train_step(self, data):
        batch = unpack(data)
        gradients, outputs, loss, parts = self._forward_backward(batch)
        variables = self.trainable_variables
        self.optimizer.apply_gradients(zip(gradients, variables))
        return self._update_metrics(batch, outputs, loss, parts)

    def test_step(self, data):
        batch = unpack(data)
        outputs = self.run_objective(batch, training=False)
        loss, parts = self.objective.loss(batch, outputs)
        return self._update_metrics(batch, outputs, loss, parts)

    def predict_step(self, data):
        outputs = self.call(unpack(data), training=False)
        if _several_workers():
            # What hosts exchange may not be boolean.
            outputs["is_replaced"] = tf.cast(outputs["is_replaced"], tf.int32)
        return outputs

    def _update_metrics(self, batch, outputs, loss, parts):
        self.pretraining_metrics.update_state(batch, outputs, loss, parts)
        logs = self.pretraining_metrics.result()
        if _several_workers():
            # Keras takes their mean over axis 0; they are all the same.
            logs = {name: value[None] for name, value in logs.items()}
        return logs


def _several_workers():
    strategy = tf.distribute.get_strategy()
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
