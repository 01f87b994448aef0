"""Electric: an energy for every token, learned from noise."""

import math
from typing import Any

from keras import ops

from keras_rtd.kernels.gather import gather_positions
from keras_rtd.layers.two_tower import ElectraTwoTowerGenerator
from keras_rtd.objectives.base import masked_lm_head_flops
from keras_rtd.objectives.base import real_tokens
from keras_rtd.objectives.corruption import Corruption
from keras_rtd.objectives.detection import WeightedDetection
from keras_rtd.objectives.losses import masked_tokens
from keras_rtd.objectives.registry import register
from keras_rtd.objectives.replacement import replaced_text
from keras_rtd.objectives.term_metrics import PredictionMetrics
from keras_rtd.tokenizers.base import Tokenizer
from keras_rtd.utils.setting import SettingError
from keras_rtd.utils.setting import setting
from keras_rtd.utils.types import Batch
from keras_rtd.utils.types import Tensor


@register
class Electric(WeightedDetection, Corruption):
    """Noise-contrastive estimation of a cloze model.

    https://aclanthology.org/2020.emnlp-main.20; reference run_pretraining.py
    with `electric_objective`. A two-tower generator gives the distribution q
    of every token from what stands left and right of it, in one pass over the
    whole text, and samples the noise at the masked positions. The encoder's
    detection head gives an energy, and energy + log q + log(mask_rate / (1 -
    mask_rate)) is the logit of "this token is noise"; a sample that happens to
    be the original token is noise too. Loss = generator_weight * that of the
    generator over all tokens that may be masked + discriminator_weight *
    binary cross-entropy of all real tokens.

    The energy is about -log p(token | context): what a detector of this
    objective gives ranks tokens, but is no calibrated probability. In a row
    without masks, whose replacements were given, the logits are the bare
    energies.

    The estimate is right only for samples from q itself: with a temperature
    of 1 and right tokens allowed, the defaults.
    """

    name = "electric"
    tokenizer_options = ("special_ids",)

    mask_rate: float = setting(
        0.15,
        "Share of noise that the logits assume: the mask rate of the data.",
        flag=False,
        above=0,
        below=1,
    )
    special_ids: list[int] | None = setting(
        None,
        "Ids of the tokens that are never masked (default the tokenizer's "
        "[CLS], [SEP] and [MASK]).",
        flag=False,
    )

    def __post_init__(self):
        super().__post_init__()
        if self.unigram_warmup_steps:
            raise SettingError(
                "unigram_warmup_steps",
                "0: electric learns from the generator's samples alone",
                self.unigram_warmup_steps,
            )
        if self.frozen_generator:
            raise SettingError(
                "frozen_generator",
                "False: electric learns its generator's q along with the "
                "energies",
                True,
            )
        self._given_special_ids = self.special_ids

    def set_tokenizer(self, tokenizer: Tokenizer) -> None:
        if self._given_special_ids is None:
            self.special_ids = [
                tokenizer.cls_token_id,
                tokenizer.sep_token_id,
                tokenizer.mask_token_id,
            ]

    def get_config(self) -> dict[str, Any]:
        # The tokenizer's are read from the tokenizer again.
        return {**super().get_config(), "special_ids": self._given_special_ids}

    # === Models ===

    @classmethod
    def generator_class(cls, encoder_class: type) -> type | None:
        return ElectraTwoTowerGenerator

    def generator_width(self, generator: Any) -> int:
        return 2 * generator.hidden_dim

    def tasks(self) -> dict[str, tuple[str, str]]:
        # A two-tower generator is no encoder that reads [MASK].
        found = super().tasks()
        del found["masked_lm"]
        return found

    def generator_flops(
        self, model: Any, sequence_length: int, masked_share: float
    ) -> float:
        generator = model.generator
        towers = 2 * generator.flops_per_token(sequence_length)
        width = self.generator_width(generator)
        return towers + masked_lm_head_flops(generator, width)

    # === Training step ===

    def generator_inputs(
        self, batch: Batch
    ) -> tuple[Tensor, Tensor, Tensor] | None:
        token_ids = ops.cast(batch["token_ids"], "int32")
        return token_ids, None, token_ids

    def corrupt(
        self,
        model: Any,
        batch: Batch,
        seed: Any,
        step: Tensor,
        training: bool | None = None,
    ) -> dict[str, Tensor]:
        token_ids = ops.cast(batch["token_ids"], "int32")
        positions = ops.cast(batch["mask_positions"], "int32")
        head = model.masked_lm_head
        features = head.features(
            model.generator_encode(batch, token_ids, training)
        )
        nll, sampled, best = head.score(features, token_ids, seed)
        at_slots = gather_positions(features, positions)
        if "sampled_ids" in batch:
            sampled = ops.cast(batch["sampled_ids"], "int32")
        elif self.changes_samples:
            sampled = self.sample(batch, head.logits(at_slots), seed, step)
        else:
            sampled = ops.take_along_axis(sampled, positions, axis=1)
        shown = replaced_text(batch, sampled)
        # Of the token shown, from that of the original.
        log_q = head.logits_of(features, shown)
        log_q = log_q - head.logits_of(features, token_ids) - nll
        masked = masked_tokens(batch)
        odds = math.log(self.mask_rate / (1.0 - self.mask_rate))
        noisy = ops.max(masked, axis=-1, keepdims=True)
        return {
            "generator_features": at_slots,
            "generator_nll": ops.take_along_axis(nll, positions, axis=1),
            "predicted_ids": ops.take_along_axis(best, positions, axis=1),
            "cloze_nll": nll,
            "cloze_ids": best,
            "sampled_ids": sampled,
            "corrupted_token_ids": shown,
            "is_replaced": ops.logical_and(
                ops.logical_or(masked > 0, ops.not_equal(shown, token_ids)),
                ops.cast(batch["padding_mask"], "bool"),
            ),
            "noise_logits": noisy * (ops.stop_gradient(log_q) + odds),
        }

    def encode_corrupted(
        self,
        model: Any,
        batch: Batch,
        outputs: dict[str, Tensor],
        training: bool | None = None,
    ) -> dict[str, Tensor]:
        encoded = model.encode(batch, outputs["corrupted_token_ids"], training)
        energies = model.detection_head(encoded, batch.get("document_ids"))
        return {"discriminator_logits": energies + outputs["noise_logits"]}

    def weights(self, batch: Batch) -> dict[str, Tensor]:
        if self.special_ids is None:
            raise ValueError(
                "electric must know which tokens are never masked: give the "
                "pretrainer a preprocessor, or objective_config="
                '{"special_ids": [CLS, SEP, MASK]} with their ids.'
            )
        candidates = real_tokens(batch)
        for special in self.special_ids:
            other = ops.not_equal(batch["token_ids"], special)
            candidates = candidates * ops.cast(other, "float32")
        return {**super().weights(batch), "cloze": candidates}

    def generator_terms(
        self, batch: Batch, outputs: dict[str, Tensor]
    ) -> dict[str, dict[str, Tensor]]:
        return {
            **super().generator_terms(batch, outputs),
            "cloze": {
                "loss": outputs["cloze_nll"],
                "predicted": outputs["cloze_ids"],
                "targets": ops.cast(batch["token_ids"], "int32"),
            },
        }

    def term_weights(self) -> dict[str, float]:
        return {
            "cloze": self.generator_weight,
            "discriminator": self.discriminator_weight,
        }

    def metrics(self) -> list[Any]:
        return [*super().metrics(), PredictionMetrics("cloze")]
