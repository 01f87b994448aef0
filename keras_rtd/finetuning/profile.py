"""Where the time of a fine-tuning step goes."""

import keras
import numpy as np

from keras_rtd.training.programs import compile_function
from keras_rtd.utils.step_times import fastest
from keras_rtd.utils.step_times import total
from keras_rtd.utils.step_times import trace
from keras_rtd.utils.step_times import waits

REPEATS = 5
ENCODER_INPUTS = ("token_ids", "segment_ids", "padding_mask")


def profile(model, batches, folder, repeats=REPEATS):
    """Times the parts of a step, and writes a trace for TensorBoard.

    A part's time is that of a program with it less that of the program
    without, so what runs side by side makes it approximate. The steps that are
    measured train the model.

    Args:
        model: compiled task.
        batches: iterator of prepared batches; waiting for it is measured too.
        folder: string. Where the trace is written.
        repeats: int. Runs of each program; the fastest counts.

    Returns:
        dict of name -> seconds: `encoder`, `head_and_loss`, `backward`,
        `optimizer`, `input_wait` and `step`.
    """
    wait, batch = waits(batches, repeats)
    x, *targets = batch

    def encoder(batch):
        inputs = {name: batch[0][name] for name in ENCODER_INPUTS}
        return total(*keras.tree.flatten(model.backbone(inputs, training=True)))

    def forward(batch):
        x, y, weight = keras.utils.unpack_x_y_sample_weight(batch)
        return model.compute_loss(
            x=x,
            y=y,
            y_pred=model(x, training=True),
            sample_weight=weight,
            training=True,
        )

    programs = {
        function.__name__: fastest(
            compile_function(model, function), batch, repeats
        )
        for function in (encoder, forward)
    }
    update, values = _update(model)
    optimizer = fastest(update, values, repeats)

    def run(batch):
        return model.train_on_batch(x, *targets, return_dict=True)

    step = fastest(run, batch, repeats)
    with trace(str(folder)):
        for _ in range(3):
            run(batch)
    seconds = {
        "encoder": programs["encoder"],
        "head_and_loss": programs["forward"] - programs["encoder"],
        "backward": step - programs["forward"] - optimizer,
        "optimizer": optimizer,
        "input_wait": wait,
        "step": step,
    }
    return {name: max(0.0, value) for name, value in seconds.items()}


def _update(model):
    """(program of an update, what it takes)."""
    optimizer, variables = model.optimizer, model.trainable_variables
    gradients = [np.zeros(v.shape, v.dtype) for v in variables]
    if keras.config.backend() != "jax":

        def apply(gradients):
            optimizer.apply_gradients(zip(gradients, variables))
            return total(*(v.value for v in variables))

        return compile_function(model, apply), gradients

    import jax

    @jax.jit
    def apply_values(values):
        return total(*optimizer.stateless_apply(*values)[0])

    values = (
        [v.value for v in optimizer.variables],
        gradients,
        [v.value for v in variables],
    )
    return apply_values, values
