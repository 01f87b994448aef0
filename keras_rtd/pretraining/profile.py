"""Where a training step's time goes."""

import contextlib
import time

import keras
from keras import ops

REPEATS = 5


def profile(pretrainer, batches, folder, repeats=REPEATS):
    """Times the parts of a step, and writes a trace for TensorBoard.

    A part's time is that of a program with it less that of the program
    without, each compiled as the step is; what runs side by side or is fused
    with its neighbours makes such differences approximate. The model is
    trained by the steps that are measured: profile a model that is not needed
    afterwards.

    Args:
        pretrainer: compiled `ElectraPretrainer`.
        batches: iterator of batches; waiting for it is measured too.
        folder: string. Where the trace is written.
        repeats: int. Runs of each program; the fastest counts.

    Returns:
        dict of name -> seconds: `generator`, `vocabulary_head_and_sampling`
        (one pass over the logits, with their loss; both only where there is a
        generator), `discriminator` (the encoder and its detection head),
        `losses` (and what else the objective predicts with), `backward`,
        `optimizer_and_metrics`, `input_wait` and `step`.
    """
    waits, batch = [], None
    for _ in range(repeats):
        start = time.perf_counter()
        batch = next(batches)
        waits.append(time.perf_counter() - start)
    programs = {
        name: _fastest(pretrainer.compile_function(function), batch, repeats)
        for name, function in _programs(pretrainer, batch).items()
    }
    step = _fastest(
        lambda batch: pretrainer.train_on_batch(batch, return_dict=True),
        batch,
        repeats,
    )
    with _trace(str(folder)):
        for _ in range(3):
            pretrainer.train_on_batch(batch)
    seconds = {}
    if "generator" in programs:
        seconds = {
            "generator": programs["generator"],
            "vocabulary_head_and_sampling": programs["head"]
            - programs["generator"],
        }
    seconds |= {
        "discriminator": programs["discriminator"],
        "losses": programs["forward"]
        - programs.get("head", 0.0)
        - programs["discriminator"],
        "backward": programs["gradients"] - programs["forward"],
        "optimizer_and_metrics": step - programs["gradients"],
        "input_wait": sorted(waits)[len(waits) // 2],
        "step": step,
    }
    return {name: max(0.0, value) for name, value in seconds.items()}


def table(seconds):
    """The result of `profile` as lines of text."""
    step = seconds["step"]
    lines = ["a step's time"]
    for name, value in seconds.items():
        bar = "#" * round(40 * value / step)
        lines.append(
            f"  {name.replace('_', ' '):<30}{1e3 * value:>9.1f} ms"
            f"{value / step:>7.1%}  {bar}"
        )
    return "\n".join(lines)


def _programs(model, batch):
    def total(*tensors):
        # One number to wait for, that needs all of the result.
        return sum(ops.sum(ops.cast(t, "float32")) for t in tensors)

    everywhere = model.objective.generator == "two_tower"

    def generator(batch):
        name = "token_ids" if everywhere else "masked_token_ids"
        return total(model.generator_encode(batch, batch[name], training=True))

    def head(batch):
        name = "token_ids" if everywhere else "masked_token_ids"
        encoded = model.generator_encode(batch, batch[name], training=True)
        positions = None if everywhere else batch["mask_positions"]
        return total(
            *model.masked_lm_head.score(
                model.masked_lm_head.features(encoded, positions),
                batch["token_ids" if everywhere else "mask_ids"],
                seed=0,
            )
        )

    def discriminator(batch):
        encoded = model.encode(batch, batch["token_ids"], training=True)
        if model.detection_head is not None:
            encoded = model.detection_head(encoded)
        return total(encoded)

    def forward(batch):
        outputs = model.run_objective(batch, training=True)
        return total(model.objective.loss(batch, outputs)[0])

    def gradients(batch):
        return total(*model.gradients(batch))

    def in_scope(function):
        def run(batch):
            with model.training_scope():
                return function(batch)

        return run

    functions = [discriminator, forward]
    if _generator_runs(model, batch):
        functions += [generator, head]
    return {function.__name__: in_scope(function) for function in functions} | {
        "gradients": gradients
    }


def _generator_runs(model, batch):
    given = model.objective.frozen_generator and "sampled_ids" in batch
    return model.generator is not None and not given


def _fastest(function, batch, repeats):
    def run():
        start = time.perf_counter()
        result = function(batch)
        if not isinstance(result, dict):
            # Reading it waits for the devices.
            float(ops.convert_to_numpy(result))
        else:
            float(result["loss"])
        return time.perf_counter() - start

    run()
    return min(run() for _ in range(repeats))


@contextlib.contextmanager
def _trace(folder):
    """The backend's own profiler, in TensorBoard's format."""
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
