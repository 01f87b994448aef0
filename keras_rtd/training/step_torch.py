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
        counts, parts = None, [batch]
        if self.accumulate_steps > 1:
            counts = self.objective.counts(batch)
            rows = self.micro_batches(batch)
            parts = [
                {name: value[:, i] for name, value in rows.items()}
                for i in range(self.accumulate_steps)
            ]
        if self.decoupled:
            return self._two_passes(parts, counts)

        def one(part):
            loss, measured = self.measured_loss(part, counts, training=True)
            gradients = self._gradients(loss, self.trainable_variables)
            return [*gradients, loss.detach(), measured]

        *gradients, loss, measured = _sum(map(one, parts))
        return replicas.total(gradients), loss, measured

    def _two_passes(self, parts, counts):
        first, second = self.passes.first, self.passes.second
        outputs = []

        def generate(part):
            loss, corrupted = self.generator_loss(part, counts)
            outputs.append(corrupted)
            return list(self._gradients(loss, first))

        of_generator = replicas.total(_sum(map(generate, parts)))

        def encode(part, corrupted):
            with self.with_values(values):
                loss, measured = self.encoder_loss(part, corrupted, counts)
            gradients = self._gradients(loss, second)
            return [*gradients, loss.detach(), measured]

        with torch.no_grad():
            values = self.after_generator(of_generator)
        *of_encoder, loss, measured = _sum(map(encode, parts, outputs))
        of_encoder = replicas.total(of_encoder)
        return self.passes.in_order(of_generator, of_encoder), loss, measured

    def _gradients(self, loss, variables):
        # Not `backward()`, whose gradients stay and add up: `zero_grad()` does
        # not reach the weights of a Task, which torch does not track.
        return torch.autograd.grad(
            self.optimizer.scale_loss(loss), [v.value for v in variables]
        )

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


def _sum(lists):
    """Sums over an iterator of lists of tensors, which are overwritten."""
    total = next(lists)
    for new in lists:
        torch._foreach_add_(total, new)
    return total
