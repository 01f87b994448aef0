"""Where a training step's time goes."""

from keras_rtd.training.programs import compile_function
from keras_rtd.utils.step_times import fastest
from keras_rtd.utils.step_times import table
from keras_rtd.utils.step_times import total
from keras_rtd.utils.step_times import trace
from keras_rtd.utils.step_times import waits

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
    wait, batch = waits(batches, repeats)
    programs = {
        name: fastest(compile_function(pretrainer, function), batch, repeats)
        for name, function in _programs(pretrainer, batch).items()
    }
    step = fastest(
        lambda batch: pretrainer.train_on_batch(batch, return_dict=True),
        batch,
        repeats,
    )
    with trace(str(folder)):
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
        "input_wait": wait,
        "step": step,
    }
    return {name: max(0.0, value) for name, value in seconds.items()}


def show_profile(pretrainer, batches, directory):
    """Print the times of a step, and write the trace into a `RunDirectory`."""
    folder = directory.path / "profile"
    seconds = profile(pretrainer, batches, folder)
    print(table(seconds))
    directory.publish(folder)
    print(f"trace: tensorboard --logdir {directory.shown(folder)}")


def _programs(model, batch):
    generator_inputs = model.objective.generator_inputs

    def generator(batch):
        token_ids, *_ = generator_inputs(batch)
        return total(model.generator_encode(batch, token_ids, training=True))

    def head(batch):
        token_ids, positions, targets = generator_inputs(batch)
        encoded = model.generator_encode(batch, token_ids, training=True)
        features = model.masked_lm_head.features(encoded, positions)
        return total(*model.masked_lm_head.score(features, targets, seed=0))

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
    if generator_inputs(batch) is not None:
        functions += [generator, head]
    return {function.__name__: in_scope(function) for function in functions} | {
        "gradients": gradients
    }
