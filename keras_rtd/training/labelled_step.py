"""The training step of tasks with labels."""

from typing import Any

import keras

from keras_rtd.keras_internals import loss_of
from keras_rtd.keras_internals import track_loss
from keras_rtd.training.guard import check_trainable
from keras_rtd.utils.hardware import keep_freed_memory

# A mixin of a `keras.Model`, whose attributes it uses.
_Mixin: Any = object


class LabelledStep(_Mixin):
    """Keras's own training step, but for PyTorch.

    PyTorch does not track the weights of a KerasHub Task, so that Keras's
    `zero_grad()` reaches none of them, and each step would add its gradients
    to those of all steps before. Here they do not add up.
    """

    if keras.config.backend() == "torch":

        def train_step(self, data: Any) -> Any:
            import torch

            x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
            variables = self.trainable_variables
            if variables[0].value.device.type == "cpu":
                keep_freed_memory()
            y_pred = self(x, training=True)
            loss = loss_of(self, x, y, y_pred, sample_weight)
            track_loss(self, loss, keras.tree.flatten(x)[0].shape[0])
            gradients = torch.autograd.grad(
                self.optimizer.scale_loss(loss),
                [v.value for v in variables],
                # A head may have a part that this batch does not train.
                allow_unused=True,
                materialize_grads=True,
            )
            with torch.no_grad():
                self.optimizer.apply(gradients, variables)
            return self.compute_metrics(
                x, y, y_pred, sample_weight=sample_weight
            )

    if keras.config.backend() != "torch":

        def make_train_function(self, force: bool = False) -> Any:
            check_trainable(self)
            return super().make_train_function(force)
