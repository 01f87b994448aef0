"""Keeps a subclassed Task apart from the functional ones."""

import inspect

import keras
import keras_hub
from keras.src.models.functional import Functional


def _model_methods():
    """`keras.Model`'s own version of what `Functional` overrides.

    But for the config, where a Task's own is wanted.
    """
    return {
        name: inspect.getattr_static(keras.Model, name)
        for name in vars(Functional)
        if not name.startswith("__")
        and name not in ("get_config", "from_config")
        and hasattr(keras.Model, name)
    }


# The first functional Task of a process puts `Functional` among the bases of
# KerasHub's PipelineModel, and with it of every Task; a subclassed Task made
# later takes it out again, and breaks the functional ones. This class wants
# neither: it keeps `keras.Model`'s methods, and does not touch the bases.
SubclassedTask = type(
    "SubclassedTask",
    (keras_hub.models.Task,),
    {
        **_model_methods(),
        "__module__": __name__,
        "__doc__": "A `keras_hub.models.Task` with its own `call`.",
    },
)


def init_task(task, **kwargs):
    """`Task.__init__` without the change of `PipelineModel.__bases__`."""
    keras.Model.__init__(task, **kwargs)
    task._functional_layer_ids = set()
    task._initialized = True
