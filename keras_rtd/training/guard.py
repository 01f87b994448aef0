"""Stops a training whose loss is no longer a number."""

import math

import keras

from keras_rtd.keras_internals import optimizer_variables
from keras_rtd.training.step_interface import sync_state


def check_trainable(model):
    """Raise `ValueError` where layers were frozen since `compile()`.

    On TensorFlow the step's graph has the layers of before, and on JAX the
    step's state is the optimizer's and the model's variables, which must be
    the same ones. PyTorch needs no `compile()`.
    """
    optimizer = model.optimizer
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    if not optimizer.built:
        return
    before = {id(v) for v in optimizer_variables(optimizer)}
    if before != {id(v) for v in model.trainable_variables}:
        raise ValueError(
            "Layers were frozen or unfrozen after compile(): call compile() "
            "again before training."
        )


class LossGuard(keras.callbacks.Callback):
    """Raises when the loss of a task with labels is NaN or infinite.

    Looks at the mean of the epoch, which stays NaN, every few batches.

    Args:
        every: int. Batches between looks. Defaults to 20.
    """

    def __init__(self, every=20):
        super().__init__()
        self.every = every

    def on_train_batch_end(self, batch, logs=None):
        if (batch + 1) % self.every == 0:
            self.check(logs)

    def on_epoch_end(self, epoch, logs=None):
        self.check(logs)

    def check(self, logs):
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(float(loss)):
            return
        step = int(self.model.optimizer.iterations)
        raise FloatingPointError(
            "The loss is not finite (NaN or infinite), seen at step "
            f"{step}. Training stopped. Lower the learning rate, use "
            "mixed_bfloat16 or float32 instead of mixed_float16, and look for "
            "labels that are no class."
        )


class NonFiniteGuard(keras.callbacks.Callback):
    """Raises when the loss stays NaN or infinite.

    Looks at the device only every few steps, because each look waits for it.

    Args:
        every: int. Steps between looks. Defaults to 20.
    """

    # float16 overflows now and then, and loss scaling skips that step.
    PATIENCE_FLOAT16 = 50

    def __init__(self, every=20):
        super().__init__()
        self.every = every
        self.step = 0

    def on_train_begin(self, logs=None):
        # Not at every step: on JAX a look at `model` syncs all its state.
        self.steps_a_call = self.model.steps_per_execution

    def on_train_batch_end(self, batch, logs=None):
        before = self.step
        self.step += self.steps_a_call
        if self.step // self.every > before // self.every:
            self.check()

    def on_epoch_end(self, epoch, logs=None):
        self.check()

    def check(self):
        metric = self.model.pretraining_metrics
        sync_state(self.model)
        bad = int(keras.ops.convert_to_numpy(metric.bad_steps))
        policy = self.model.dtype_policy.compute_dtype
        patience = self.PATIENCE_FLOAT16 if policy == "float16" else 1
        if bad >= patience:
            step = int(self.model.optimizer.iterations) - bad + 1
            raise FloatingPointError(
                f"The loss is not finite (NaN or infinite) since step {step}. "
                "Training stopped; the checkpoints already written are good. "
                "Lower the learning rate, lengthen the warmup, or use "
                "mixed_bfloat16 instead of mixed_float16."
            )
