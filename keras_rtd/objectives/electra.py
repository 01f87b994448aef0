"""ELECTRA: a generator corrupts, a discriminator detects."""

from typing import Any

from keras import ops

from keras_rtd.objectives.base import real_tokens
from keras_rtd.objectives.corruption import Corruption
from keras_rtd.objectives.detection import WeightedDetection
from keras_rtd.objectives.losses import masked_tokens
from keras_rtd.objectives.registry import register
from keras_rtd.utils.types import Batch
from keras_rtd.utils.types import Tensor


@register
class Electra(WeightedDetection, Corruption):
    """Replaced token detection (paper §2; reference run_pretraining.py).

    The generator fills the masked positions with samples from its own
    prediction; the discriminator says for every real token whether it was
    replaced. A sample that happens to be the original token counts as
    original. Loss = generator_weight * generator's + discriminator_weight *
    detection, without gradient from detection to the generator.
    """

    name = "electra"

    def encode_corrupted(
        self,
        model: Any,
        batch: Batch,
        outputs: dict[str, Tensor],
        training: bool | None = None,
    ) -> dict[str, Tensor]:
        encoded = model.encode(batch, outputs["corrupted_token_ids"], training)
        logits = model.detection_head(encoded, batch.get("document_ids"))
        return {"discriminator_logits": logits}


@register
class Electra15(Electra):
    """ELECTRA whose discriminator learns from the masked tokens only.

    The row "ELECTRA 15%" of the paper's Table 5 (§3.4): what is lost when the
    loss is not over all tokens. Detection's metrics are of the masked tokens
    too, and of all real tokens in a row without masks.
    """

    name = "electra_15"

    def detection_weights(self, batch: Batch) -> Tensor:
        real, masked = real_tokens(batch), masked_tokens(batch)
        # A row without masks holds given replacements, such as the probe's.
        given = ops.equal(ops.max(masked, axis=-1, keepdims=True), 0.0)
        return real * ops.where(given, 1.0, masked)

    def replaced_share(self, metrics: dict[str, float]) -> float | None:
        # Masked tokens are sampled right, or replaced.
        right = metrics.get("sampled_accuracy")
        return None if right is None else 1.0 - right
