"""Stops a training whose loss is no longer a number."""

import keras

from keras_rtd.training.step_interface import sync_state


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
