"""What a `TrainStep` expects of the model it is mixed into."""

import contextlib
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_rtd import kernels
from keras_rtd.utils import replicas
from keras_rtd.utils.types import Batch
from keras_rtd.utils.types import Tensor


def sync_state(model):
    """Bring into a model's variables what JAX's `fit` keeps beside them."""
    if keras.config.backend() == "jax":
        model.jax_state_sync()


def check_accumulate_steps(number):
    """Raises ValueError unless a step can be divided into so many
    micro-batches."""
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise ValueError(
            "`accumulate_steps` must be an int of at least 1. "
            f"Received: accumulate_steps={number!r}"
        )


def check_steps_per_execution(number):
    """Raise `ValueError` where so many steps cannot be one call."""
    if not isinstance(number, int) or number < 1:
        raise ValueError(
            "`steps_per_execution` must be an int of at least 1. "
            f"Received: steps_per_execution={number!r}"
        )
    if number == 1:
        return
    backend = keras.config.backend()
    if backend == "torch":
        raise ValueError(
            "PyTorch runs a step operation by operation: "
            "`steps_per_execution` is for TensorFlow and JAX. "
            f"Received: steps_per_execution={number}"
        )
    if backend == "tensorflow" and replicas.count() > 1:
        raise ValueError(
            "Under a tf.distribute strategy every step is a call of its own. "
            f"Received: steps_per_execution={number}; leave it out."
        )


class StepInterface:
    """Declares; a `keras.Model` and its subclass define."""

    # Micro-batches of a step, one after the other.
    accumulate_steps = 1
    # Steps of one call of `fit`.
    steps_per_execution: int
    step: Any
    objective: Any
    optimizer: Any
    pretraining_metrics: Any
    trainable_variables: Any
    non_trainable_variables: Any
    metrics_variables: Any
    variables: Any
    jit_compile: Any
    train_function: Any
    _get_state_sharding_spec: Any
    call: Callable[..., dict[str, Any]]
    run_objective: Callable[..., dict[str, Any]]

    def best_jit_compile(self) -> bool:
        """Whether XLA makes this backend's step faster on its devices."""
        raise NotImplementedError

    def jit_compile_of_keras(self, jit_compile: Any) -> Any:
        """What Keras is told of `jit_compile`; called before it compiles."""
        return jit_compile

    def prepare_optimizer(self, optimizer: Any) -> None:
        """Called with the optimizer when compiled, before it is built."""

    def training_scope(self) -> contextlib.AbstractContextManager[Any]:
        """A context in which layers run as in the training step."""
        return kernels.training_scope()

    def gradients(self, batch: Batch) -> list[Tensor]:
        """Gradients of the scaled loss of the whole batch, in the order of
        `trainable_variables`; called within
        `keras_rtd.training.programs.compile_function`."""
        raise NotImplementedError

    def measured_loss(
        self,
        batch: Batch,
        counts: list[Tensor] | None = None,
        training: bool | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Forward pass and loss of a batch, or of a micro-batch of it.

        Args:
            batch: dict of tensors.
            counts: the objective's `counts` of the whole batch, where `batch`
                is a micro-batch of it.
            training: bool or `None`.

        Returns:
            (loss, measured): a float32 scalar, and what the metrics add.
        """
        outputs = self.run_objective(batch, training=training)
        loss, terms = self.objective.loss(batch, outputs, counts)
        return loss, self.pretraining_metrics.measure(batch, outputs, terms)

    def micro_batches(self, batch: Batch) -> Batch:
        """The batch as dict of (rows / accumulate_steps, accumulate_steps, …).

        Micro-batch i is `[:, i]`: every n-th row, so that where devices hold
        consecutive rows each has its share of every micro-batch.

        Raises:
            ValueError: rows that the micro-batches cannot share.
        """
        number = self.accumulate_steps
        rows = batch["token_ids"].shape[0]
        if rows is not None and rows % number:
            raise ValueError(
                f"A batch's rows must be a multiple of accumulate_steps="
                f"{number}. Received {rows} rows"
            )
        return {
            name: ops.reshape(value, (-1, number, *value.shape[1:]))
            for name, value in batch.items()
        }
