"""The training step on PyTorch."""

import torch

from keras_rtd.training.batch import unpack


class TrainStep:
    """Gives a model `train_step` and `test_step`; see `training.step`."""

    def train_step(self, data):
        batch = unpack(data)
        variables = self.trainable_variables
        self.zero_grad()
        outputs = self.forward(batch, training=True)
        loss, parts = self.objective.loss(batch, outputs)
        self.optimizer.scale_loss(loss).backward()
        gradients = [v.value.grad for v in variables]
        with torch.no_grad():
            self.optimizer.apply(gradients, variables)
            return self._update_metrics(batch, outputs, loss, parts)

    def test_step(self, data):
        batch = unpack(data)
        outputs = self.forward(batch, training=False)
        loss, parts = self.objective.loss(batch, outputs)
        return self._update_metrics(batch, outputs, loss, parts)

    def _update_metrics(self, batch, outputs, loss, parts):
        self.pretraining_metrics.update_state(batch, outputs, loss, parts)
        return self.pretraining_metrics.result()
