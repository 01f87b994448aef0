"""`keras.distribution`: XLA divides one program among the devices."""

import os

import jax
import keras

from keras_rtd.training.strategy import Strategy
from keras_rtd.training.strategy import StrategyError

# Set by the launchers of several processes that JAX knows by itself, and by
# hand where there is none.
COORDINATOR = "JAX_COORDINATOR_ADDRESS"


class DataParallel(Strategy):
    """Every device has all weights and a part of the batch."""

    name = "data_parallel"
    lost_errors = (jax.errors.JaxRuntimeError,)

    def __init__(self, **options):
        super().__init__()
        _connect()
        self.worker, self.workers = jax.process_index(), jax.process_count()
        self.distribution = self._distribution(**options)
        self.replicas = self.distribution.num_model_replicas
        # Global: what is made from now on is divided.
        keras.distribution.set_distribution(self.distribution)

    def _distribution(self, **options):
        return keras.distribution.DataParallel(
            devices=jax.devices(), auto_shard_dataset=False
        )

    def devices(self):
        kind = jax.devices()[0].device_kind
        hosts = f" of {self.workers} hosts" if self.workers > 1 else ""
        return f"{jax.device_count()} {kind} devices{hosts}"

    def close(self):
        keras.distribution.set_distribution(None)


class ModelParallel(DataParallel):
    """Weights divided over `model_devices`, the batch over the rest."""

    name = "model_parallel"

    def _distribution(self, model_devices=None, **options):
        count = jax.device_count()
        if model_devices is None:
            model_devices = count
        if model_devices < 1 or count % model_devices:
            raise StrategyError(
                f"`model_devices` must divide the {count} devices. "
                f"Received: {model_devices}"
            )
        mesh = keras.distribution.DeviceMesh(
            shape=(count // model_devices, model_devices),
            axis_names=("batch", "model"),
            devices=jax.devices(),
        )
        return keras.distribution.ModelParallel(
            layout_map=layout_map(mesh),
            batch_dim_name="batch",
            auto_shard_dataset=False,
        )


def layout_map(mesh):
    """Which weights the axis `"model"` of a mesh divides, and how.

    Heads and inner units are divided in the first kernel of each pair and
    come together in the second, so that a layer adds up twice (Megatron-LM,
    section 3); tokens of the vocabulary are divided by rows.
    """
    layout = keras.distribution.LayoutMap(mesh)
    layout[".*token_embedding"] = ("model", None)
    for name in ("query", "key", "value", "gate", "intermediate"):
        layout[f".*transformer_layer_.*/{name}/kernel"] = (None, "model")
        layout[f".*transformer_layer_.*/{name}/bias"] = ("model",)
    for name in ("attention_output", "output_dense"):
        layout[f".*transformer_layer_.*/{name}/kernel"] = ("model", None)
    return layout


def _connect():
    """Join the other processes, if there are any."""
    if COORDINATOR not in os.environ or jax.distributed.is_initialized():
        return
    try:
        jax.distributed.initialize(
            coordinator_address=os.environ[COORDINATOR],
            num_processes=int(os.environ["JAX_NUM_PROCESSES"]),
            process_id=int(os.environ["JAX_PROCESS_ID"]),
        )
    except (KeyError, ValueError) as e:
        raise StrategyError(
            f"With {COORDINATOR}, every process also needs JAX_NUM_PROCESSES "
            f"and its own JAX_PROCESS_ID. Missing or not a number: {e}"
        ) from e
