"""Objectives in which the encoder itself predicts tokens."""

import dataclasses

from keras import ops

from keras_rtd.layers.heads import gather_positions
from keras_rtd.objectives.base import Objective
from keras_rtd.objectives.base import masked_slots
from keras_rtd.objectives.base import real_tokens
from keras_rtd.objectives.corruption import Corruption
from keras_rtd.objectives.electra import Electra
from keras_rtd.objectives.losses import copy_or_correct_nll
from keras_rtd.objectives.losses import detection_bce


@dataclasses.dataclass(kw_only=True, eq=False)
class MaskedLM(Objective):
    """Masked language modelling, as BERT is trained: no generator.

    The encoder reads the text with [MASK] and predicts the masked tokens. It
    has no options.
    """

    name = "mlm"
    encoder_predicts = "masked"
    token_parts = ("masked_lm",)

    def forward(self, networks, batch, seed, step, training=None):
        encoded = networks.encode(batch, batch["masked_token_ids"], training)
        return predict_masked(networks, batch, encoded)

    def weights(self, batch):
        return {"masked_lm": masked_slots(batch)}

    def parts(self, batch, outputs):
        return {"masked_lm": masked_part(batch, outputs)}

    def combine(self, losses):
        return losses["masked_lm"]


@dataclasses.dataclass(kw_only=True, eq=False)
class ReplaceMLM(Corruption):
    """Masked language modelling on text without [MASK] (paper §3.4).

    The encoder reads the generator's draws in place of [MASK], and predicts
    the original tokens at the masked positions. Loss = generator_weight *
    generator's + masked_lm_weight * encoder's.

    Args:
        masked_lm_weight: float. Defaults to 1.0.
        generator_weight, temperature, final_temperature, temperature_steps,
            disallow_correct, unigram_warmup_steps, frozen_generator: see
            `Corruption`.
    """

    name = "replace_mlm"
    encoder_predicts = "masked"
    token_parts = ("generator", "masked_lm")

    masked_lm_weight: float = 1.0

    def forward(self, networks, batch, seed, step, training=None):
        outputs = self.corrupt(networks, batch, seed, step, training)
        encoded = networks.encode(
            batch, outputs["corrupted_token_ids"], training
        )
        return {**outputs, **predict_masked(networks, batch, encoded)}

    def weights(self, batch):
        return {**super().weights(batch), "masked_lm": masked_slots(batch)}

    def parts(self, batch, outputs):
        return {
            **super().parts(batch, outputs),
            "masked_lm": masked_part(batch, outputs),
        }

    def combine(self, losses):
        return (
            self.generator_term(losses)
            + self.masked_lm_weight * losses["masked_lm"]
        )


@dataclasses.dataclass(kw_only=True, eq=False)
class AllTokensMLM(Corruption):
    """The encoder predicts every token, with a copy mechanism (paper §3.4).

    It reads the generator's draws in place of [MASK], and gives the token it
    reads the probability D + (1 - D) * softmax, every other one (1 - D) *
    softmax. D is its detection head's probability of "original": that head is
    trained by this loss alone, and its figures are reported as a
    detector's. Loss = generator_weight * generator's + all_tokens_weight *
    mean over all real tokens. The paper does not say how it weighed the two.

    Args:
        all_tokens_weight: float. Defaults to 7.0, about one over the usual
            mask rate: the masked tokens then weigh what they do in
            `ReplaceMLM`.
        generator_weight, temperature, final_temperature, temperature_steps,
            disallow_correct, unigram_warmup_steps, frozen_generator: see
            `Corruption`.
    """

    name = "all_tokens_mlm"
    has_detector = True
    detects_all_tokens = True
    encoder_predicts = "all"
    token_parts = ("generator", "masked_lm", "all_tokens")

    all_tokens_weight: float = 7.0

    def forward(self, networks, batch, seed, step, training=None):
        outputs = self.corrupt(networks, batch, seed, step, training)
        shown = outputs["corrupted_token_ids"]
        encoded = networks.encode(batch, shown, training)
        head = networks.encoder_lm_head
        features = head.features(encoded)
        targets = ops.cast(batch["token_ids"], "int32")
        logits = networks.detection_head(encoded)
        nll, predicted = copy_or_correct(head, features, targets, shown, logits)
        return {
            **outputs,
            "discriminator_logits": logits,
            "encoder_features": gather_positions(
                features, batch["mask_positions"]
            ),
            "token_nll": nll,
            "token_ids": predicted,
        }

    def weights(self, batch):
        real = real_tokens(batch)
        return {
            **super().weights(batch),
            "masked_lm": masked_slots(batch),
            "all_tokens": real,
            "discriminator": real,
        }

    def parts(self, batch, outputs):
        logits, labels = (
            outputs["discriminator_logits"],
            outputs["is_replaced"],
        )
        every = {
            "loss": outputs["token_nll"],
            "predicted": outputs["token_ids"],
            "targets": ops.cast(batch["token_ids"], "int32"),
        }
        positions = ops.cast(batch["mask_positions"], "int32")
        return {
            **super().parts(batch, outputs),
            "masked_lm": {
                name: ops.take_along_axis(value, positions, axis=1)
                for name, value in every.items()
            },
            "all_tokens": every,
            "discriminator": {
                "loss": detection_bce(logits, labels),
                "logits": logits,
                "labels": labels,
            },
        }

    def combine(self, losses):
        return (
            self.generator_term(losses)
            + self.all_tokens_weight * losses["all_tokens"]
        )


