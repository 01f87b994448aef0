"""The training step on PyTorch."""

from typing import Any

import torch

from keras_rtd.training.batch import unpack
from keras_rtd.training.step_interface import StepInterface
from keras_rtd.utils import replicas
from keras_rtd.utils.hardware import keep_freed_memory
from keras_rtd.utils.types import Batch
from keras_rtd.utils.types import Tensor


class TrainStep(StepInterface):
    """Gives a model `train_step` and `test_step`; see `training.step`."""

    def best_jit_compile(self) -> bool:
        return False

    def _keep_memory(self):
        if self.trainable_variables[0].value.device.type == "cpu":
            keep_freed_memory()

    def gradients(self, batch: Batch) -> list[Tensor]:
        return self._forward_backward(batch)[0]

    def _forward_backward(self, batch):
        """(gradients, loss, what the metrics add) of the whole batch."""
        self._keep_memory()
        if self.accumulate_steps == 1:
            result = self._micro_batch(batch, None)
        else:
            result = self._accumulated(batch)
        gradients, loss, measured = result
        return replicas.total(gradients), loss, measured

    def _accumulated(self, batch):
        counts = self.objective.counts(batch)
        rows = self.micro_batches(batch)

        def sums(i):
            one = {name: value[:, i] for name, value in rows.items()}
            gradients, loss, measured = self._micro_batch(one, counts)
            return [*gradients, loss, measured]

        total = sums(0)
        for i in range(1, self.accumulate_steps):
            torch._foreach_add_(total, sums(i))
        *gradients, loss, measured = total
        return gradients, loss, measured

    def _micro_batch(self, batch, counts):
        loss, measured = self.measured_loss(batch, counts, training=True)
        # Not `backward()`, whose gradients stay and add up: `zero_grad()` does
        # not reach the weights of a Task, which torch does not track.
        gradients = torch.autograd.grad(
            self.optimizer.scale_loss(loss),
            [v.value for v in self.trainable_variables],
        )
        return gradients, loss.detach(), measured

    def train_step(self, data: Any) -> Any:
        gradients, loss, measured = self._forward_backward(unpack(data))
        with torch.no_grad():
            self.step.assign_add(1)
            self.optimizer.apply(gradients, self.trainable_variables)
            return self._update_metrics(measured, loss)

    def test_step(self, data: Any) -> Any:
        loss, measured = self.measured_loss(unpack(data), training=False)
        return self._update_metrics(measured, loss)

    def _update_metrics(self, measured, loss):
        self.pretraining_metrics.update_state(measured, loss)
        return self.pretraining_metrics.result()
