"""What objectives with a generator share: its corruption of the text."""

import dataclasses
from typing import ClassVar

import keras
import numpy as np
from keras import ops

from keras_rtd.layers.sampler import replace_tokens
from keras_rtd.layers.sampler import sample_replacements
from keras_rtd.layers.sampler import sample_unigram
from keras_rtd.objectives.base import Objective
from keras_rtd.objectives.base import masked_slots


@dataclasses.dataclass(kw_only=True, eq=False)
class Corruption(Objective):
    """A small masked language model fills the masked positions.

    Args:
        generator_weight: float. Weight of its loss. Defaults to 1.0.
        temperature: float. Of the draw only. Defaults to 1.0.
        final_temperature: float or `None`. Where the temperature goes in a
            straight line during the first `temperature_steps` steps. `None`
            stays at `temperature`.
        temperature_steps: int. Defaults to 0.
        disallow_correct: bool. Never draw the original token. Defaults to
            `False`.
        unigram_warmup_steps: int. Over these first steps the share of draws
            from the corpus's word frequencies (see `set_unigram`) instead of
            the generator falls from 1 to 0. Not in the paper: an untrained
            generator is so easy to catch that a short run learns nothing
            else. Defaults to 0.
        frozen_generator: bool. The generator only draws: it has no loss, no
            gradient and no dropout, and does not run at all for batches with
            `sampled_ids` (Fast-ELECTRA, https://arxiv.org/abs/2310.07347).
            Defaults to `False`.

    Raises:
        ValueError: a temperature that is not above 0, or a final one without
            steps to get there.
    """

    generator = "masked_lm"
    token_parts: ClassVar[tuple[str, ...]] = ("generator",)

    generator_weight: float = 1.0
    temperature: float = 1.0
    final_temperature: float | None = None
    temperature_steps: int = 0
    disallow_correct: bool = False
    unigram_warmup_steps: int = 0
    frozen_generator: bool = False

    def __post_init__(self):
        for name in ("temperature", "final_temperature"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"`{name}` must be above 0. Received: {value}")
        if (self.final_temperature is None) != (self.temperature_steps == 0):
            raise ValueError(
                "`final_temperature` and `temperature_steps` go together. "
                f"Received: final_temperature={self.final_temperature}, "
                f"temperature_steps={self.temperature_steps}"
            )
        self._unigram = None

    def set_unigram(self, probabilities):
        cumulative = np.cumsum(np.asarray(probabilities, np.float64))
        last = np.flatnonzero(probabilities)[-1]
        # Above every uniform number, whatever the sum was rounded to.
        cumulative[last:] = 2.0
        self._unigram = cumulative.astype(np.float32)

    def corrupt(self, networks, batch, seed, step, training=None):
        """The generator's prediction, its draws, and the text with them.

        Returns:
            dict of `generator_features`, of which the head makes logits,
            `generator_nll` and `predicted_ids` of each slot, `sampled_ids`,
            `corrupted_token_ids` and `is_replaced`.
        """
        head = networks.masked_lm_head
        if self.frozen_generator:
            return self._corrupt_frozen(networks, batch, seed, step, training)
        encoded = networks.generator_encode(
            batch, batch["masked_token_ids"], training
        )
        features = head.features(encoded, batch["mask_positions"])
        nll, sampled, best = head.score(features, batch["mask_ids"], seed)
        if "sampled_ids" in batch:
            sampled = ops.cast(batch["sampled_ids"], "int32")
        else:
            if self.changes_draws:
                logits = head.logits(features)
                sampled = self.draw(batch, logits, seed, step)
            if self.unigram_warmup_steps and training:
                sampled = self._warm_up(sampled, seed, step)
        return {
            "generator_features": features,
            "generator_nll": nll,
            "predicted_ids": best,
            **corrupted_text(batch, sampled),
        }

    def _corrupt_frozen(self, networks, batch, seed, step, training):
        if "sampled_ids" in batch:
            return corrupted_text(batch, batch["sampled_ids"])
        if "corrupted_token_ids" in batch:
            given = ops.cast(batch["corrupted_token_ids"], "int32")
            positions = ops.cast(batch["mask_positions"], "int32")
            return corrupted_text(
                batch, ops.take_along_axis(given, positions, axis=1)
            )
        head = networks.masked_lm_head
        encoded = networks.generator_encode(
            batch, batch["masked_token_ids"], training=False
        )
        features = ops.stop_gradient(
            head.features(encoded, batch["mask_positions"])
        )
        if self.changes_draws:
            sampled = self.draw(batch, head.logits(features), seed, step)
        else:
            _, sampled, _ = head.score(features, batch["mask_ids"], seed)
        if self.unigram_warmup_steps and training:
            sampled = self._warm_up(sampled, seed, step)
        return {
            "generator_features": features,
            **corrupted_text(batch, sampled),
        }

    @property
    def predicting_parts(self):
        if not self.frozen_generator:
            return self.token_parts
        return tuple(name for name in self.token_parts if name != "generator")

    @property
    def changes_draws(self):
        """Whether draws are from anything else than the prediction itself."""
        return (
            self.temperature != 1.0
            or self.final_temperature is not None
            or self.disallow_correct
        )

    def draw(self, batch, logits, seed, step):
        """Draws at the temperature of `step`: int32 (batch, count)."""
        return sample_replacements(
            logits / self.temperature_at(step),
            seed,
            disallowed_ids=(
                batch["mask_ids"] if self.disallow_correct else None
            ),
        )

    def temperature_at(self, step):
        """The temperature of the draws after `step` training steps."""
        if self.final_temperature is None:
            return self.temperature
        left = 1.0 - ops.cast(step, "float32") / self.temperature_steps
        change = self.temperature - self.final_temperature
        return self.final_temperature + change * ops.maximum(left, 0.0)

    def _warm_up(self, sampled, seed, step):
        if self._unigram is None:
            raise ValueError(
                "`unigram_warmup_steps` needs the corpus's word frequencies: "
                "call `pretrainer.set_unigram(probabilities)` before `fit`."
            )
        shape = ops.shape(sampled)
        done = ops.cast(step, "float32") / self.unigram_warmup_steps
        chance = keras.random.uniform(shape, seed=seed)
        return ops.where(
            chance < 1.0 - done,
            sample_unigram(self._unigram, shape, seed),
            sampled,
        )

    def generator_term(self, losses):
        """The generator's share of the loss that is trained on."""
        if self.frozen_generator:
            return 0.0
        return self.generator_weight * losses["generator"]

    def weights(self, batch):
        if self.frozen_generator:
            return {}
        return {"generator": masked_slots(batch)}

    def parts(self, batch, outputs):
        if self.frozen_generator:
            return {}
        return {
            "generator": {
                "loss": outputs["generator_nll"],
                "predicted": outputs["predicted_ids"],
                "targets": ops.cast(batch["mask_ids"], "int32"),
                "drawn": outputs["sampled_ids"],
            }
        }


def corrupted_text(batch, sampled):
    """dict of `sampled_ids`, and of `corrupted_token_ids` and `is_replaced`,
    the text with these draws."""
    sampled = ops.cast(sampled, "int32")
    corrupted = replaced_text(batch, sampled)
    return {
        "sampled_ids": sampled,
        "corrupted_token_ids": corrupted,
        "is_replaced": ops.logical_and(
            ops.not_equal(corrupted, ops.cast(batch["token_ids"], "int32")),
            ops.cast(batch["padding_mask"], "bool"),
        ),
    }


def replaced_text(batch, sampled):
    """The batch's tokens with the draws at the masked positions.

    Args:
        batch: dict of tensors; `corrupted_token_ids` in it are the answer.
        sampled: int32 (batch, count).

    Returns:
        int32 (batch, length).
    """
    if "corrupted_token_ids" in batch:
        return ops.cast(batch["corrupted_token_ids"], "int32")
    return replace_tokens(
        ops.cast(batch["token_ids"], "int32"),
        batch["mask_positions"],
        sampled,
        batch["mask_weights"],
    )
