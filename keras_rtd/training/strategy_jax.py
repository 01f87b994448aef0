"""`keras.distribution`: XLA divides one program among the devices."""

import contextlib
import os

import jax
import keras
from jax.experimental import multihost_utils

from keras_rtd.training.strategy import TENSOR_PARALLEL
from keras_rtd.training.strategy import Strategy
from keras_rtd.training.strategy import StrategyError
from keras_rtd.utils import tpu

# Of process 0; "auto" where JAX knows the launcher: Slurm, Open MPI, Cloud TPU.
COORDINATOR = "JAX_COORDINATOR_ADDRESS"
# Seconds after which a silent process is given up, and for which those that
# are done wait for the one that writes a run's results.
TIMEOUTS = {"heartbeat_timeout_seconds": 30, "shutdown_timeout_seconds": 3600}


class DataParallel(Strategy):
    """Every device has all weights and a part of the batch."""

    name = "data_parallel"
    lost_errors = (jax.errors.JaxRuntimeError,)

    def __init__(self, **options):
        super().__init__()
        self._connect()
        self.used = self._devices()
        self.worker, self.workers = jax.process_index(), jax.process_count()
        self.distribution = self._distribution(**options)
        self.replicas = self.distribution.num_model_replicas
        # Global: what is made from now on is divided.
        keras.distribution.set_distribution(self.distribution)

    def _connect(self):
        connect()

    def _devices(self):
        return jax.devices()

    def _distribution(self, **options):
        return keras.distribution.DataParallel(
            devices=self.used, auto_shard_dataset=False
        )

    def batches(self, batches):
        rows = len(batches[0]["token_ids"]) // self.workers
        mine = slice(self.worker * rows, (self.worker + 1) * rows)
        return super().batches(
            [{k: v[mine] for k, v in batch.items()} for batch in batches]
        )

    def any(self, flag):
        if self.workers == 1:
            return bool(flag)
        return bool(multihost_utils.process_allgather(flag).any())

    def devices(self):
        kind = self.used[0].device_kind
        hosts = f" of {self.workers} hosts" if self.workers > 1 else ""
        return f"{len(self.used)} {kind} devices{hosts}"

    @contextlib.contextmanager
    def alone(self):
        # Otherwise any new variable is laid out over all processes, and JAX
        # waits for the others to compare its value. Saving makes some.
        keras.distribution.set_distribution(None)
        try:
            yield
        finally:
            keras.distribution.set_distribution(self.distribution)

    def close(self):
        keras.distribution.set_distribution(None)


class Tpu(DataParallel):
    """Data parallelism over all TPU devices of all hosts of a slice."""

    name = "tpu"

    def _connect(self):
        if COORDINATOR in os.environ or jax.distributed.is_initialized():
            return connect()
        try:
            # Of a slice, JAX knows the hosts by itself.
            jax.distributed.initialize(**TIMEOUTS)
        except (ValueError, RuntimeError, OSError, ImportError) as e:
            hosts = os.environ.get("TPU_WORKER_HOSTNAMES", "").split(",")
            if len(hosts) > 1:
                raise StrategyError(
                    f"The {len(hosts)} hosts of this TPU did not connect: {e}. "
                    "Start the same command on all of them."
                ) from e
            # Colab, Kaggle: one host, which no launcher knows of.

    def _devices(self):
        try:
            return jax.devices("tpu")
        except RuntimeError as e:
            raise StrategyError(
                "JAX finds no TPU on this machine "
                f"({' '.join(str(e).split())}). On a Cloud TPU VM, install "
                "keras_rtd[jax-tpu] in an environment of its own, and end "
                "other programs that use the TPU."
            ) from e


class ModelParallel(DataParallel):
    """Weights divided over `model_devices`, the batch over the rest."""

    name = "model_parallel"

    def _distribution(self, model_devices=None, **options):
        count = jax.device_count()
        if self.workers > 1:
            # Checkpoints and presets are written by one process, which would
            # have to gather every weight from the others.
            raise StrategyError(
                "The strategy 'model_parallel' divides weights among the "
                f"devices of one process. Here are {self.workers}: use "
                "--strategy=data_parallel, with --accumulate_steps and --remat "
                "where memory is short."
            )
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

    The families say how their layers are divided; tokens of the vocabulary
    are divided by rows.
    """
    layout = keras.distribution.LayoutMap(mesh)
    layout[".*token_embedding"] = ("model", None)
    for name, (kernel, bias) in TENSOR_PARALLEL.items():
        layout[f".*transformer_layer_.*/{name}/kernel"] = kernel
        if bias is not None:
            layout[f".*transformer_layer_.*/{name}/bias"] = bias
    return layout


def automatic():
    """Name of the strategy that uses all there is."""
    if tpu.is_attached() and tpu.is_jaxs():
        return "tpu"
    connect()
    if jax.process_count() > 1:
        return "data_parallel"
    devices = jax.devices()
    several = len(devices) > 1 and devices[0].platform != "cpu"
    return "data_parallel" if several else "single"


def connect():
    """Join the other processes, if there are any."""
    if COORDINATOR not in os.environ or jax.distributed.is_initialized():
        return
    if os.environ[COORDINATOR] == "auto":
        # JAX would take it for the address.
        del os.environ[COORDINATOR]
        try:
            jax.distributed.initialize(**TIMEOUTS)
        except ValueError as e:
            raise StrategyError(
                f"{COORDINATOR}=auto, but JAX sees no launcher that it knows: "
                "give the address of process 0, JAX_NUM_PROCESSES and "
                f"JAX_PROCESS_ID. ({e})"
            ) from e
        return
    try:
        jax.distributed.initialize(
            coordinator_address=os.environ[COORDINATOR],
            num_processes=int(os.environ["JAX_NUM_PROCESSES"]),
            process_id=int(os.environ["JAX_PROCESS_ID"]),
            **TIMEOUTS,
        )
    except (KeyError, ValueError) as e:
        raise StrategyError(
            f"With {COORDINATOR}, every process also needs JAX_NUM_PROCESSES "
            f"and its own JAX_PROCESS_ID. Missing or not a number: {e}"
        ) from e
