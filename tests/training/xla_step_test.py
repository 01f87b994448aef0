"""What a TPU asks of the step, as far as a CPU can show it: XLA compiles all
of it, every shape is static, nothing is left to the host."""

import keras
import numpy as np
import pytest
import tiny

pytestmark = pytest.mark.skipif(
    keras.config.backend() != "tensorflow", reason="JAX is always compiled"
)

# Operations that run on the host of a TPU, or on none.
OF_THE_HOST = (
    "PyFunc EagerPyFunc PyFuncStateless Print PrintV2 Assert StringFormat "
    "Unique UniqueV2 Where NonZero LookupTableFindV2 Save SaveV2 Restore "
    "RestoreV2 ReadFile XlaHostCompute"
).split()


def graphs(function):
    """The graph of a concrete function, and those of all that it calls."""
    definition = function.graph.as_graph_def(add_shapes=True)
    yield "step", definition.node
    for inner in definition.library.function:
        yield inner.signature.name, inner.node_def


@pytest.mark.slow
@pytest.mark.parametrize("decoupled", [False, True])
def test_the_step_compiles_whole_with_static_shapes_and_no_host(decoupled):
    import tensorflow as tf

    def trained(accumulate_steps, jit_compile):
        keras.utils.set_random_seed(0)
        options = {"learning_rate": 1e-2, "decoupled_training": decoupled}
        model = tiny.pretrainer(optimizer_config=options | {"warmup_steps": 2})
        model.compile(
            accumulate_steps=accumulate_steps, jit_compile=jit_compile
        )
        return model

    batch = tiny.batch(rows=8)
    batch["sampled_ids"] = batch["mask_ids"][:, ::-1].copy()
    compiled, plain = trained(2, True), trained(1, False)
    step = tf.function(compiled.train_step, jit_compile=True)
    constants = {k: tf.convert_to_tensor(v) for k, v in batch.items()}
    for _ in range(2):
        logs = step(constants)
        plain.reset_metrics()
        expected = plain.train_on_batch(batch, return_dict=True)
        compiled.reset_metrics()
    assert float(logs["loss"]) == pytest.approx(
        float(expected["loss"]), rel=1e-4
    )
    # One program for one shape of batch.
    assert step.experimental_get_tracing_count() == 1
    function = step.get_concrete_function(constants)
    seen, checked = set(), 0
    for name, nodes in graphs(function):
        for node in nodes:
            seen.add(node.op)
            for shape in node.attr["_output_shapes"].list.shape:
                assert not shape.unknown_rank, (name, node.name)
                sizes = [d.size for d in shape.dim]
                assert all(size >= 0 for size in sizes), (name, node.name)
                checked += name != "step"
    # The parts of the batch, and a body for the layers, are functions.
    assert checked > 1000
    assert not seen & set(OF_THE_HOST)
    text = step.experimental_get_compiler_ir(constants)(stage="hlo")
    for word in ("infeed", "outfeed", "send(", "recv(", "<=", "custom-call"):
        assert word not in text, word
    assert "while(" in text and np.isfinite(float(logs["loss"]))
