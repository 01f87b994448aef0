"""The training step on TensorFlow."""

import tensorflow as tf

from keras_rtd.layers import islands_tensorflow
from keras_rtd.training.batch import unpack
from keras_rtd.training.step_interface import StepInterface


class TrainStep(StepInterface):
    """Gives a model `train_step` and `test_step`; see `training.step`."""

    def best_jit_compile(self):
        return bool(tf.config.list_logical_devices("GPU"))

    def train_step(self, data):
        batch = unpack(data)
        variables = self.trainable_variables
        with tf.GradientTape() as tape, islands_tensorflow.active():
            outputs = self.run_objective(batch, training=True)
            loss, parts = self.objective.loss(batch, outputs)
            scaled = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, variables)
        self.optimizer.apply_gradients(zip(gradients, variables))
        self.pretraining_metrics.update_state(batch, outputs, loss, parts)
        return self.pretraining_metrics.result()

    def test_step(self, data):
        batch = unpack(data)
        outputs = self.run_objective(batch, training=False)
        loss, parts = self.objective.loss(batch, outputs)
        self.pretraining_metrics.update_state(batch, outputs, loss, parts)
        return self.pretraining_metrics.result()
