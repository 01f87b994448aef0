"""The training step on PyTorch."""

import torch

from keras_rtd.training.batch import unpack
from keras_rtd.training.step_interface import StepInterface
from keras_rtd.utils.host_memory import keep_freed_memory


class TrainStep(StepInterface):
    """Gives a model `train_step` and `test_step`; see `training.step`."""

    def best_jit_compile(self):
        return False

    def train_step(self, data):
        batch = unpack(data)
        variables = self.trainable_variables
        if variables[0].value.device.type == "cpu":
            keep_freed_memory()
        outputs = self.run_objective(batch, training=True)
        loss, parts = self.objective.loss(batch, outputs)
        # Not `backward()`, whose gradients stay and add up: `zero_grad()` does
        # not reach the weights of a Task, which torch does not track.
        gradients = torch.autograd.grad(
            self.optimizer.scale_loss(loss), [v.value for v in variables]
        )
        with torch.no_grad():
            self.optimizer.apply(gradients, variables)
            return self._update_metrics(batch, outputs, loss, parts)

    def test_step(self, data):
        batch = unpack(data)
        outputs = self.run_objective(batch, training=False)
        loss, parts = self.objective.loss(batch, outputs)
        return self._update_metrics(batch, outputs, loss, parts)

    def _update_metrics(self, batch, outputs, loss, parts):
        self.pretraining_metrics.update_state(batch, outputs, loss, parts)
        return self.pretraining_metrics.result()