@dataclasses.dataclass(kw_only=True, eq=False)
class CorrectiveLM(Electra):
    """Detection, and correction at the masked positions (COCO-LM's).

    ELECTRA's loss, and the negative log-likelihood of the original token at
    the masked positions under D * [it is what stands there] + (1 - D) *
    softmax, where D is the detection head's probability of "original",
    without gradient to it. Source: https://arxiv.org/abs/2102.08473, §3.1;
    its contrastive task is not here.

    Args:
        masked_lm_weight: float. Weight of the correction. Defaults to 1.0.
        discriminator_weight, generator_weight, temperature,
            final_temperature, temperature_steps, disallow_correct,
            unigram_warmup_steps, frozen_generator: see `Electra`.
    """

    name = "clm_masked"
    encoder_predicts = "masked"
    token_parts = ("generator", "masked_lm")

    masked_lm_weight: float = 1.0

    def forward(self, networks, batch, seed, step, training=None):
        outputs = self.corrupt(networks, batch, seed, step, training)
        shown = outputs["corrupted_token_ids"]
        encoded = networks.encode(batch, shown, training)
        logits = networks.detection_head(encoded)
        positions = ops.cast(batch["mask_positions"], "int32")
        head = networks.encoder_lm_head
        features = head.features(encoded, positions)
        here = ops.take_along_axis(ops.stop_gradient(logits), positions, axis=1)
        nll, predicted = copy_or_correct(
            head,
            features,
            ops.cast(batch["mask_ids"], "int32"),
            ops.take_along_axis(shown, positions, axis=1),
            here,
        )
        return {
            **outputs,
            "discriminator_logits": logits,
            "encoder_features": features,
            "encoder_nll": nll,
            "encoder_ids": predicted,
        }

    def weights(self, batch):
        return {**super().weights(batch), "masked_lm": masked_slots(batch)}

    def parts(self, batch, outputs):
        return {
            **super().parts(batch, outputs),
            "masked_lm": masked_part(batch, outputs),
        }

    def combine(self, losses):
        return (
            super().combine(losses)
            + self.masked_lm_weight * losses["masked_lm"]
        )


def predict_masked(networks, batch, encoded):
    """The encoder's prediction at the masked positions."""
    head = networks.encoder_lm_head
    features = head.features(encoded, batch["mask_positions"])
    nll, _, best = head.score(features, batch["mask_ids"])
    return {
        "encoder_features": features,
        "encoder_nll": nll,
        "encoder_ids": best,
    }


def masked_part(batch, outputs):
    """The part `masked_lm` of what `predict_masked` returned."""
    return {
        "loss": outputs["encoder_nll"],
        "predicted": outputs["encoder_ids"],
        "targets": ops.cast(batch["mask_ids"], "int32"),
    }


def copy_or_correct(head, features, targets, shown, logits):
    """Predictions under a copy mechanism, see `copy_or_correct_nll`.

    Args:
        head: `MaskedLMHead`.
        features: (batch, count, embedding_dim), what it made of the encoding.
        targets: int32 (batch, count), the original tokens.
        shown: int32 (batch, count), the tokens that were read.
        logits: float32 (batch, count), the detector's.

    Returns:
        (nll, predicted): float32 (batch, count) of the original tokens, and
        int32 (batch, count), the most probable ones.
    """
    nll, _, best = head.score(features, targets)
    # log p of the two candidates, from that of the target.
    known = head.logits_of(features, targets) + nll
    of_shown, of_best = (
        ops.stop_gradient(head.logits_of(features, ids) - known)
        for ids in (shown, best)
    )
    copied = copy_or_correct_nll(-of_shown, logits, ops.equal(shown, shown))
    other = copy_or_correct_nll(-of_best, logits, ops.equal(best, shown))
    return (
        copy_or_correct_nll(nll, logits, ops.equal(shown, targets)),
        ops.where(copied <= other, shown, best),
    )
