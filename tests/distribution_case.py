"""One process of a small training under a strategy, for distribution_test.py.

    python tests/distribution_case.py '{"strategy": "mirrored", ...}' OUT.npz

Options: strategy, objective, optimizer, model_devices, devices (virtual CPUs
of this process, which pass for TPUs under JAX's "tpu"), steps, dropout,
given_samples (the generator's samples come with the batch), dtype, jit_compile,
overflow (step at which the last row alone gives NaN), accumulate_steps,
checkpoint (a directory to resume from and save to), kill_at (step at which the
process of `kill_worker` kills itself), decoupled.
Process 0 writes logs, weights before and after, and what the replicas drew;
beside OUT.npz, OUT.npz.weights.h5 with the averages of the weights.
"""

import json
import os
import signal
import sys

OPTIONS = {
    "strategy": "single",
    "objective": "electra",
    "optimizer": "adamw",
    "devices": 1,
    "steps": 20,
    "dropout": 0.0,
    "given_samples": True,
    "dtype": "float32",
    "model_devices": None,
    "overflow": None,
    "accumulate_steps": 1,
    "decoupled": False,
    "jit_compile": None,
    "checkpoint": None,
    "kill_at": None,
    "kill_worker": 1,
}
ROWS = 8


def set_up_devices(count):
    """Virtual devices; before TensorFlow and JAX start."""
    backend = os.environ["KERAS_BACKEND"]
    if backend == "jax":
        os.environ["XLA_FLAGS"] = (
            f"{os.environ.get('XLA_FLAGS', '')} "
            f"--xla_force_host_platform_device_count={count}"
        )
    if backend == "tensorflow" and count > 1:
        import tensorflow as tf

        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * count
        )


def call_cpus_tpus():
    """JAX's CPU devices are given to who asks for TPUs."""
    import jax

    devices = jax.devices
    jax.devices = lambda backend=None: devices(backend and "cpu")


def main(options, path):
    options = {**OPTIONS, **json.loads(options)}
    set_up_devices(options["devices"])
    import keras
    import numpy as np
    import tiny

    from keras_rtd.data.dataset import at_step
    from keras_rtd.training import Checkpoint
    from keras_rtd.training.strategy import get_strategy
    from keras_rtd.utils.hardware import fast_dtype

    if options["strategy"] == "tpu":
        call_cpus_tpus()
    strategy = get_strategy(
        options["strategy"], model_devices=options["model_devices"]
    )
    if options["dtype"] == "auto":
        options["dtype"] = fast_dtype(strategy)
    keras.utils.set_random_seed(0)
    # Slow enough that rounding noise is not amplified to chaos.
    optimizer = {
        "optimizer": options["optimizer"],
        "learning_rate": 1e-3,
        "warmup_steps": 2,
        "ema_momentum": 0.9,
        "decoupled_training": options["decoupled"],
    }
    with strategy.scope():
        model = tiny.pretrainer(
            objective=options["objective"],
            dropout=options["dropout"],
            dtype=options["dtype"],
            optimizer_config=optimizer,
        )
        model.compile(
            accumulate_steps=options["accumulate_steps"],
            jit_compile=options["jit_compile"],
        )
        if options["dtype"] == "mixed_float16":
            # So low that no step overflows by itself.
            model.optimizer.dynamic_scale.assign(1.0)
        strategy.after_restore(model)
    before = weights(model)
    steps, rows = options["steps"], []

    def batch(step):
        result = tiny.batch(step, rows=ROWS)
        if options["given_samples"]:
            result["sampled_ids"] = result["mask_ids"][:, ::-1].copy()
        if step == options["overflow"]:
            # inf / inf in this row, number / inf in the others.
            result["mask_weights"][-1] = np.inf
        return result

    def dataset(batches):
        return at_step(
            lambda start_step: strategy.batches(batches[start_step:]), 0
        )

    class Log(keras.callbacks.Callback):
        def on_train_batch_end(self, step, logs=None):
            rows.append({k: float(np.ravel(v)[0]) for k, v in logs.items()})
            model.reset_metrics()
            if (
                len(rows) == options["kill_at"]
                and strategy.worker == options["kill_worker"]
            ):
                os.kill(os.getpid(), signal.SIGKILL)

    callbacks = [Log()]
    if options["checkpoint"]:
        callbacks.append(
            Checkpoint(options["checkpoint"], every=5, writes=strategy.is_chief)
        )
    with strategy.scope(), strategy.watch():
        model.fit(
            dataset([batch(i) for i in range(steps)]),
            steps_per_epoch=steps,
            callbacks=callbacks,
            verbose=0,
        )
        with model.averaged_weights():
            averages = weights(model)
            held_out = model.evaluate(
                strategy.batches([batch(100 + i) for i in range(3)]),
                steps=3,
                verbose=0,
                return_dict=True,
            )
    with model.averaged_weights(), strategy.alone():
        if strategy.is_chief:
            model.save_weights(f"{path}.weights.h5")
    samples = replica_samples(strategy, model, tiny.batch(0, rows=2))
    if strategy.is_chief:
        scaled = hasattr(model.optimizer, "dynamic_scale")
        np.savez(
            path,
            **{f"log/{k}": [row[k] for row in rows] for k in rows[0]},
            **{f"held_out/{k}": float(v) for k, v in held_out.items()},
            **{f"before/{i}": v for i, v in enumerate(before)},
            **{f"after/{i}": v for i, v in enumerate(weights(model))},
            **{f"average/{i}": v for i, v in enumerate(averages)},
            updates=number(model.optimizer.iterations),
            scale=number(model.optimizer.dynamic_scale) if scaled else 1.0,
            samples=samples,
        )
    strategy.close()


def number(variable):
    import keras

    return float(keras.ops.convert_to_numpy(variable))


def weights(model):
    import keras
    import numpy as np

    return [
        np.array(keras.ops.convert_to_numpy(v))
        for v in model.trainable_variables
    ]


def replica_samples(strategy, model, batch):
    """(replicas, 2, length): detection logits of one batch with dropout, and
    (replicas, 2, count) samples, flat; empty where the compiler hides them."""
    import keras
    import numpy as np

    backend = keras.config.backend()
    if backend == "jax":
        return np.zeros(0)
    batch = {k: keras.ops.convert_to_tensor(v) for k, v in batch.items()}

    def forward():
        with model.training_scope():
            outputs = model.run_objective(batch, training=True)
        return keras.ops.concatenate(
            [
                keras.ops.reshape(keras.ops.cast(outputs[n], "float32"), (-1,))
                for n in ("sampled_ids", "discriminator_logits", "encoder_nll")
                if n in outputs
            ]
        )

    if backend == "tensorflow" and strategy.replicas > 1:
        import tensorflow as tf

        run = tf.function(lambda: strategy.engine.run(forward))
        local = strategy.engine.experimental_local_results(run())
        return np.stack([value.numpy() for value in local])
    mine = keras.ops.convert_to_numpy(forward())[None]
    if backend == "torch" and strategy.replicas > 1:
        import torch

        both = [torch.empty(mine.shape) for _ in range(strategy.replicas)]
        torch.distributed.all_gather(both, torch.tensor(mine))
        return np.concatenate([value.numpy() for value in both])
    return mine


if __name__ == "__main__":
    from keras_rtd.pretraining.run import run_safely

    sys.exit(run_safely(lambda: main(*sys.argv[1:])))
