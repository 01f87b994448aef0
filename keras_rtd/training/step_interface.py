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


class Passes:
    """Which pass of decoupled training has the gradients of which variables.

    Attributes:
        first: list of the generator's trainable variables.
        second: list of all other trainable ones.
        read: list of those of the first that the second pass computes with.

    Args:
        first: see above.
        trainable: list of all trainable variables.
        read: see above.
    """

    def __init__(self, first, trainable, read):
        ids = {id(v) for v in first}
        self.first, self.read = list(first), list(read)
        self.second = [v for v in trainable if id(v) not in ids]
        self._order = [id(v) for v in trainable]

    def in_order(self, of_first, of_second):
        """Gradients of both passes in the order of all variables, a list."""
        ids = map(id, [*self.first, *self.second])
        by_id = dict(zip(ids, [*of_first, *of_second], strict=True))
        return [by_id[i] for i in self._order]


class StepInterface:
    """Declares; a `keras.Model` and its subclass define.

    In *decoupled* training the gradients of a step are made in two passes: the
    generator's; and the encoder's, with the values that the generator's
    variables will have after this step's update. One update applies both, so
    that a step is skipped, counted and saved as a whole.
    """

    # Micro-batches of a step, one after the other.
    accumulate_steps = 1
    # `None` in joint training.
    passes: Any = None
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

    @property
    def decoupled(self) -> bool:
        """Whether the encoder reads what the generator's update leaves."""
        return self.passes is not None

    def decouple(self, optimizer: Any) -> None:
        """Set `passes`, as the optimizer wants it.

        Raises:
            ValueError: an objective whose forward pass is not in two parts, or
                an optimizer that does not update at every step.
        """
        self.passes = None
        first = self.trained_by_generator
        if not (first and getattr(optimizer, "decoupled_training", False)):
            return
        if not hasattr(self.objective, "encode_corrupted"):
            raise ValueError(
                f"The objective {self.objective.name!r} cannot be trained with "
                "decoupled_training=True: it has no `corrupt` and "
                "`encode_corrupted`."
            )
        if optimizer.gradient_accumulation_steps:
            raise ValueError(
                "decoupled_training=True needs an update at every step: use "
                "`compile(accumulate_steps=…)` in place of the optimizer's "
                "gradient_accumulation_steps="
                f"{optimizer.gradient_accumulation_steps}."
            )
        self.passes = Passes(
            first, self.trainable_variables, self.read_by_encoder
        )

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
        """Values of `passes.read` after the generator's update.

        Args:
            gradients: list of tensors, those of the generator's pass, of the
                scaled loss of the whole batch.
        """
        scale = self.optimizer.scale_loss(ops.ones(()))
        inner = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        return inner.preview(
            [ops.cast(g, "float32") / scale for g in gradients],
            self.passes.first,
            self.passes.read,
        )

    @contextlib.contextmanager
    def with_values(self, values: list[Tensor]) -> Iterator[None]:
        """A context in which `passes.read` have these values. What is assigned
        to other variables holds afterwards."""
        mapping = list(zip(self.passes.read, values))
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
