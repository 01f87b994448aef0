"""AMOS: a generator of several depths, mixed to be hard to detect."""

import dataclasses
from typing import ClassVar

from keras import ops

from keras_rtd.layers.depth_mixture import at_positions
from keras_rtd.layers.depth_mixture import gumbel_noise
from keras_rtd.layers.depth_mixture import reversed_gradient
from keras_rtd.layers.heads import gather_positions
from keras_rtd.objectives.base import masked_slots
from keras_rtd.objectives.corruption import corrupted_text
from keras_rtd.objectives.electra import Electra


@dataclasses.dataclass(kw_only=True, eq=False)
class Amos(Electra):
    """ELECTRA against a mixture of generators (Meng et al., ICLR 2022).

    The generator's head predicts the masked tokens after several of its
    layers, each group of layers learning from its own prediction alone. What
    replaces a token is drawn from the logits of all depths, weighted at every
    position by a `DepthMixture`, which detection's gradient reaches reversed,
    through a softened draw, so that it learns which depth is hardest to
    detect. Loss = generator_weight * sum over depths + discriminator_weight *
    detection. The metrics of `generator` are those of its last layer, the loss
    of `shallow_generators` is the sum of the others', its accuracy that of the
    first. Sources: https://openreview.net/forum?id=sX3XaHwotOg, §3;
    microsoft/AMOS, fairseq/models/amos/model.py. The logits of all depths are
    in memory at once.

    Args:
        generator_depths: list of int or `None`. After which of the
            generator's layers, counted from 1; the last is always one of
            them. Defaults to `None`: after each third of the layers.
        mixture_temperature: float. Of the softened draw. Defaults to 0.3.
        mixture_gradient: float. What detection's gradient is multiplied by on
            its way to the mixture. Defaults to -1.0.
        discriminator_weight, generator_weight, temperature,
            final_temperature, temperature_steps, disallow_correct,
            unigram_warmup_steps: see `Electra`. Draws that are given, and
            those of the unigram warm-up, send the mixture no gradient.

    Raises:
        ValueError: a frozen generator, depths that are not numbers from 1 on,
            or a temperature that is not above 0.
    """

    name = "amos"
    mixes_depths: ClassVar[bool] = True
    token_parts: ClassVar[tuple[str, ...]] = ("generator", "shallow_generators")

    generator_depths: tuple | None = None
    mixture_temperature: float = 0.3
    mixture_gradient: float = -1.0

    def __post_init__(self):
        super().__post_init__()
        if self.frozen_generator:
            raise ValueError(
                "The objective 'amos' trains its generator: leave out "
                "`frozen_generator`."
            )
        if self.mixture_temperature <= 0:
            raise ValueError(
                "`mixture_temperature` must be above 0. Received: "
                f"{self.mixture_temperature}"
            )
        if self.generator_depths is not None:
            depths = tuple(self.generator_depths)
            if not depths or any(
                not isinstance(depth, int) or depth < 1 for depth in depths
            ):
                raise ValueError(
                    "`generator_depths` must be numbers of layers from 1 on. "
                    f"Received: {self.generator_depths}"
                )
            self.generator_depths = depths

    def depths(self, num_layers):
        """After which of so many layers there is a prediction: sorted.

        Raises:
            ValueError: more layers asked for than there are.
        """
        if self.generator_depths is None:
            return sorted({-(-num_layers * i // 3) for i in (1, 2, 3)})
        if max(self.generator_depths) > num_layers:
            raise ValueError(
                f"`generator_depths` must be at most {num_layers}, the "
                f"generator's layers. Received: {list(self.generator_depths)}"
            )
        return sorted({*self.generator_depths, num_layers})

    def forward(self, networks, batch, seed, step, training=None):
        positions = batch["mask_positions"]
        head = networks.masked_lm_head
        vectors = [
            gather_positions(encoded, positions)
            for encoded in networks.generator_encode_depths(batch, training)
        ]
        features = [head.features(vector) for vector in vectors]
        scores = [head.score(f, batch["mask_ids"]) for f in features]
        noisy = self._noisy_logits(
            networks, batch, vectors, features, seed, step
        )
        drawn = ops.cast(ops.argmax(noisy, axis=-1), "int32")
        sampled = drawn
        if "sampled_ids" in batch:
            sampled = batch["sampled_ids"]
        elif self.unigram_warmup_steps and training:
            sampled = self._warm_up(sampled, seed, step)
        term = None
        if training:
            own = ops.equal(sampled, drawn)
            if "sampled_ids" in batch or "corrupted_token_ids" in batch:
                # PyTorch wants every weight in the graph.
                own = ops.zeros_like(own)
            term = self._term(networks, batch, noisy, own)
        outputs = {
            "generator_features": features[-1],
            "generator_nll": scores[-1][0],
            "shallow_nll": sum(
                (nll for nll, *_ in scores[:-1]), 0.0 * scores[-1][0]
            ),
            "shallow_ids": scores[0][2],
            "predicted_ids": scores[-1][2],
            **corrupted_text(batch, sampled),
        }
        encoded = networks.encode(
            batch, outputs["corrupted_token_ids"], training, token_terms=term
        )
        outputs["discriminator_logits"] = networks.detection_head(encoded)
        return outputs

    def _noisy_logits(self, networks, batch, vectors, features, seed, step):
        """What the draw is the argmax of; its gradient goes to the weights of
        the depths alone."""
        weights = networks.depth_mixture(vectors)
        logits = 0.0
        for i, one in enumerate(features):
            made = networks.masked_lm_head.logits(one)
            logits += ops.stop_gradient(made) * weights[..., i : i + 1]
        logits = logits / self.temperature_at(step)
        if self.disallow_correct:
            logits -= 1000.0 * ops.one_hot(
                batch["mask_ids"], logits.shape[-1], dtype="float32"
            )
        return logits + gumbel_noise(ops.shape(logits), seed)

    def _term(self, networks, batch, noisy, own):
        """What is added to the token embeddings: zeros with a gradient."""
        embeddings = networks.backbone.embeddings
        table = ops.cast(embeddings.tables()[0], embeddings.compute_dtype)
        values = reversed_gradient(
            noisy, table, self.mixture_temperature, self.mixture_gradient
        )
        weights = masked_slots(batch) * ops.cast(own, "float32")
        length = ops.shape(batch["token_ids"])[1]
        return at_positions(values, batch["mask_positions"], weights, length)

    def weights(self, batch):
        found = super().weights(batch)
        return {**found, "shallow_generators": masked_slots(batch)}

    def parts(self, batch, outputs):
        return {
            **super().parts(batch, outputs),
            "shallow_generators": {
                "loss": outputs["shallow_nll"],
                "predicted": outputs["shallow_ids"],
                "targets": ops.cast(batch["mask_ids"], "int32"),
            },
        }

    def combine(self, losses):
        shallow = self.generator_weight * losses["shallow_generators"]
        return super().combine(losses) + shallow
