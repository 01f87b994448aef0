"""How devices share the work of a training step.

`get_strategy` makes the one that a recipe's `--strategy` names. Whatever the
engine below, a step computes what one device would on the same global batch:
losses and metrics are sums over all rows divided by counts over all rows,
gradients are added up once, then clipped, then applied.

`auto` stands for one of the others, which the devices decide: each backend's
module has a function `automatic`.
"""

import contextlib
import importlib
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import keras

from keras_rtd.utils.types import Batch
from keras_rtd.utils.types import Dataset

# Layer of a Transformer layer -> how the axis "model" of a mesh divides its
# kernel and its bias. Filled by the families of encoders, which stand above
# this room; see `RtdBackbone.tensor_parallel`.
TENSOR_PARALLEL: dict[str, tuple[Any, Any]] = {}

# name: class in `strategy_BACKEND.py` for each backend that has it
_STRATEGIES = {
    "mirrored": {"tensorflow": "Mirrored"},
    "multi_worker": {"tensorflow": "MultiWorker"},
    "tpu": {"tensorflow": "Tpu", "jax": "Tpu"},
    "data_parallel": {"jax": "DataParallel"},
    "model_parallel": {"jax": "ModelParallel"},
    "ddp": {"torch": "Ddp"},
}
STRATEGIES = ("auto", "single", *_STRATEGIES)


class StrategyError(ValueError):
    """A strategy that cannot be used here; the message says what to do."""


class LostWorkerError(RuntimeError):
    """Another process of a run has ended, and this one cannot go on."""


def get_strategy(name: str = "single", **options: Any) -> "Strategy":
    """The strategy of a name, with its devices found and connected.

    Call it before anything else touches the devices.

    Args:
        name: string. `"auto"`: all accelerators of this host, and those of
            the other hosts where a launcher has started several processes;
            one device where there is none. `"single"`; `"mirrored"`,
            `"multi_worker"` (TensorFlow); `"tpu"` (TensorFlow, JAX);
            `"data_parallel"`, `"model_parallel"` (JAX); `"ddp"` (PyTorch,
            under torchrun). Defaults to `"single"`.
        **options: `tpu`, the name of a Cloud TPU, or `model_devices`, over
            how many devices `model_parallel` divides the weights. Others
            ignore them.

    Returns:
        `Strategy`, whose `name` is never `"auto"`.

    Raises:
        StrategyError: an unknown name, another backend's, or devices or
            environment variables that are missing.
    """
    if name not in STRATEGIES:
        raise StrategyError(
            f"`strategy` must be one of {', '.join(STRATEGIES)}. "
            f"Received: {name!r}"
        )
    backend = keras.config.backend()
    if name == "auto":
        name = _of_backend().automatic()
    if name == "single":
        return Strategy()
    classes = _STRATEGIES[name]
    if backend not in classes:
        have = [k for k, v in _STRATEGIES.items() if backend in v]
        raise StrategyError(
            f"The strategy {name!r} is {' and '.join(classes)}'s; this is "
            f"{backend}. Set KERAS_BACKEND={next(iter(classes))}, or use one "
            f"of {', '.join(['auto', 'single', *have])}."
        )
    return getattr(_of_backend(), classes[backend])(**options)


def start_processes(name):
    """Start the processes that a strategy wants and nobody has started.

    For programs, before they touch the devices: `"auto"` on PyTorch runs the
    same command once for each GPU of this host, as torchrun does.

    Args:
        name: string, as for `get_strategy`.

    Returns:
        int, the exit status of the whole run; `None` where there is nothing
        to start, and this process goes on.
    """
    if name != "auto" or keras.config.backend() != "torch":
        return None
    return _of_backend().start_processes()


def _of_backend():
    return importlib.import_module(
        f"keras_rtd.training.strategy_{keras.config.backend()}"
    )


class Strategy:
    """One process with one device, and what other strategies change.

    Attributes:
        replicas: int. Devices among which a batch is divided.
        worker: int. Number of this process.
        workers: int. How many processes there are.
    """

    name = "single"

    def __init__(self, **options: Any) -> None:
        self.replicas = 1
        self.worker = 0
        self.workers = 1

    @property
    def is_chief(self) -> bool:
        """Whether this process writes what a run writes."""
        return self.worker == 0

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """A context in which the model is made, trained and evaluated."""
        return contextlib.nullcontext()

    def devices(self) -> str:
        """A line for people: what the devices are."""
        return "one device"

    def dataset(self, make: Callable[..., Dataset], batch_size: int) -> Any:
        """What `fit` takes.

        Args:
            make: function of `batch_size`, `shard` and `start_step` that
                returns a dataset, as `keras_rtd.data.pretraining_dataset`.
            batch_size: int. Of the whole step.

        Raises:
            StrategyError: a batch that the replicas cannot share.
        """
        return make(
            batch_size=self.per_replica(batch_size) * self.local_replicas,
            shard=(self.worker, self.workers),
            start_step=0,
        )

    def batches(self, batches: Sequence[Batch]) -> Any:
        """A list of whole batches, as `evaluate` takes them.

        Args:
            batches: list of dicts of arrays, the same in every process.
        """
        return _Batches(batches)

    @property
    def local_replicas(self) -> int:
        """Devices of this process."""
        return self.replicas // self.workers

    def per_replica(self, batch_size: int) -> int:
        """Rows of a batch that one replica takes."""
        if batch_size % self.replicas:
            raise StrategyError(
                f"`batch_size` must be a multiple of the {self.replicas} "
                f"devices. Received: {batch_size}"
            )
        return batch_size // self.replicas

    def after_restore(self, model: Any) -> None:
        """Called when the model has its first or restored weights."""

    def any(self, flag: Any) -> bool:
        """Whether `flag` is true in any process."""
        return bool(flag)

    @contextlib.contextmanager
    def watch(self) -> Iterator[None]:
        """Turns what the engine raises when a process is lost into a
        `LostWorkerError`."""
        try:
            yield
        except self.lost_errors as e:
            if self.workers == 1 or not self.is_loss(e):
                raise
            raise LostWorkerError(
                f"Process {self.worker} of {self.workers} lost another one: "
                "it has ended or cannot be reached. Start all of them again "
                "with the same command: training continues from the last "
                f"checkpoint. ({type(e).__name__})"
            ) from e

    lost_errors: tuple[type[BaseException], ...] = ()

    def is_loss(self, error: BaseException) -> bool:
        """Whether one of `lost_errors` says that a process is lost."""
        return True

    def alone(self) -> contextlib.AbstractContextManager[Any]:
        """A context in which the chief does what the others do not wait for,
        such as writing results."""
        return contextlib.nullcontext()

    def close(self) -> None:
        """Leave the other processes in order."""


class _Batches(keras.utils.PyDataset):
    """A list of ready batches."""

    def __init__(self, batches):
        super().__init__()
        self.ready = batches

    def __len__(self):
        return len(self.ready)

    def __getitem__(self, index):
        return (self.ready[index],)
