"""What an objective is."""

import dataclasses
from typing import ClassVar

from keras import ops

from keras_rtd.objectives.losses import mean
from keras_rtd.utils import replicas


@dataclasses.dataclass(kw_only=True, eq=False)
class Objective:
    """What is corrupted, what is predicted, how the losses combine.

    A subclass is a dataclass whose fields are its options. It names *parts*:
    predictions that have a loss, each over positions of its own. Everything
    else (pretrainer, step, metrics, recipes, export) asks for the attributes
    below and knows no objective by name.

    Attributes:
        name: string, what `objective=` and `--objective` take.
        generator: `"masked_lm"` (a small masked language model), `"two_tower"`
            (one reads from the left, one from the right), or `None`.
        has_detector: whether the encoder says of each token whether it was
            replaced. Its part is called `discriminator`.
        trains_detector: whether the discriminator's own loss is in the one
            that is trained on.
        detects_all_tokens: whether detection's weights are those of all real
            tokens, so that its labels say how many tokens were replaced.
        encoder_predicts: `"masked"`, `"all"` or `None`: at which positions the
            encoder itself predicts tokens.
        token_parts: names of the parts that predict tokens.
        frozen_generator: whether the generator only draws, and does not learn.
    """

    name: ClassVar[str] = ""
    generator: ClassVar[str | None] = None
    has_detector: ClassVar[bool] = False
    trains_detector: ClassVar[bool] = False
    detects_all_tokens: ClassVar[bool] = False
    encoder_predicts: ClassVar[str | None] = None
    token_parts: ClassVar[tuple[str, ...]] = ()
    # Not a field: objectives with a generator make it one.
    frozen_generator = False

    @property
    def predicting_parts(self):
        """Those of `token_parts` that this objective has with its options."""
        return self.token_parts

    @property
    def best_metric(self):
        """The metric of an evaluation by which checkpoints are compared."""
        return "probe_auc" if self.has_detector else "val_masked_lm_accuracy"

    def forward(self, networks, batch, seed, step, training=None):
        """Corrupt and predict.

        Args:
            networks: `ElectraPretrainer`, of which `generator_encode`,
                `masked_lm_head`, `encode`, `detection_head` and
                `encoder_lm_head` are used.
            batch: dict of tensors, see `ElectraPretrainer`. `sampled_ids` or
                `corrupted_token_ids` in it are used as they stand.
            seed: `keras.random.SeedGenerator` of the draw.
            step: int32 scalar, training steps done.
            training: bool or `None`.

        Returns:
            dict of tensors: what `ElectraPretrainer` returns, with
            `generator_features` and `encoder_features` (of the masked
            positions) in place of the logits that the heads make of them,
            and what `parts` needs beside it.
        """
        raise NotImplementedError

    def weights(self, batch):
        """How much each position counts in each part.

        Returns:
            dict of part to float32 (batch, count) or (batch, length). They
            depend on the batch alone, so that the loss of a part of a batch
            can be divided by counts of the whole.
        """
        raise NotImplementedError

    def parts(self, batch, outputs):
        """Loss of each position, and what its metrics need.

        Returns:
            dict of part, as in `weights`, to a dict of tensors of the shape
            of its weights. Of a part that predicts tokens: `loss`,
            `predicted` and `targets`, and `drawn` where tokens are drawn from
            it. Of `discriminator`: `loss`, `logits` and `labels`.
        """
        raise NotImplementedError

    def combine(self, losses):
        """The loss that is trained on.

        Args:
            losses: dict of part to its mean loss.
        """
        raise NotImplementedError

    def counts(self, batch):
        """What `loss` divides by: the sums of all weights, of all replicas.

        Returns:
            list of float32 scalars, in the order of `weights`.
        """
        return replicas.total(
            [ops.sum(w) for w in self.weights(batch).values()]
        )

    def loss(self, batch, outputs, counts=None):
        """The combined loss and what it is made of.

        Args:
            batch: the input dict.
            outputs: what `forward` returned.
            counts: what `counts` returns for the whole batch, where `batch`
                is a part of it. Defaults to those of `batch`.

        Returns:
            (loss, parts): a float32 scalar, and what `parts` returns. Counts
            are those of all replicas and parts of a batch, so that the losses
            and gradients of all add up to those of the whole batch.
        """
        if counts is None:
            counts = self.counts(batch)
        parts = self.parts(batch, outputs)
        losses = {
            name: mean(ops.sum(parts[name]["loss"] * weights), count)
            for (name, weights), count in zip(
                self.weights(batch).items(), counts, strict=True
            )
        }
        return self.combine(losses), parts

    def set_unigram(self, probabilities):
        """Tell the corpus's word frequencies; ignored unless needed.

        Args:
            probabilities: float (vocabulary_size,), sum 1.
        """

    def set_tokenizer(self, tokenizer):
        """Tell the tokenizer; ignored unless needed."""

    def get_config(self):
        """The options, as JSON can hold them."""
        return dataclasses.asdict(self)


def real_tokens(batch):
    """float32 (batch, length): 1 for real tokens."""
    return ops.cast(batch["padding_mask"], "float32")


def masked_slots(batch):
    """float32 (batch, count): how often each slot counts."""
    return ops.cast(batch["mask_weights"], "float32")
