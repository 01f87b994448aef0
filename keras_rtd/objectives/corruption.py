"""What objectives with a generator share: its corruption of the text."""

import dataclasses
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_rtd.layers.sampler import sample_replacements
from keras_rtd.layers.sampler import sample_unigram
from keras_rtd.objectives.base import Objective
from keras_rtd.objectives.base import masked_lm_head_flops
from keras_rtd.objectives.base import masked_slots
from keras_rtd.objectives.replacement import corrupted_text
from keras_rtd.objectives.replacement import given_samples
from keras_rtd.objectives.term_metrics import PredictionMetrics
from keras_rtd.objectives.term_metrics import ReplacedRate
from keras_rtd.utils.setting import SettingError
from keras_rtd.utils.setting import setting
from keras_rtd.utils.types import Batch
from keras_rtd.utils.types import Tensor


@dataclasses.dataclass(kw_only=True, eq=False)
class Corruption(Objective):
    """A small masked language model fills the masked positions.

    With `unigram_warmup_steps`, the share of samples from the corpus's word
    frequencies (see `set_unigram`) falls from 1 to 0. Not in the paper: an
    untrained generator is so easy to catch that a short run learns nothing
    else. A frozen generator has no loss, no gradient and no dropout, and does
    not run at all for batches with `sampled_ids` (Fast-ELECTRA,
    https://arxiv.org/abs/2310.07347).
    """

    generator_weight: float = setting(
        1.0,
        "Weight of the generator's loss in the loss that is trained on.",
        at_least=0,
    )
    temperature: float = setting(
        1.0,
        "Softmax temperature at which the generator's tokens are sampled.",
        above=0,
    )
    final_temperature: float | None = setting(
        None,
        "Temperature that sampling reaches in a straight line after "
        "--temperature_steps; without it the temperature is constant.",
        above=0,
    )
    temperature_steps: int = setting(
        0,
        "Training steps in which the temperature moves to --final_temperature.",
        at_least=0,
    )
    disallow_correct: bool = setting(
        False, "Never sample the original token as its own replacement."
    )
    unigram_warmup_steps: int = setting(
        0,
        "Training steps in which the replacements move from the corpus's word "
        "frequencies to the generator's samples.",
        at_least=0,
    )
    frozen_generator: bool = setting(
        False, "Sample from a generator that does not learn.", flag=False
    )

    def __post_init__(self):
        super().__post_init__()
        if (self.final_temperature is None) != (self.temperature_steps == 0):
            raise SettingError(
                "temperature_steps",
                "given exactly where `final_temperature` is (the two go "
                f"together; that one is {self.final_temperature})",
                self.temperature_steps,
            )
        self._unigram = None

    def set_unigram(self, probabilities: np.ndarray) -> None:
        cumulative = np.cumsum(np.asarray(probabilities, np.float64))
        last = np.flatnonzero(probabilities)[-1]
        # Above every uniform number, whatever the sum was rounded to.
        cumulative[last:] = 2.0
        self._unigram = cumulative.astype(np.float32)

    # === Models ===

    @classmethod
    def generator_class(cls, encoder_class: type) -> type | None:
        return encoder_class

    def freezes_generator(self) -> bool:
        return self.frozen_generator

    def generator_width(self, generator: Any) -> int:
        """Width of the vectors that the generator's head reads."""
        return generator.hidden_dim

    def make_heads(
        self, backbone: Any, generator: Any
    ) -> dict[str, keras.layers.Layer]:
        width = self.generator_width(generator)
        return {
            **super().make_heads(backbone, generator),
            "masked_lm_head": generator.make_masked_lm_head(width),
        }

    def tasks(self) -> dict[str, tuple[str, str]]:
        return {**super().tasks(), "masked_lm": ("generator", "masked_lm_head")}

    def generator_flops(
        self, model: Any, sequence_length: int, masked_share: float
    ) -> float:
        """One token's forward pass through generator and head."""
        generator = model.generator
        head = masked_lm_head_flops(generator, generator.hidden_dim)
        encoder = generator.flops_per_token(sequence_length)
        return encoder + masked_share * head

    def flops_per_token(
        self,
        model: Any,
        sequence_length: int,
        num_predictions: int,
        given_samples: bool = False,
    ) -> float:
        passes = 3.0
        if self.frozen_generator:
            passes = 0.0 if given_samples else 1.0
        others = super().flops_per_token(
            model, sequence_length, num_predictions, given_samples
        )
        return others + passes * self.generator_flops(
            model, sequence_length, num_predictions / sequence_length
        )

    # === Training step ===

    def forward(
        self,
        model: Any,
        batch: Batch,
        seed: Any,
        step: Tensor,
        training: bool | None = None,
    ) -> Batch:
        outputs = self.corrupt(model, batch, seed, step, training)
        return {
            **outputs,
            **self.encode_corrupted(model, batch, outputs, training),
        }

    def encode_corrupted(
        self,
        model: Any,
        batch: Batch,
        outputs: dict[str, Tensor],
        training: bool | None = None,
    ) -> dict[str, Tensor]:
        """The encoder's part of `forward`, after the generator's.

        Args:
            model: `ElectraPretrainer`.
            batch: dict of tensors.
            outputs: what `corrupt` returned, maybe without gradient and
                without `generator_features`.
            training: bool or `None`.

        Returns:
            dict of tensors.
        """
        raise NotImplementedError

    def generator_inputs(
        self, batch: Batch
    ) -> tuple[Tensor, Tensor, Tensor] | None:
        given = "sampled_ids" in batch or "corrupted_token_ids" in batch
        if self.frozen_generator and given:
            return None
        return (
            batch["masked_token_ids"],
            batch["mask_positions"],
            batch["mask_ids"],
        )

    def corrupt(
        self,
        model: Any,
        batch: Batch,
        seed: Any,
        step: Tensor,
        training: bool | None = None,
    ) -> dict[str, Tensor]:
        """The generator's prediction, its samples, and the text with them.

        Returns:
            dict of `sampled_ids`, `corrupted_token_ids` and `is_replaced`;
            where the generator runs `generator_features`, of which the head
            makes logits; where it learns `generator_nll` and `predicted_ids`
            of each slot.
        """
        inputs = self.generator_inputs(batch)
        if inputs is None:
            return corrupted_text(batch, given_samples(batch))
        token_ids, positions, targets = inputs
        head = model.masked_lm_head
        learns = not self.frozen_generator
        encoded = model.generator_encode(
            batch, token_ids, training if learns else False
        )
        features = head.features(encoded, positions)
        if not learns:
            features = ops.stop_gradient(features)
        outputs = {"generator_features": features}
        if learns or not self.changes_samples:
            nll, sampled, best = head.score(features, targets, seed)
        if learns:
            outputs |= {"generator_nll": nll, "predicted_ids": best}
        if "sampled_ids" in batch:
            sampled = batch["sampled_ids"]
        else:
            if self.changes_samples:
                logits = head.logits(features)
                sampled = self.sample(batch, logits, seed, step)
            if self.unigram_warmup_steps and training:
                sampled = self._warm_up(sampled, seed, step)
        return {**outputs, **corrupted_text(batch, sampled)}

    @property
    def changes_samples(self) -> bool:
        """Whether samples are from anything else than the prediction."""
        return (
            self.temperature != 1.0
            or self.final_temperature is not None
            or self.disallow_correct
        )

    def sample(
        self, batch: Batch, logits: Tensor, seed: Any, step: Tensor
    ) -> Tensor:
        """Samples at the temperature of `step`: int32 (batch, count)."""
        return sample_replacements(
            logits / self.temperature_at(step),
            seed,
            disallowed_ids=(
                batch["mask_ids"] if self.disallow_correct else None
            ),
        )

    def temperature_at(self, step: Tensor) -> Any:
        """The sampling temperature after `step` training steps."""
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

    def predictions(
        self, model: Any, outputs: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        found = super().predictions(model, outputs)
        if "generator_features" in outputs:
            features = outputs["generator_features"]
            logits = model.masked_lm_head.logits(features)
            size = model.backbone.vocabulary_size
            found["generator_logits"] = logits[..., :size]
        return found

    def weights(self, batch: Batch) -> dict[str, Tensor]:
        found = super().weights(batch)
        if not self.frozen_generator:
            found["generator"] = masked_slots(batch)
        return found

    def terms(
        self, batch: Batch, outputs: dict[str, Tensor]
    ) -> dict[str, dict[str, Tensor]]:
        return {
            **super().terms(batch, outputs),
            **self.generator_terms(batch, outputs),
        }

    def generator_terms(
        self, batch: Batch, outputs: dict[str, Tensor]
    ) -> dict[str, dict[str, Tensor]]:
        """The `terms` that need nothing but what `corrupt` returned."""
        if self.frozen_generator:
            return {}
        return {
            "generator": {
                "loss": outputs["generator_nll"],
                "predicted": outputs["predicted_ids"],
                "targets": ops.cast(batch["mask_ids"], "int32"),
                "sampled": outputs["sampled_ids"],
            }
        }

    def generator_loss(
        self,
        batch: Batch,
        outputs: dict[str, Tensor],
        counts: list[Tensor] | None = None,
    ) -> Tensor:
        """The generator's part of `loss`: a float32 scalar.

        Args:
            batch: the input dict.
            outputs: what `corrupt` returned.
            counts: see `loss`.
        """
        terms = self.generator_terms(batch, outputs)
        losses = self.mean_losses(batch, terms, counts)
        weights = self.term_weights()
        return sum(weights[t] * losses[t] for t in losses if t in weights)

    def term_weights(self) -> dict[str, float]:
        found = super().term_weights()
        if not self.frozen_generator:
            found["generator"] = self.generator_weight
        return found

    def metrics(self) -> list[Any]:
        found = [*super().metrics(), ReplacedRate()]
        if not self.frozen_generator:
            found.append(PredictionMetrics("generator", samples=True))
        return found
