"""Generator and discriminator, trained together."""

from typing import Any
from typing import Self

import keras

from keras_rtd import objectives
from keras_rtd.keras_internals import SubclassedTask
from keras_rtd.keras_internals import init_task
from keras_rtd.layers.initializers import new_seed
from keras_rtd.models.encoder_backbone import RtdBackbone
from keras_rtd.models.encoders import check_generator
from keras_rtd.models.encoders import check_sharing
from keras_rtd.models.encoders import make_encoders
from keras_rtd.models.loading import PretrainerLoading
from keras_rtd.models.masked_lm import ElectraMaskedLM
from keras_rtd.models.preprocessor import ElectraPreprocessor
from keras_rtd.models.pretrainer_training import PretrainerTraining
from keras_rtd.models.replaced_token_detector import (
    ElectraReplacedTokenDetector,
)
from keras_rtd.models.task_weights import TaskWeights
from keras_rtd.models.weight_copies import with_plain_embeddings
from keras_rtd.tokenizers.base import Tokenizer
from keras_rtd.training.batch import check_batch
from keras_rtd.training.metrics import PretrainingMetrics
from keras_rtd.utils.replicas import SeedGenerator
from keras_rtd.utils.types import Batch
from keras_rtd.utils.types import Tensor

# Heads that a pretrainer without them has as `None`.
HEADS = ("masked_lm_head", "detection_head", "encoder_lm_head")


