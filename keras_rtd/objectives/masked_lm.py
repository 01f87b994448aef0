"""Objectives in which the encoder itself predicts tokens."""

from typing import Any

from keras import ops

from keras_rtd.kernels.gather import gather_positions
from keras_rtd.objectives.base import real_tokens
from keras_rtd.objectives.corruption import Corruption
from keras_rtd.objectives.detection import Detection
from keras_rtd.objectives.electra import Electra
from keras_rtd.objectives.losses import copy_or_correct_nll
from keras_rtd.objectives.prediction import Prediction
from keras_rtd.objectives.prediction import WeightedPrediction
from keras_rtd.objectives.prediction import predict_masked
from keras_rtd.objectives.registry import register
from keras_rtd.objectives.term_metrics import PredictionMetrics
from keras_rtd.utils.setting import setting
from keras_rtd.utils.types import Batch
from keras_rtd.utils.types import Tensor


@register
class MaskedLM(Prediction):
    """Masked language modelling, as BERT is trained: no generator.

    The encoder reads the text with [MASK] and predicts the masked tokens. It
    has no options.
    """

    name = "mlm"

    def tasks(self) -> dict[str, tuple[str, str]]:
        return {"masked_lm": ("backbone", "encoder_lm_head")}

    def forward(
        self,
        model: Any,
        batch: Batch,
        seed: Any,
        step: Tensor,
        training: bool | None = None,
    ) -> Batch:
        encoded = model.encode(batch, batch["masked_token_ids"], training)
        return predict_masked(model, batch, encoded)

    def term_weights(self) -> dict[str, float]:
        return {"masked_lm": 1.0}


@register
class ReplaceMLM(WeightedPrediction, Corruption):
    """Masked language modelling on text without [MASK] (paper §3.4).

    The encoder reads the generator's samples in place of [MASK], and predicts
    the original tokens at the masked positions. Loss = generator_weight *
    generator's + masked_lm_weight * encoder's.
    """

    name = "replace_mlm"

    def encode_corrupted(
        self,
        model: Any,
        batch: Batch,
        outputs: dict[str, Tensor],
        training: bool | None = None,
    ) -> dict[str, Tensor]:
        encoded = model.encode(batch, outputs["corrupted_token_ids"], training)
        return predict_masked(model, batch, encoded)


@register
class AllTokensMLM(Prediction, Detection, Corruption):
    """The encoder predicts every token, with a copy mechanism (paper §3.4).

    It reads the generator's samples in place of [MASK], and gives the token it
    reads the probability D + (1 - D) * softmax, every other one (1 - D) *
    softmax. D is its detection head's probability of "original": that head is
    trained by this loss alone, and its figures are reported as a
    detector's. Loss = generator_weight * generator's + all_tokens_weight *
    mean over all real tokens. The paper does not say how it weighed the two;
    7, about one over the usual mask rate, gives masked tokens the weight they
    have in `ReplaceMLM`.
    """

    name = "all_tokens_mlm"

    all_tokens_weight: float = setting(
        7.0, "Weight of the encoder's loss over all tokens.", at_least=0
    )

    def predicted_share(self, masked_share: float) -> float:
        return 1.0

    def encode_corrupted(
        self,
        model: Any,
        batch: Batch,
        outputs: dict[str, Tensor],
        training: bool | None = None,
    ) -> dict[str, Tensor]:
        shown = outputs["corrupted_token_ids"]
        encoded = model.encode(batch, shown, training)
        head = model.encoder_lm_head
        features = head.features(encoded)
        targets = ops.cast(batch["token_ids"], "int32")
        logits = model.detection_head(encoded, batch.get("document_ids"))
        nll, predicted = copy_or_correct(head, features, targets, shown, logits)
        positions = ops.cast(batch["mask_positions"], "int32")
        return {
            "discriminator_logits": logits,
            "encoder_features": gather_positions(features, positions),
            "encoder_nll": ops.take_along_axis(nll, positions, axis=1),
            "encoder_ids": ops.take_along_axis(predicted, positions, axis=1),
            "token_nll": nll,
            "token_ids": predicted,
        }

    def weights(self, batch: Batch) -> dict[str, Tensor]:
        return {**super().weights(batch), "all_tokens": real_tokens(batch)}

    def terms(
        self, batch: Batch, outputs: dict[str, Tensor]
    ) -> dict[str, dict[str, Tensor]]:
        return {
            **super().terms(batch, outputs),
            "all_tokens": {
                "loss": outputs["token_nll"],
                "predicted": outputs["token_ids"],
                "targets": ops.cast(batch["token_ids"], "int32"),
            },
        }

    def term_weights(self) -> dict[str, float]:
        return {**super().term_weights(), "all_tokens": self.all_tokens_weight}

    def metrics(self) -> list[Any]:
        return [*super().metrics(), PredictionMetrics("all_tokens")]


@register
class CorrectiveLM(WeightedPrediction, Electra):
    """Detection, and correction at the masked positions (COCO-LM's).

    ELECTRA's loss, and the negative log-likelihood of the original token at
    the masked positions under D * [it is what stands there] + (1 - D) *
    softmax, where D is the detection head's probability of "original",
    without gradient to it. Source: https://arxiv.org/abs/2102.08473, §3.1;
    its contrastive task is not here.
    """

    name = "clm_masked"

    def encode_corrupted(
        self,
        model: Any,
        batch: Batch,
        outputs: dict[str, Tensor],
        training: bool | None = None,
    ) -> dict[str, Tensor]:
        shown = outputs["corrupted_token_ids"]
        encoded = model.encode(batch, shown, training)
        logits = model.detection_head(encoded, batch.get("document_ids"))
        positions = ops.cast(batch["mask_positions"], "int32")
        head = model.encoder_lm_head
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
            "discriminator_logits": logits,
            "encoder_features": features,
            "encoder_nll": nll,
            "encoder_ids": predicted,
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
