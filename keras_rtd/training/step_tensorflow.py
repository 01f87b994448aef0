"""The training step on TensorFlow."""

import tensorflow as tf

from keras_rtd.layers import islands_tensorflow
from keras_rtd.training.batch import unpack
from keras_rtd.training.step_interface import StepInterface


class TrainStep(StepInterface):
    """Gives a model `train_step` and `test_step`; see `training.step`."""

    def best_jit_compile(self):
        return bool(tf.config.list_logical_devices("GPU"))

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
        return gradients, outputs, loss, parts

    def train_step(self, data):
        batch = unpack(data)
        gradients, outputs, loss, parts = self._forward_backward(batch)
        variables = self.trainable_variables
        self.optimizer.apply_gradients(zip(gradients, variables))
        self.pretraining_metrics.update_state(batch, outputs, loss, parts)
        return self.pretraining_metrics.result()

    def test_step(self, data):
        batch = unpack(data)
        outputs = self.run_objective(batch, training=False)
        loss, parts = self.objective.loss(batch, outputs)
        self.pretraining_metrics.update_state(batch, outputs, loss, parts)
        return self.pretraining_metrics.result()
