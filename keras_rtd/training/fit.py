"""`fit` that continues where a killed one had saved."""

import inspect

import keras

from keras_rtd.training.checkpoint import Checkpoint
from keras_rtd.training.guard import NonFiniteGuard


def fit(model, *args, **kwargs):
    """`keras.Model.fit` with a guard against NaN, resuming if asked.

    With a `Checkpoint` among the callbacks, epochs and data go on from the
    step it restores. That needs `steps_per_epoch`, because a step is a
    position in the data only then.

    Returns:
        `keras.callbacks.History`.
    """
    bound = inspect.signature(keras.Model.fit).bind(model, *args, **kwargs)
    arguments = dict(bound.arguments)
    del arguments["self"]
    callbacks = arguments.pop("callbacks", None) or []
    if isinstance(callbacks, keras.callbacks.Callback):
        callbacks = [callbacks]
    callbacks = [NonFiniteGuard(), *callbacks]
    checkpoint = next((c for c in callbacks if isinstance(c, Checkpoint)), None)
    arguments["callbacks"] = callbacks
    # The data has its own order, which a resumed run must find again.
    arguments.setdefault("shuffle", False)
    _check_multiple(model, arguments.get("steps_per_epoch"), "steps_per_epoch")
    if checkpoint is None:
        return keras.Model.fit(model, **arguments)
    return _resume(model, checkpoint, arguments)


def _check_multiple(model, steps, what):
    """Keras would train longer than it is told."""
    each = model.steps_per_execution
    if steps is not None and steps % each:
        raise ValueError(
            f"`{what}` must be a multiple of steps_per_execution={each}. "
            f"Received: {steps}"
        )


def _resume(model, checkpoint, arguments):
    from keras_rtd.data import resume_at

    steps = arguments.get("steps_per_epoch")
    if steps is None:
        raise ValueError(
            "`fit` with a Checkpoint needs `steps_per_epoch`: a checkpoint "
            "is a number of steps, and the data continues from there."
        )
    _check_multiple(model, checkpoint.every, "Checkpoint(every=…)")
    data, epochs = arguments.pop("x"), arguments.pop("epochs", 1)
    done = checkpoint.restore(model)
    start = arguments.pop("initial_epoch", 0)
    epoch, within = divmod(done, steps)
    if done == 0:
        epoch = start
    history = None
    if within and epoch < epochs:
        # The rest of the epoch in which the run was killed.
        arguments["steps_per_epoch"] = steps - within
        _check_multiple(model, steps - within, "steps left of the epoch")
        history = keras.Model.fit(
            model,
            x=resume_at(data, done),
            initial_epoch=epoch,
            epochs=epoch + 1,
            **arguments,
        )
        if model.stop_training:
            return history
        arguments["steps_per_epoch"] = steps
        done, epoch = done + steps - within, epoch + 1
    if epoch >= epochs and history is not None:
        return history
    rest = keras.Model.fit(
        model,
        x=resume_at(data, done) if done else data,
        initial_epoch=epoch,
        epochs=epochs,
        **arguments,
    )
    if history is not None:
        for name, values in rest.history.items():
            history.history.setdefault(name, []).extend(values)
        history.epoch.extend(rest.epoch)
        return history
    return rest
