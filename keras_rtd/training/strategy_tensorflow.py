"""`tf.distribute`: several devices, several hosts, TPUs."""

import json
import os

import numpy as np
import tensorflow as tf

from keras_rtd.data.dataset import at_step
from keras_rtd.training.strategy import Strategy
from keras_rtd.training.strategy import StrategyError
from keras_rtd.utils import tpu as tpu_of_machine


def automatic():
    """Name of the strategy that uses all there is."""
    if os.environ.get("TF_CONFIG"):
        return "multi_worker"
    if tpu_of_machine.is_attached() and tpu_of_machine.is_tensorflows():
        return "tpu"
    several = len(tf.config.list_physical_devices("GPU")) > 1
    return "mirrored" if several else "single"


class Mirrored(Strategy):
    """All devices of one host: the GPUs, or the logical CPUs."""

    name = "mirrored"

    def __init__(self, **options):
        super().__init__()
        self.engine = self._connect(**options)
        self.replicas = self.engine.num_replicas_in_sync

    def _connect(self, **options):
        kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
        names = [d.name for d in tf.config.list_logical_devices(kind)]
        return tf.distribute.MirroredStrategy(names)

    def scope(self):
        return self.engine.scope()

    def devices(self):
        kinds = {
            d.split("device:")[-1].split(":")[0]
            for d in self.engine.extended.worker_devices
        }
        return f"{self.replicas} {'/'.join(sorted(kinds))} devices"

    def dataset(self, make, batch_size):
        rows = self.per_replica(batch_size)

        def distributed(start_step):
            def of_worker(context):
                # Each device takes the next batch of its host.
                return make(
                    batch_size=rows,
                    shard=(
                        context.input_pipeline_id,
                        context.num_input_pipelines,
                    ),
                    start_step=start_step * self.local_replicas,
                )

            return self.engine.distribute_datasets_from_function(of_worker)

        return at_step(distributed, 0)

    def batches(self, batches):
        local = self.local_replicas
        first = self.worker * local

        def rows_of_devices():
            for batch in batches:
                for replica in range(first, first + local):
                    yield {
                        name: value[replica :: self.replicas]
                        for name, value in batch.items()
                    }

        rows = len(batches[0]["token_ids"])
        signature = {
            name: tf.TensorSpec(
                (self.per_replica(rows), *np.shape(value)[1:]),
                np.asarray(value).dtype,
            )
            for name, value in batches[0].items()
        }
        return self.engine.distribute_datasets_from_function(
            lambda context: tf.data.Dataset.from_generator(
                rows_of_devices, output_signature=signature
            )
        )


class MultiWorker(Mirrored):
    """All devices of several hosts; TF_CONFIG names the hosts."""

    name = "multi_worker"
    lost_errors = (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.DeadlineExceededError,
        tf.errors.InternalError,
    )

    def _connect(self, **options):
        try:
            config = json.loads(os.environ["TF_CONFIG"])
            self.workers = len(config["cluster"]["worker"])
            self.worker = config["task"]["index"]
        except (KeyError, TypeError, ValueError) as e:
            raise StrategyError(
                "The strategy 'multi_worker' needs the environment variable "
                'TF_CONFIG={"cluster": {"worker": ["host:port", ...]}, '
                '"task": {"type": "worker", "index": 0}} on every host, each '
                f"with its index. It is missing or unreadable: {e!r}"
            ) from e
        return tf.distribute.MultiWorkerMirroredStrategy()

    def devices(self):
        return f"{super().devices()} of {self.workers} hosts"

    def any(self, flag):
        with self.scope():
            total = self.engine.reduce(
                "SUM", self.engine.run(lambda: tf.constant(int(flag))), None
            )
        return bool(total)


class Tpu(Mirrored):
    """A Cloud TPU, or a slice of a pod; data from gs://."""

    name = "tpu"

    def _connect(self, tpu="", **options):
        try:
            resolver = tf.distribute.cluster_resolver.TPUClusterResolver(
                tpu=tpu or ""
            )
            tf.config.experimental_connect_to_cluster(resolver)
            tf.tpu.experimental.initialize_tpu_system(resolver)
        except (ValueError, RuntimeError, tf.errors.OpError) as e:
            install = "Run on a Cloud TPU VM, or name the TPU with --tpu."
            if not tpu_of_machine.is_tensorflows():
                install = (
                    "This TensorFlow has no TPU support: pip uninstall "
                    "tensorflow, then pip install --no-deps "
                    "tensorflow-tpu==2.20.0 and the libtpu it wants "
                    "(docs/distributed.md); or use JAX."
                )
            raise StrategyError(
                f"No TPU {tpu or 'on this machine'} was found: {e}. {install}"
            ) from e
        return tf.distribute.TPUStrategy(resolver)
