"""The training step on PyTorch."""

import keras
import torch
from keras import ops

from keras_rtd.training.batch import unpack
from keras_rtd.training.step_interface import StepInterface
from keras_rtd.utils import replicas
from keras_rtd.utils.host_memory import keep_freed_memory


class TrainStep(StepInterface):
    """Gives a model `train_step` and `test_step`; see `training.step`."""

    def best_jit_compile(self):
        return False

    def compile_function(self, function):
        self._keep_memory()

        def run(batch):
            batch = keras.tree.map_structure(ops.convert_to_tensor, batch)
            return function(batch)

        return run

    def _keep_memory(self):
        if self.trainable_variables[0].value.device.type == "cpu":
            keep_freed_memory()

    def gradients(self, batch):
        return self._forward_backward(batch)[0]

    def _forward_backward(self, batch):
        variables = self.trainable_variables
        self._keep_memory()
        outputs = self.run_objective(batch, training=True)
        loss, parts = self.objective.loss(batch, outputs)
        # Not `backward()`, whose gradients stay and add up: `zero_grad()` does
        # not reach the weights of a Task, which torch does not track.
        gradients = torch.autograd.grad(
            self.optimizer.scale_loss(loss), [v.value for v in variables]
        )
        return replicas.total(gradients), outputs, loss, parts

    def train_step(self, data):
        batch = unpack(data)
        gradients, outputs, loss, parts = self._forward_backward(batch)
        with torch.no_grad():
            self.optimizer.apply(gradients, self.trainable_variables)
            return self._update_metrics(batch, outputs, loss, parts)

    def test_step(self, data):
        batch = unpack(data)
        outputs = self.run_objective(batch, training=False)
        loss, parts = self.objective.loss(batch, outputs)
        return self._update_metrics(batch, outputs, loss, parts)

    def _update_metrics(self, batch, outputs, loss, parts):
        self.pretraining_metrics.update_state(batch, outputs, loss, parts)
        return self.pretraining_metrics.result()
