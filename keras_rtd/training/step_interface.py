"""What a `TrainStep` expects of the model it is mixed into."""

import contextlib
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops

from keras_rtd import kernels
from keras_rtd.utils import replicas
from keras_rtd.utils.types import Batch
from keras_rtd.utils.types import Tensor


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
    """Declares; a `keras.Model` and its subclass define.

    In *decoupled* training the gradients of a step are made in two passes: the
    generator's; and the encoder's, with the values that the generator's
    variables will have after this step's update. One update applies both, so
    that a step is skipped, counted and saved as a whole.
    """

    # Micro-batches of a step, one after the other.
    accumulate_steps = 1
    # Whether the encoder reads what the generator's update leaves.
    decoupled = False
    # Steps of one call of `fit`.
    steps_per_execution: int
    step: Any
    objective: Any
    sampling_seed: Any
    optimizer: Any
    pretraining_metrics: Any
    trainable_variables: Any
    non_trainable_variables: Any
    metrics_variables: Any
    variables: Any
    jit_compile: Any
    train_function: Any
    _get_state_sharding_spec: Any
    trained_by_generator: Any
    read_by_encoder: Any
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
        return self._measured(batch, outputs, counts)

    def _measured(self, batch, outputs, counts):
        loss, terms = self.objective.loss(batch, outputs, counts)
        return loss, self.pretraining_metrics.measure(batch, outputs, terms)

    # === Decoupled training ===

    def decouple(self, optimizer: Any) -> None:
        """Set `decoupled`, as the optimizer wants it.

        Raises:
            ValueError: an objective whose forward pass is not in two parts.
        """
        wanted = getattr(optimizer, "decoupled_training", False)
        self.decoupled = bool(wanted and self.trained_by_generator)
        if self.decoupled and not hasattr(self.objective, "encode_corrupted"):
            raise ValueError(
                f"The objective {self.objective.name!r} cannot be trained with "
                "decoupled_training=True: it has no `corrupt` and "
                "`encode_corrupted`."
            )

    def variables_of_passes(self) -> tuple[list[Any], list[Any]]:
        """Trainable variables of the generator's pass, and all others."""
        first = self.trained_by_generator
        ids = {id(v) for v in first}
        return first, [v for v in self.trainable_variables if id(v) not in ids]

    def in_order(
        self, of_generator: list[Tensor], of_encoder: list[Tensor]
    ) -> list[Tensor]:
        """Gradients of both passes in the order of `trainable_variables`."""
        first, second = self.variables_of_passes()
        by_id = {
            id(v): g
            for v, g in zip([*first, *second], [*of_generator, *of_encoder])
        }
        return [by_id[id(v)] for v in self.trainable_variables]

    def generator_loss(
        self, batch: Batch, counts: list[Tensor] | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The generator's pass over a batch, or a micro-batch of it.

        Returns:
            (loss, outputs): a float32 scalar, and what `encoder_loss` needs,
            without gradient.
        """
        outputs = self.objective.corrupt(
            self, batch, self.sampling_seed, self.step, training=True
        )
        loss = self.objective.generator_loss(batch, outputs, counts)
        # The vectors are for logits, which no training step returns.
        outputs.pop("generator_features", None)
        return loss, {k: ops.stop_gradient(v) for k, v in outputs.items()}

    def encoder_loss(
        self,
        batch: Batch,
        outputs: dict[str, Tensor],
        counts: list[Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The encoder's pass. The loss is that of both passes, without
        gradient to the generator; see `measured_loss`."""
        found = self.objective.encode_corrupted(
            self, batch, outputs, training=True
        )
        return self._measured(batch, {**outputs, **found}, counts)

    def after_generator(self, gradients: list[Tensor]) -> list[Tensor]:
        """Values of `read_by_encoder` after the generator's update.

        Args:
            gradients: list of tensors, those of the generator's pass, of the
                scaled loss of the whole batch.
        """
        scale = self.optimizer.scale_loss(ops.ones(()))
        inner = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        return inner.preview(
            [ops.cast(g, "float32") / scale for g in gradients],
            self.trained_by_generator,
            self.read_by_encoder,
        )

    @contextlib.contextmanager
    def with_values(self, values: list[Tensor]) -> Iterator[None]:
        """A context in which `read_by_encoder` have these values. What is
        assigned to other variables holds afterwards."""
        mapping = list(zip(self.read_by_encoder, values))
        with keras.StatelessScope(state_mapping=mapping) as scope:
            yield
        for variable in self.non_trainable_variables:
            value = scope.get_current_value(variable)
            if value is not None:
                variable.assign(value)

    # === Micro-batches ===

    def micro_batches(self, batch: Batch) -> Batch:
        """The batch as dict of (rows / accumulate_steps, accumulate_steps, …).

        Micro-batch i is `[:, i]`: every n-th row, so that where devices hold
        consecutive rows each has its share of every micro-batch.

        Raises:
            ValueError: rows that the micro-batches cannot share.
        """
        number = self.accumulate_steps
        rows = next(iter(batch.values())).shape[0]
        if rows is not None and rows % number:
            raise ValueError(
                f"A batch's rows must be a multiple of accumulate_steps="
                f"{number}. Received {rows} rows"
            )
        return {
            name: ops.reshape(value, (-1, number, *value.shape[1:]))
            for name, value in batch.items()
        }
