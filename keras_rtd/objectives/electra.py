"""ELECTRA: a generator corrupts, a discriminator detects."""

import keras
import numpy as np
from keras import ops

from keras_rtd.layers.sampler import replace_tokens
from keras_rtd.layers.sampler import sample_replacements
from keras_rtd.layers.sampler import sample_unigram
from keras_rtd.objectives.losses import detection_bce
from keras_rtd.objectives.losses import mean
from keras_rtd.utils import replicas


class Electra:
    """Replaced token detection (paper §2; reference run_pretraining.py).

    The generator fills the masked positions with draws from its own
    prediction; the discriminator says for every real token whether it was
    replaced. A draw that happens to be the original token counts as
    original. Loss = generator_weight * generator's + discriminator_weight *
    detection, without gradient from detection to the generator.

    Args:
        generator_weight: float. Defaults to 1.0.
        discriminator_weight: float. Defaults to 50.0.
        temperature: float. Of the draw only. Defaults to 1.0.
        disallow_correct: bool. Never draw the original token. Defaults to
            `False`.
        unigram_warmup_steps: int. Over these first steps the share of draws
            from the corpus's word frequencies (see `set_unigram`) instead of
            the generator falls from 1 to 0. Not in the paper: an untrained
            generator is so easy to catch that a short run learns nothing
            else. Defaults to 0.
    """

    name = "electra"

    def __init__(
        self,
        generator_weight=1.0,
        discriminator_weight=50.0,
        temperature=1.0,
        disallow_correct=False,
        unigram_warmup_steps=0,
    ):
        if temperature <= 0:
            raise ValueError(
                f"`temperature` must be above 0. Received: {temperature}"
            )
        self.generator_weight = generator_weight
        self.discriminator_weight = discriminator_weight
        self.temperature = temperature
        self.disallow_correct = disallow_correct
        self.unigram_warmup_steps = unigram_warmup_steps
        self._unigram = None

    def set_unigram(self, probabilities):
        """Tell the word frequencies that `unigram_warmup_steps` draws from.

        Args:
            probabilities: float (vocabulary_size,), sum 1.
        """
        cumulative = np.cumsum(np.asarray(probabilities, np.float64))
        last = np.flatnonzero(probabilities)[-1]
        # Above every uniform number, whatever the sum was rounded to.
        cumulative[last:] = 2.0
        self._unigram = cumulative.astype(np.float32)

    def forward(self, networks, batch, seed, step, training=None):
        """Corrupt and predict.

        Args:
            networks: what has `generator_features(batch, training)`,
                `masked_lm_head` and `discriminator_logits(batch, token_ids,
                training)`.
            batch: dict of tensors, see `ElectraPretrainer`. `sampled_ids` or
                `corrupted_token_ids` in it are used as they stand.
            seed: `keras.random.SeedGenerator` of the draw.
            step: int32 scalar, training steps done.
            training: bool or `None`.

        Returns:
            dict of `generator_features`, of which the head makes logits,
            `generator_nll` and `predicted_ids` of each slot, `sampled_ids`,
            `corrupted_token_ids`, `is_replaced` and `discriminator_logits`.
        """
        features = networks.generator_features(batch, training)
        nll, sampled, best = networks.masked_lm_head.score(
            features, batch["mask_ids"], seed
        )
        if "sampled_ids" in batch:
            sampled = ops.cast(batch["sampled_ids"], "int32")
        else:
            if self.temperature != 1.0 or self.disallow_correct:
                logits = networks.masked_lm_head.logits(features)
                sampled = self._draw(batch, logits, seed)
            if self.unigram_warmup_steps and training:
                sampled = self._warm_up(sampled, seed, step)
        token_ids = ops.cast(batch["token_ids"], "int32")
        if "corrupted_token_ids" in batch:
            corrupted = ops.cast(batch["corrupted_token_ids"], "int32")
        else:
            corrupted = replace_tokens(
                token_ids,
                batch["mask_positions"],
                sampled,
                batch["mask_weights"],
            )
        real = ops.cast(batch["padding_mask"], "bool")
        return {
            "generator_features": features,
            "generator_nll": nll,
            "predicted_ids": best,
            "sampled_ids": sampled,
            "corrupted_token_ids": corrupted,
            "is_replaced": ops.logical_and(
                ops.not_equal(corrupted, token_ids), real
            ),
            "discriminator_logits": networks.discriminator_logits(
                batch, corrupted, training
            ),
        }

    def _draw(self, batch, logits, seed):
        return sample_replacements(
            logits / self.temperature,
            seed,
            disallowed_ids=(
                batch["mask_ids"] if self.disallow_correct else None
            ),
        )

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

    def counts(self, batch):
        """What `loss` divides by: numbers of masked slots and of real tokens.

        Returns:
            list of float32 scalars, of all replicas.
        """
        return replicas.total(
            [
                ops.sum(ops.cast(batch[name], "float32"))
                for name in ("mask_weights", "padding_mask")
            ]
        )

    def loss(self, batch, outputs, counts=None):
        """The combined loss and what it is made of.

        Args:
            batch: the input dict.
            outputs: what `forward` returned.
            counts: what `counts` returns for the whole batch, where `batch`
                is a part of it. Defaults to those of `batch`.

        Returns:
            (loss, parts): a float32 scalar, and a dict of float32 tensors:
            `generator_nll` (batch, count) and `discriminator_bce`
            (batch, length), not yet weighted. Counts are those of all
            replicas and parts, so that the losses and gradients of all add up
            to those of the whole batch.
        """
        nll = outputs["generator_nll"]
        bce = detection_bce(
            outputs["discriminator_logits"], outputs["is_replaced"]
        )
        weights = ops.cast(batch["mask_weights"], "float32")
        real = ops.cast(batch["padding_mask"], "float32")
        slots, tokens = self.counts(batch) if counts is None else counts
        loss = self.combine(
            mean(ops.sum(nll * weights), slots),
            mean(ops.sum(bce * real), tokens),
        )
        return loss, {"generator_nll": nll, "discriminator_bce": bce}

    def combine(self, generator_loss, discriminator_loss):
        """Weighted sum of the two losses."""
        return (
            self.generator_weight * generator_loss
            + self.discriminator_weight * discriminator_loss
        )

    def get_config(self):
        return {
            "generator_weight": self.generator_weight,
            "discriminator_weight": self.discriminator_weight,
            "temperature": self.temperature,
            "disallow_correct": self.disallow_correct,
            "unigram_warmup_steps": self.unigram_warmup_steps,
        }
