"""The training step of tasks with labels.

Keras's own, but for PyTorch.
"""

import keras

LabelledStep: type

if keras.config.backend() == "torch":
    from keras_rtd.training.labelled_step_torch import (
        LabelledStep as LabelledStep,
    )
else:
    LabelledStep = type(
        "LabelledStep",
        (),
        {"__doc__": "Keras's own training step.", "__module__": __name__},
    )
