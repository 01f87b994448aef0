"""What objectives in which the encoder predicts masked tokens share."""

import dataclasses

from keras import ops

from keras_rtd.objectives.base import Objective
from keras_rtd.objectives.base import masked_lm_head_flops
from keras_rtd.objectives.base import masked_slots
from keras_rtd.objectives.term_metrics import PredictionMetrics
from keras_rtd.utils.setting import setting


@dataclasses.dataclass(kw_only=True, eq=False)
class Prediction(Objective):
    """The encoder predicts the original tokens at the masked positions.

    `forward` returns `encoder_features`, `encoder_nll` float32 and
    `encoder_ids` int32 (batch, count), see `predict_masked`. The loss term
    `masked_lm` is only measured.
    """

    def make_heads(self, backbone, generator):
        heads = super().make_heads(backbone, generator)
        head = backbone.make_masked_lm_head(name="encoder_lm_head")
        return {**heads, "encoder_lm_head": head}

    def predicted_share(self, masked_share: float) -> float:
        """Share of the tokens that the head predicts, from the masked."""
        return masked_share

    def flops_per_token(
        self, model, sequence_length, num_predictions, given_samples=False
    ):
        others = super().flops_per_token(
            model, sequence_length, num_predictions, given_samples
        )
        share = self.predicted_share(num_predictions / sequence_length)
        encoder = model.backbone
        head = masked_lm_head_flops(encoder, encoder.hidden_dim)
        return others + 3.0 * share * head

    def predictions(self, model, outputs):
        logits = model.encoder_lm_head.logits(outputs["encoder_features"])
        size = model.backbone.vocabulary_size
        return {
            **super().predictions(model, outputs),
            "masked_lm_logits": logits[..., :size],
        }

    def weights(self, batch):
        return {**super().weights(batch), "masked_lm": masked_slots(batch)}

    def terms(self, batch, outputs):
        return {
            **super().terms(batch, outputs),
            "masked_lm": {
                "loss": outputs["encoder_nll"],
                "predicted": outputs["encoder_ids"],
                "targets": ops.cast(batch["mask_ids"], "int32"),
            },
        }

    def metrics(self):
        return [*super().metrics(), PredictionMetrics("masked_lm")]


@dataclasses.dataclass(kw_only=True, eq=False)
class WeightedPrediction(Prediction):
    """Prediction whose loss is trained on, with a weight."""

    masked_lm_weight: float = setting(
        1.0,
        "Weight of the encoder's own loss at the masked positions.",
        at_least=0,
    )

    def term_weights(self):
        return {**super().term_weights(), "masked_lm": self.masked_lm_weight}


def predict_masked(model, batch, encoded):
    """The encoder's prediction at the masked positions.

    Args:
        model: `ElectraPretrainer`.
        batch: dict of tensors.
        encoded: (batch, length, hidden_dim).

    Returns:
        dict of `encoder_features`, and `encoder_nll` float32 and
        `encoder_ids` int32 (batch, count).
    """
    head = model.encoder_lm_head
    features = head.features(encoded, batch["mask_positions"])
    nll, _, best = head.score(features, batch["mask_ids"])
    return {
        "encoder_features": features,
        "encoder_nll": nll,
        "encoder_ids": best,
    }
