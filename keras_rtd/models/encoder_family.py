"""What a family of encoders makes and says."""

from typing import Any

import keras
import keras_hub

from keras_rtd.layers.basic import Dense
from keras_rtd.layers.embedding import ElectraEmbedding
from keras_rtd.layers.heads import DetectionHead
from keras_rtd.layers.heads import MaskedLMHead
from keras_rtd.layers.initializers import GlorotUniform
from keras_rtd.layers.prediction_head import PredictionHead
from keras_rtd.models.encoder_facts import EncoderFacts
from keras_rtd.utils.types import Tensor


class FamilyType(type(keras_hub.models.Backbone)):  # type: ignore[misc]
    """Makes `RtdBackbone == ModernBertBackbone` true.

    KerasHub finds the task, preprocessor or tokenizer of a preset by
    `x.backbone_cls == the class in its config.json`, one class each. Ours take
    every family: their `backbone_cls` is the abstract `RtdBackbone`. Two
    families are never equal, nor is the abstract class where it stands on the
    right: that is how KerasHub lists the subclasses of a class.
    """

    family: str | None

    def __eq__(cls, other):
        if cls.family is None and isinstance(other, FamilyType):
            return True
        return cls is other

    def __hash__(cls):
        return super().__hash__()


class EncoderFamily(EncoderFacts):
    """The part of a backbone that a family changes, with BERT's defaults.

    The constructor of `RtdBackbone` and the rest of the package call these;
    nothing else tells families apart.

    Attributes:
        family: string, the name in the registry; `None` in abstract classes.
        facts_cls: the subclass of `EncoderFacts` among the bases, for
            encoders without weights.
        own_arguments: names of the arguments beyond `RtdBackbone`'s.
        bundled_presets: dict of names to descriptions.
        exports_to: names of the formats of other libraries that hold these
            layers, "google", "keras_hub"; see the family's conversion.py.
        huggingface: module that knows the family's directories of
            `transformers`, or `None`; see `keras_rtd.interop.huggingface`.
        keras_hub: module that makes KerasHub's encoder of the family's, and
            the other way round, or `None`; see `keras_rtd.interop.keras_hub`.
        citation: string, BibTeX of the family's paper, `""` where ELECTRA's
            is all; for model cards.
        generator_arguments: dict of arguments that generators have and
            encoders have not.
        spare_tokens: int. By how many tokens a released encoder's table may be
            larger than its vocabulary.
        tensor_parallel: dict of a layer's kernels to how the axis "model" of
            a mesh divides them: (axes of the kernel, axes of the bias). Heads
            and inner units are divided in the first kernel of each pair and
            come together in the second, so that a layer adds up twice
            (Megatron-LM, section 3).
    """

    attention_bias: Any
    activation: str
    layer_norm_epsilon: float
    kernel_stddev: float
    dtype_policy: Any
    trainable_variables: list[Any]
    embeddings: Any
    embeddings_projection: Any
    transformer_layers: list[Any]

    family: str | None = None
    facts_cls = EncoderFacts
    own_arguments: tuple[str, ...] = ()
    bundled_presets: dict[str, str] = {}
    exports_to: tuple[str, ...] = ()
    huggingface: Any = None
    keras_hub: Any = None
    citation = ""
    generator_arguments: dict[str, Any] = {}
    spare_tokens = 0
    tensor_parallel: dict[str, tuple[Any, Any]] = {
        **dict.fromkeys(
            ("query", "key", "value", "intermediate"),
            ((None, "model"), ("model",)),
        ),
        **dict.fromkeys(
            ("attention_output", "output_dense"), (("model", None), None)
        ),
    }

    def make_layer(self, index: int, **arguments: Any) -> keras.layers.Layer:
        """The Transformer layer of this number, an `EncoderBlock`.

        Args:
            index: int, from 0.
            **arguments: of `EncoderBlock`.
        """
        raise NotImplementedError

    @classmethod
    def generator_config(cls, config: dict[str, Any]) -> dict[str, Any]:
        """The config of the reference's generator for an encoder's.

        By default as deep and a quarter as wide, with heads of 64.
        """
        return {**config, **cls.sizes_of_width(round(config["hidden_dim"] / 4))}

    @classmethod
    def sizes_of_width(cls, hidden_dim: int) -> dict[str, int]:
        """The sizes that come along with a generator's width: heads of 64 and
        the usual inner width."""
        return {
            "hidden_dim": hidden_dim,
            "num_heads": max(1, hidden_dim // 64),
            "intermediate_dim": cls.inner_width(4 * hidden_dim),
        }

    def make_embeddings(self, **arguments: Any) -> keras.layers.Layer:
        """The embedding layer where none is shared.

        Args:
            **arguments: of `ElectraEmbedding`.
        """
        return ElectraEmbedding(**arguments)

    def make_embeddings_projection(
        self, dtype: Any
    ) -> keras.layers.Layer | None:
        """The layer between embeddings and first Transformer layer, or
        `None`."""
        if self.hidden_dim == self.embedding_dim:
            return None
        # Glorot's initialisation, as the reference's `tf.layers.dense`.
        return Dense(
            self.hidden_dim,
            use_bias=self.use_bias,
            kernel_initializer=GlorotUniform(),
            dtype=dtype,
            name="embeddings_projection",
        )

    def make_final_norm(self, dtype: Any) -> keras.layers.Layer | None:
        """The layer after the last Transformer layer, or `None`."""
        return None

    def make_shared_layers(self, dtype: Any) -> None:
        """Make the layers that `shared_tensors` needs beside
        `attention_bias`."""

    def shared_tensors(
        self,
        padding_mask: Tensor,
        document_ids: Tensor | None = None,
        training: bool | None = None,
    ) -> dict[str, Tensor]:
        """The tensors that the layers of one call share, by name."""
        return {"bias": self.attention_bias(padding_mask, document_ids)}

    def shared_by_layer(
        self, index: int, shared: dict[str, Tensor]
    ) -> tuple[Tensor, ...]:
        """The arguments of layer `index` after its input, of
        `shared_tensors`."""
        return (shared["bias"],)

    def run_layers(
        self,
        x: Tensor,
        shared: dict[str, Tensor],
        document_ids: Tensor | None = None,
        training: bool | None = None,
    ) -> Tensor:
        """The output of the last Transformer layer.

        Args:
            x: (batch, length, hidden_dim), the input of the first one.
            shared: of `shared_tensors`.
            document_ids: int32 (batch, length) or `None`.
            training: bool or `None`.
        """
        for i, layer in enumerate(self.transformer_layers):
            x = layer(x, *self.shared_by_layer(i, shared), training=training)
        return x

    def input_layers(self) -> list[keras.layers.Layer]:
        """The layers with weights below the first Transformer layer."""
        layers = (self.embeddings, self.embeddings_projection)
        return [layer for layer in layers if layer is not None]

    def make_masked_lm_head(
        self, width: int | None = None, name: str = "masked_lm_head"
    ) -> MaskedLMHead:
        """A built `MaskedLMHead` for vectors of `width`, by default the
        encoder's."""
        return MaskedLMHead.of(self, width, name)

    def make_detection_head(self) -> DetectionHead:
        """A built `DetectionHead` for this encoder."""
        return DetectionHead.of(self)

    def make_text_head(self, dtype: Any = None) -> Any:
        """The layer between a text's vector and the last one of a text
        classifier, or `None`; see `make_prediction_head`."""
        return self.make_prediction_head(dtype)

    def make_prediction_head(self, dtype: Any = None) -> Any:
        """The layer before the last one of a task, or `None`.

        Args:
            dtype: dtype policy; `None` takes the encoder's.
        """
        if not self.norm_in_heads:
            return None
        return PredictionHead(
            self.hidden_dim,
            activation=self.activation,
            layer_norm_epsilon=self.layer_norm_epsilon,
            kernel_stddev=self.kernel_stddev,
            dtype=dtype or self.dtype_policy,
            name="prediction_head",
        )

    @property
    def muon_kernels(self) -> list[keras.Variable]:
        """The variables that Muon moves: trainable kernels of two axes."""
        return [
            variable
            for variable in self.trainable_variables
            if variable.name == "kernel" and len(variable.shape) == 2
        ]
