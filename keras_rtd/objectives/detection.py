"""What objectives with a detector share."""

import dataclasses

from keras_rtd.objectives.base import Objective
from keras_rtd.objectives.base import detection_head_flops
from keras_rtd.objectives.base import real_tokens
from keras_rtd.objectives.losses import detection_bce
from keras_rtd.objectives.term_metrics import DetectionMetrics
from keras_rtd.utils.setting import setting
from keras_rtd.utils.types import Batch
from keras_rtd.utils.types import Tensor


@dataclasses.dataclass(kw_only=True, eq=False)
class Detection(Objective):
    """The encoder says of each token whether it was replaced.

    `forward` returns `discriminator_logits` float32 and `is_replaced` bool
    (batch, length). The loss term `discriminator`, binary cross-entropy, is
    only measured.
    """

    def make_heads(self, backbone, generator):
        heads = super().make_heads(backbone, generator)
        return {**heads, "detection_head": backbone.make_detection_head()}

    def tasks(self):
        return {
            **super().tasks(),
            "replaced_token_detector": ("backbone", "detection_head"),
        }

    def flops_per_token(
        self, model, sequence_length, num_predictions, given_samples=False
    ):
        others = super().flops_per_token(
            model, sequence_length, num_predictions, given_samples
        )
        return others + 3.0 * detection_head_flops(model.backbone)

    def detection_weights(self, batch: Batch) -> Tensor:
        """float32 (batch, length): how much each token counts."""
        return real_tokens(batch)

    def weights(self, batch):
        return {
            **super().weights(batch),
            "discriminator": self.detection_weights(batch),
        }

    def terms(self, batch, outputs):
        logits = outputs["discriminator_logits"]
        labels = outputs["is_replaced"]
        return {
            **super().terms(batch, outputs),
            "discriminator": {
                "loss": detection_bce(logits, labels),
                "logits": logits,
                "labels": labels,
            },
        }

    def metrics(self):
        return [*super().metrics(), DetectionMetrics("discriminator")]


@dataclasses.dataclass(kw_only=True, eq=False)
class WeightedDetection(Detection):
    """Detection whose loss is trained on."""

    discriminator_weight: float = setting(
        50.0,
        "Weight of the detection loss in the loss that is trained on.",
        at_least=0,
    )

    def term_weights(self):
        return {
            **super().term_weights(),
            "discriminator": self.discriminator_weight,
        }

    def replaced_share(self, metrics):
        return metrics.get("replaced_rate")
