"""Times of parts of a training step, and the backend's own trace."""

import contextlib
import time

import keras
from keras import ops


def total(*tensors):
    """One number to wait for, that needs all of some tensors."""
    return sum(ops.sum(ops.cast(t, "float32")) for t in tensors)


def fastest(function, argument, repeats):
    """Seconds of the fastest of some runs, after one that is not counted.

    Args:
        function: returns a number, or logs with a `loss`.
        argument: what it takes.
        repeats: int.
    """

    def run():
        start = time.perf_counter()
        result = function(argument)
        if isinstance(result, dict):
            result = result["loss"]
        # Reading it waits for the devices.
        float(ops.convert_to_numpy(result))
        return time.perf_counter() - start

    run()
    return min(run() for _ in range(repeats))


def waits(batches, repeats):
    """(median seconds of waiting for a batch, the last batch)."""
    seconds, batch = [], None
    for _ in range(repeats):
        start = time.perf_counter()
        batch = next(batches)
        seconds.append(time.perf_counter() - start)
    return sorted(seconds)[repeats // 2], batch


@contextlib.contextmanager
def trace(folder):
    """The backend's own profiler, which writes for TensorBoard."""
    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        tf.profiler.experimental.start(folder)
        yield
        tf.profiler.experimental.stop()
    elif backend == "jax":
        import jax

        with jax.profiler.trace(folder):
            yield
    else:
        from torch import profiler

        with profiler.profile(
            on_trace_ready=profiler.tensorboard_trace_handler(folder)
        ):
            yield


def table(seconds):
    """Seconds of parts, and of the `step`, as lines of text."""
    step = seconds["step"]
    lines = ["a step's time"]
    for name, value in seconds.items():
        bar = "#" * round(40 * value / step)
        lines.append(
            f"  {name.replace('_', ' '):<30}{1e3 * value:>9.1f} ms"
            f"{value / step:>7.1%}  {bar}"
        )
    return "\n".join(lines)
