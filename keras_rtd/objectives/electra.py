"""ELECTRA: a generator corrupts, a discriminator detects."""

import dataclasses

from keras import ops

from keras_rtd.objectives.base import real_tokens
from keras_rtd.objectives.corruption import Corruption
from keras_rtd.objectives.losses import detection_bce
from keras_rtd.objectives.losses import masked_tokens


@dataclasses.dataclass(kw_only=True, eq=False)
class Electra(Corruption):
    """Replaced token detection (paper §2; reference run_pretraining.py).

    The generator fills the masked positions with draws from its own
    prediction; the discriminator says for every real token whether it was
    replaced. A draw that happens to be the original token counts as
    original. Loss = generator_weight * generator's + discriminator_weight *
    detection, without gradient from detection to the generator.

    Args:
        discriminator_weight: float. Defaults to 50.0.
        generator_weight, temperature, final_temperature, temperature_steps,
            disallow_correct, unigram_warmup_steps, frozen_generator: see
            `Corruption`.
    """

    name = "electra"
    has_detector = True
    trains_detector = True
    detects_all_tokens = True

    discriminator_weight: float = 50.0

    def forward(self, networks, batch, seed, step, training=None):
        outputs = self.corrupt(networks, batch, seed, step, training)
        encoded = networks.encode(
            batch, outputs["corrupted_token_ids"], training
        )
        outputs["discriminator_logits"] = networks.detection_head(encoded)
        return outputs

    def weights(self, batch):
        return {**super().weights(batch), "discriminator": real_tokens(batch)}

    def parts(self, batch, outputs):
        logits, labels = (
            outputs["discriminator_logits"],
            outputs["is_replaced"],
        )
        return {
            **super().parts(batch, outputs),
            "discriminator": {
                "loss": detection_bce(logits, labels),
                "logits": logits,
                "labels": labels,
            },
        }

    def combine(self, losses):
        return (
            self.generator_term(losses)
            + self.discriminator_weight * losses["discriminator"]
        )


@dataclasses.dataclass(kw_only=True, eq=False)
class Electra15(Electra):
    """ELECTRA whose discriminator learns from the masked tokens only.

    The row "ELECTRA 15%" of the paper's Table 5 (§3.4): what is lost when the
    loss is not over all tokens. Detection's metrics are of the masked tokens
    too, and of all real tokens in a row without masks. Arguments as for
    `Electra`.
    """

    name = "electra_15"
    detects_all_tokens = False

    def weights(self, batch):
        real, masked = real_tokens(batch), masked_tokens(batch)
        # A row without masks holds given replacements, such as the probe's.
        given = ops.equal(ops.max(masked, axis=-1, keepdims=True), 0.0)
        return {
            **super().weights(batch),
            "discriminator": real * ops.where(given, 1.0, masked),
        }
