"""What an objective is."""

import dataclasses
from typing import Any
from typing import ClassVar

import numpy as np
from keras import ops

from keras_rtd.objectives.losses import mean
from keras_rtd.tokenizers.base import Tokenizer
from keras_rtd.utils import replicas
from keras_rtd.utils.setting import check_settings
from keras_rtd.utils.types import Batch
from keras_rtd.utils.types import Tensor

# Outputs of `forward` that a pretrainer returns as they are.
OUTPUTS = (
    "sampled_ids",
    "corrupted_token_ids",
    "is_replaced",
    "discriminator_logits",
)


@dataclasses.dataclass(kw_only=True, eq=False)
class Objective:
    """What is corrupted, what is predicted, how the losses combine.

    A subclass has a `name`, its options as fields, and the decorator
    `keras_rtd.objectives.register`. It must define `forward`, `weights`,
    `terms` and `term_weights`; the other methods have defaults for an
    objective that trains the encoder alone. A method that adds to its base
    class's answer calls `super()`, so that classes combine.

    A *loss term* is a prediction that has a loss at each of its positions.

    Everything else (pretrainer, training step, metrics, recipes, export) asks
    these methods, and knows no objective by name.

    Attributes:
        name: string, what `objective=` and `--objective` take.
        tokenizer_options: names of the options that belong to one tokenizer:
            with another tokenizer, a preset's values are not used.
    """

    name: ClassVar[str] = ""
    tokenizer_options: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self):
        check_settings(self)

    # === Models ===

    @classmethod
    def generator_class(cls, encoder_class: type) -> type | None:
        """Class of the generator, `None` without one.

        Args:
            encoder_class: class of the encoder. A generator of another class
                gets its registered name as the argument `encoder`.
        """
        return None

    def freezes_generator(self) -> bool:
        """Whether the generator only samples, and does not learn."""
        return False

    def make_heads(self, backbone: Any, generator: Any) -> dict[str, Any]:
        """The heads, built, with randomly initialised weights.

        Args:
            backbone: the encoder.
            generator: as `generator_class` says.

        Returns:
            dict of layers by name. Each becomes an attribute of the
            pretrainer. `masked_lm_head` is the generator's.
        """
        return {}

    def tasks(self) -> dict[str, tuple[str, str]]:
        """Models that a trained pretrainer contains.

        Returns:
            dict of `"replaced_token_detector"` and `"masked_lm"` to names of
            the pretrainer's attributes: (encoder, head).
        """
        return {}

    def has_detector(self) -> bool:
        """Whether the encoder says which tokens were replaced."""
        return "replaced_token_detector" in self.tasks()

    def flops_per_token(
        self,
        model: Any,
        sequence_length: int,
        num_predictions: int,
        given_samples: bool = False,
    ) -> float:
        """FLOPs of one token of a training step, backward = 2 x forward.

        Matrix products only, and only those that this objective computes.

        Args:
            model: `ElectraPretrainer`, or an object with its `backbone` and
                `generator`.
            sequence_length: int.
            num_predictions: int. Masked positions of a row.
            given_samples: bool. Whether batches have `sampled_ids`, for which
                a frozen generator does not run. Defaults to `False`.
        """
        return 3.0 * model.backbone.flops_per_token(sequence_length)

    # === Training step ===

    def generator_inputs(
        self, batch: Batch
    ) -> tuple[Tensor, Tensor, Tensor] | None:
        """What the generator reads and predicts in a training step.

        Returns:
            (int32 (batch, length) token ids; int32 (batch, count) positions
            of the predictions, or `None` for all; int32 ids of the right
            tokens there), or `None` where the generator does not run.
        """
        return None

    def forward(
        self,
        model: Any,
        batch: Batch,
        seed: Any,
        step: Tensor,
        training: bool | None = None,
    ) -> Batch:
        """Corrupt and predict.

        Args:
            model: `ElectraPretrainer`, with `encode`, `generator_encode` and
                the heads.
            batch: dict of tensors, see `ElectraPretrainer`. `sampled_ids` or
                `corrupted_token_ids` in it are used as they stand.
            seed: `keras.random.SeedGenerator` of the samples.
            step: int32 scalar, training steps done.
            training: bool or `None`.

        Returns:
            dict of tensors: what `terms` and `predictions` need.
        """
        raise NotImplementedError

    def predictions(
        self, model: Any, outputs: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """What the pretrainer returns, from what `forward` returned."""
        return {name: outputs[name] for name in OUTPUTS if name in outputs}

    def weights(self, batch: Batch) -> dict[str, Tensor]:
        """How much each position counts in each loss term.

        Returns:
            dict of term to float32 (batch, count) or (batch, length). They
            depend on the batch alone, so that the loss of a micro-batch can
            be divided by counts of the whole batch.
        """
        return {}

    def terms(
        self, batch: Batch, outputs: dict[str, Tensor]
    ) -> dict[str, dict[str, Tensor]]:
        """Loss of each position, and what the metrics need.

        Returns:
            dict of term to a dict of tensors of the shape of its weights:
            `loss`, and what the term's metrics read (see
            `keras_rtd.objectives.term_metrics`).
        """
        return {}

    def term_weights(self) -> dict[str, float]:
        """Weight of each term in the loss that is trained on. Terms that are
        left out are only measured."""
        return {}

    def combine(self, losses: dict[str, Tensor]) -> Tensor:
        """The loss that is trained on, from a dict of term to mean loss."""
        return sum(
            weight * losses[term]
            for term, weight in self.term_weights().items()
        )

    def counts(self, batch: Batch) -> list[Tensor]:
        """What `loss` divides by: the sums of all weights, of all replicas.

        Returns:
            list of float32 scalars, in the order of `weights`.
        """
        return replicas.total(
            [ops.sum(w) for w in self.weights(batch).values()]
        )

    def loss(
        self,
        batch: Batch,
        outputs: dict[str, Tensor],
        counts: list[Tensor] | None = None,
    ) -> tuple[Tensor, dict[str, dict[str, Tensor]]]:
        """The combined loss and what it is made of.

        Args:
            batch: the input dict.
            outputs: what `forward` returned.
            counts: what `counts` returns for the whole batch, where `batch`
                is a micro-batch of it. Defaults to those of `batch`.

        Returns:
            (loss, terms): a float32 scalar, and what `terms` returns. Counts
            are those of all replicas and micro-batches, so that the losses
            and gradients of all add up to those of the whole batch.
        """
        terms = self.terms(batch, outputs)
        losses = self.mean_losses(batch, terms, counts)
        return self.combine(losses), terms

    def mean_losses(
        self,
        batch: Batch,
        terms: dict[str, dict[str, Tensor]],
        counts: list[Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Mean loss of each of `terms`: dict of float32 scalars. See
        `loss`."""
        if counts is None:
            counts = self.counts(batch)
        weights = self.weights(batch)
        count_of = dict(zip(weights, counts, strict=True))
        return {
            name: mean(ops.sum(term["loss"] * weights[name]), count_of[name])
            for name, term in terms.items()
        }

    # === Metrics ===

    def metrics(self) -> list[Any]:
        """What is measured beside `loss` and the `TERM_loss` of each term of
        `term_weights`: objects of `keras_rtd.objectives.term_metrics`."""
        return []

    def best_metric(self) -> str:
        """The metric of an evaluation by which checkpoints are compared."""
        if self.has_detector():
            return "probe_auc"
        return "val_masked_lm_accuracy" if self.tasks() else "val_loss"

    def replaced_share(self, metrics: dict[str, float]) -> float | None:
        """Share of replaced tokens among those that the detector learns from.

        Args:
            metrics: dict of an evaluation's metrics, without `val_`.

        Returns:
            float, or `None` where no detection loss is trained on.
        """
        return None

    # === Settings ===

    def set_unigram(self, probabilities: np.ndarray) -> None:
        """Tell the corpus's word frequencies; ignored unless needed.

        Args:
            probabilities: float (vocabulary_size,), sum 1.
        """

    def set_tokenizer(self, tokenizer: Tokenizer) -> None:
        """Tell the tokenizer; ignored unless needed."""

    def get_config(self) -> dict[str, Any]:
        """The options, as JSON can hold them."""
        return dataclasses.asdict(self)


def real_tokens(batch):
    """float32 (batch, length): 1 for real tokens."""
    return ops.cast(batch["padding_mask"], "float32")


def masked_slots(batch):
    """float32 (batch, count): how often each slot counts."""
    return ops.cast(batch["mask_weights"], "float32")


def masked_lm_head_flops(encoder, width):
    """One token's prediction from a vector of this width, by a
    `MaskedLMHead` on the encoder's embeddings."""
    return 2 * encoder.embedding_dim * (width + encoder.vocabulary_size)


def detection_head_flops(encoder):
    """One token's `DetectionHead`."""
    return 2 * encoder.hidden_dim * (encoder.hidden_dim + 1)
