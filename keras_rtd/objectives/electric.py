"""Electric: an energy for every token, learned from noise."""

import dataclasses
import math

from keras import ops

from keras_rtd.layers.heads import gather_positions
from keras_rtd.objectives.base import masked_slots
from keras_rtd.objectives.base import real_tokens
from keras_rtd.objectives.corruption import Corruption
from keras_rtd.objectives.corruption import replaced_text
from keras_rtd.objectives.losses import detection_bce
from keras_rtd.objectives.losses import masked_tokens


@dataclasses.dataclass(kw_only=True, eq=False)
class Electric(Corruption):
    """Noise-contrastive estimation of a cloze model.

    https://aclanthology.org/2020.emnlp-main.20; reference run_pretraining.py
    with `electric_objective`. A two-tower generator gives the distribution q
    of every token from what stands left and right of it, in one pass over the
    whole text, and draws the noise at the masked positions. The encoder's
    detection head gives an energy, and energy + log q + log(mask_rate / (1 -
    mask_rate)) is the logit of "this token is noise"; a draw that happens to
    be the original token is noise too. Loss = generator_weight * that of the
    generator over all tokens that may be masked + discriminator_weight *
    binary cross-entropy of all real tokens.

    The energy is about -log p(token | context): what a detector of this
    objective gives ranks tokens, but is no calibrated probability. In a row
    without masks, whose replacements were given, the logits are the bare
    energies.

    Args:
        discriminator_weight: float. Defaults to 50.0.
        mask_rate: float. Share of noise that the logits assume, the mask rate
            of the data. Defaults to 0.15.
        special_ids: list of int or `None`. What is never masked: [CLS], [SEP]
            and [MASK]. `None` takes the tokenizer's.
        generator_weight, temperature, final_temperature, temperature_steps,
            disallow_correct: see `Corruption`. The estimate is right only for
            draws from q itself, the defaults.

    Raises:
        ValueError: `unigram_warmup_steps`, whose draws are not from q, or
            `frozen_generator`, as q is part of the loss.
    """

    name = "electric"
    generator = "two_tower"
    has_detector = True
    trains_detector = True
    detects_all_tokens = True
    token_parts = ("generator", "cloze")

    discriminator_weight: float = 50.0
    mask_rate: float = 0.15
    special_ids: list[int] | None = None

    def __post_init__(self):
        super().__post_init__()
        if self.unigram_warmup_steps:
            raise ValueError(
                "electric learns from the generator's draws alone: "
                "`unigram_warmup_steps` must be 0. "
                f"Received: {self.unigram_warmup_steps}"
            )
        if self.frozen_generator:
            raise ValueError(
                "electric learns its generator's q along with the energies: "
                "`frozen_generator` must be False."
            )
        if not 0 < self.mask_rate < 1:
            raise ValueError(
                "`mask_rate` must be between 0 and 1. "
                f"Received: {self.mask_rate}"
            )

        self._given = self.special_ids is not None

    def get_config(self):
        # The tokenizer's are not stored: another one has others.
        given = self.special_ids if self._given else None
        return {**super().get_config(), "special_ids": given}

    def set_tokenizer(self, tokenizer):
        if self._given:
            return
        self.special_ids = [
            tokenizer.cls_token_id,
            tokenizer.sep_token_id,
            tokenizer.mask_token_id,
        ]

    def forward(self, networks, batch, seed, step, training=None):
        token_ids = ops.cast(batch["token_ids"], "int32")
        positions = ops.cast(batch["mask_positions"], "int32")
        head = networks.masked_lm_head
        features = head.features(
            networks.generator_encode(batch, token_ids, training)
        )
        nll, drawn, best = head.score(features, token_ids, seed)
        at_slots = gather_positions(features, positions)
        if "sampled_ids" in batch:
            sampled = ops.cast(batch["sampled_ids"], "int32")
        elif self.changes_draws:
            sampled = self.draw(batch, head.logits(at_slots), seed, step)
        else:
            sampled = ops.take_along_axis(drawn, positions, axis=1)
        shown = replaced_text(batch, sampled)
        # Of the token shown, from that of the original.
        log_q = head.logits_of(features, shown)
        log_q = log_q - head.logits_of(features, token_ids) - nll
        energies = networks.detection_head(
            networks.encode(batch, shown, training)
        )
        masked = masked_tokens(batch)
        odds = math.log(self.mask_rate / (1.0 - self.mask_rate))
        noisy = ops.max(masked, axis=-1, keepdims=True)
        return {
            "generator_features": at_slots,
            "cloze_nll": nll,
            "cloze_ids": best,
            "sampled_ids": sampled,
            "corrupted_token_ids": shown,
            "is_replaced": ops.logical_and(
                ops.logical_or(masked > 0, ops.not_equal(shown, token_ids)),
                ops.cast(batch["padding_mask"], "bool"),
            ),
            "discriminator_logits": energies
            + noisy * (ops.stop_gradient(log_q) + odds),
        }

    def weights(self, batch):
        if self.special_ids is None:
            raise ValueError(
                "electric must know which tokens are never masked: give the "
                "pretrainer a preprocessor, or objective_config="
                '{"special_ids": [CLS, SEP, MASK]} with their ids.'
            )
        real = real_tokens(batch)
        candidates = real
        for special in self.special_ids:
            other = ops.not_equal(batch["token_ids"], special)
            candidates = candidates * ops.cast(other, "float32")
        return {
            "generator": masked_slots(batch),
            "cloze": candidates,
            "discriminator": real,
        }

    def parts(self, batch, outputs):
        logits, labels = (
            outputs["discriminator_logits"],
            outputs["is_replaced"],
        )
        every = {
            "loss": outputs["cloze_nll"],
            "predicted": outputs["cloze_ids"],
            "targets": ops.cast(batch["token_ids"], "int32"),
        }
        positions = ops.cast(batch["mask_positions"], "int32")
        return {
            "generator": {
                "drawn": outputs["sampled_ids"],
                **{
                    name: ops.take_along_axis(value, positions, axis=1)
                    for name, value in every.items()
                },
            },
            "cloze": every,
            "discriminator": {
                "loss": detection_bce(logits, labels),
                "logits": logits,
                "labels": labels,
            },
        }

    def combine(self, losses):
        return (
            self.generator_weight * losses["cloze"]
            + self.discriminator_weight * losses["discriminator"]
        )