@keras.saving.register_keras_serializable(package="keras_rtd")
class ElectraPretrainer(
    PretrainerLoading, PretrainerTraining, TaskWeights, SubclassedTask
):
    """Pre-trains an ELECTRA encoder by replaced token detection.

    A small generator fills the masked positions, the discriminator says for
    every token whether it was replaced, both learn together (paper §2, §3;
    https://arxiv.org/abs/2003.10555). It is compiled when made, as the
    preset says; call `compile()` to change that.

    `fit`, `evaluate`, `predict` and `train_on_batch` are `keras.Model`'s and
    take the batches of `keras_rtd.data.pretraining_dataset`: dicts of
    `token_ids`, `segment_ids`, `masked_token_ids` int32 and `padding_mask`
    bool or int32 (batch, length); `mask_positions`, `mask_ids` int32 and
    `mask_weights` float32 (batch, count). `sampled_ids` (batch, count) or
    `corrupted_token_ids` (batch, length), where given, replace the samples.
    `document_ids` int32 (batch, length), where given, say which tokens of a row
    are of one document and attend to each other.

    The output is a dict: `generator_logits` float32 (batch, count,
    vocabulary), `sampled_ids` int32 (batch, count), `corrupted_token_ids`
    int32, `is_replaced` bool and `discriminator_logits` float32 (batch,
    length). Other objectives leave out what they have not, and give
    `masked_lm_logits` float32 (batch, count, vocabulary) where the encoder
    itself predicts tokens.

    Args:
        backbone: the encoder, `ElectraBackbone` or another `RtdBackbone`; the
            discriminator.
        generator: what the objective needs, with
            `embeddings=backbone.embeddings`: another encoder of this class,
            an `ElectraTwoTowerGenerator` (`"electric"`), or `None` (`"mlm"`).
            Defaults to `None`.
        preprocessor: `ElectraPreprocessor` or `None`. Holds the tokenizer; it
            is never applied to batches.
        objective: string, the name of a class that
            `keras_rtd.objectives.register` made known. Defaults to `"electra"`.
        objective_config: dict or `None`. Options of the objective, e.g.
            `{"discriminator_weight": 50.0, "temperature": 1.0}`.
        optimizer_config: dict or `None`. Arguments of
            `keras_rtd.training.make_optimizer`.
        embedding_sharing: `"shared"`, one embedding layer for both, or
            `"gradient_disentangled"`, the discriminator's being the
            generator's, without gradient to it, plus tables of its own; then
            `backbone` was made with `embeddings=ElectraEmbedding(...,
            base=generator.embeddings)`, as `from_preset(...,
            embedding_sharing=...)` does; or `"separate"`, two layers that
            know nothing of each other. Defaults to `"shared"`.
        seed: int or `None`. Random seed of the generator's samples. `None`
            takes Keras's global seed.

    Example:
    ```python
    pretrainer = keras_rtd.models.ElectraPretrainer.from_preset(
        "electra_small_uncased_en"
    )
    dataset = keras_rtd.data.pretraining_dataset(
        "corpus/*.txt", tokenizer=pretrainer.tokenizer, sequence_length=128
    )
    pretrainer.fit(dataset, steps_per_epoch=10_000, epochs=100)
    pretrainer.save_to_preset("runs/mine")
    ```
    """

    generator: Any

    backbone_cls = RtdBackbone
    preprocessor_cls = ElectraPreprocessor

    def __init__(
        self,
        backbone: RtdBackbone,
        generator: keras.Model | keras.layers.Layer | None = None,
        preprocessor: ElectraPreprocessor | None = None,
        objective: str = "electra",
        objective_config: dict[str, Any] | None = None,
        optimizer_config: dict[str, Any] | None = None,
        embedding_sharing: str = "shared",
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        chosen = objectives.get(objective, **(objective_config or {}))
        if preprocessor is not None and preprocessor.tokenizer is not None:
            chosen.set_tokenizer(preprocessor.tokenizer)
        check_generator(chosen, backbone, generator)
        check_sharing(embedding_sharing, chosen, backbone, generator)
        compile = kwargs.pop("compile", True)
        init_task(self, **kwargs)
        self.objective = chosen
        self.embedding_sharing = embedding_sharing
        self.backbone = backbone
        self.generator = generator
        self.preprocessor = preprocessor
        heads = chosen.make_heads(backbone, generator)
        self.head_names = tuple(heads)
        for name, head in {**dict.fromkeys(HEADS), **heads}.items():
            setattr(self, name, head)
        if chosen.freezes_generator():
            self.generator.trainable = False
            self.masked_lm_head.trainable = False
        self.optimizer_config = dict(optimizer_config or {})
        self.seed = seed
        self.sampling_seed = SeedGenerator(new_seed() if seed is None else seed)
        self.step = self.add_weight(
            shape=(),
            initializer="zeros",
            dtype="int32",
            trainable=False,
            name="step",
        )
        self.pretraining_metrics = PretrainingMetrics(self.objective)
        self.dtype_policy = backbone.dtype_policy
        self.built = True
        if compile:
            self.compile()

    @property
    def discriminator(self) -> RtdBackbone:
        """The encoder: all that is kept."""
        return self.backbone

    # Methods, not properties: saving looks at every attribute.

    def replaced_token_detector(self) -> ElectraReplacedTokenDetector:
        """The discriminator with its head, sharing these weights but for
        disentangled embeddings, which are added up.

        Raises:
            ValueError: an objective without a detector.
        """
        encoder, head = self._of_task("replaced_token_detector", "detector")
        return ElectraReplacedTokenDetector(
            with_plain_embeddings(encoder), self.preprocessor, head=head
        )

    def masked_lm(self) -> ElectraMaskedLM:
        """The generator with its head, or without a generator the encoder
        with its own, sharing these weights.

        Raises:
            ValueError: an objective without a masked language model.
        """
        # Its embeddings have no base: those of a discriminator have one.
        encoder, head = self._of_task("masked_lm", "masked language model")
        return ElectraMaskedLM(encoder, self.preprocessor, head=head)

    def _of_task(self, task, words):
        """Encoder and head of one of the objective's `tasks`."""
        names = self.objective.tasks().get(task)
        if names is None:
            raise ValueError(
                f"The objective {self.objective.name!r} has no {words}."
            )
        return tuple(getattr(self, name) for name in names)

    @property
    def tokenizer(self) -> Tokenizer | None:
        """The preprocessor's tokenizer."""
        return self.preprocessor and self.preprocessor.tokenizer

    @property
    def metrics(self) -> list[Any]:
        return [self.pretraining_metrics]

    # === Forward pass ===

    def call(
        self, inputs: Any, training: bool | None = None
    ) -> dict[str, Tensor]:
        outputs = self.run_objective(check_batch(inputs), training=training)
        return self.objective.predictions(self, outputs)

    def run_objective(
        self, batch: Batch, training: bool | None = None
    ) -> dict[str, Tensor]:
        """What the training step works with; see the objective's `forward`."""
        return self.objective.forward(
            self, batch, self.sampling_seed, self.step, training=training
        )

    def generator_encode(
        self, batch: Batch, token_ids: Tensor, training: bool | None = None
    ) -> Tensor:
        """The generator's vectors for `token_ids`: (batch, length, width)."""
        encoded = self.generator(
            encoder_inputs(batch, token_ids), training=training
        )
        if isinstance(encoded, dict):
            encoded = encoded["sequence_output"]
        return encoded

    def encode(
        self, batch: Batch, token_ids: Tensor, training: bool | None = None
    ) -> Tensor:
        """The encoder's vectors for `token_ids`: (batch, length, width)."""
        inputs = encoder_inputs(batch, token_ids)
        return self.backbone(inputs, training=training)["sequence_output"]

    # === Saving ===

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.update(
            {
                "generator": self.generator
                and keras.layers.serialize(self.generator),
                "objective": self.objective.name,
                "objective_config": self.objective.get_config(),
                "optimizer_config": self.optimizer_config,
                "embedding_sharing": self.embedding_sharing,
                "seed": self.seed,
            }
        )
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        config = dict(config)
        config["backbone"], config["generator"] = make_encoders(
            config["backbone"],
            config["generator"],
            config.get("embedding_sharing", "shared"),
        )
        return super().from_config(config)


def encoder_inputs(batch, token_ids):
    """What an encoder takes: the batch with these tokens."""
    inputs = {
        "token_ids": token_ids,
        "segment_ids": batch["segment_ids"],
        "padding_mask": batch["padding_mask"],
    }
    if "document_ids" in batch:
        inputs["document_ids"] = batch["document_ids"]
    return inputs
