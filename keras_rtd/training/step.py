"""`TrainStep` of the backend in use.

A mixin for a `keras.Model` with `run_objective(batch, training)`, an `objective`
(see `keras_rtd.objectives`) and `pretraining_metrics`. It replaces
`train_step` and `test_step`: forward, loss, gradients, optimiser, metrics.
"""

import keras

if keras.config.backend() == "tensorflow":
    from keras_rtd.training.step_tensorflow import TrainStep
elif keras.config.backend() == "jax":
    from keras_rtd.training.step_jax import TrainStep
elif keras.config.backend() == "torch":
    from keras_rtd.training.step_torch import TrainStep
else:
    raise ImportError(
        "keras_rtd trains on the tensorflow, jax and torch backends, not on "
        f"{keras.config.backend()!r}. Set KERAS_BACKEND."
    )

__all__ = ["TrainStep"]
