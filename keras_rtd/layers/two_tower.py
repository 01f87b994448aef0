"""Electric's generator: two encoders that read in opposite directions."""

from typing import Any

import keras
from keras import ops

from keras_rtd.layers.heads import MaskedLMHead

# The encoder of presets that do not name one.
ENCODER = "keras_rtd>ElectraBackbone"


@keras.saving.register_keras_serializable(package="keras_rtd")
class ElectraTwoTowerGenerator(keras.layers.Layer):
    """Says of each token what its neighbours on both sides know of it.

    One encoder reads from the left, one from the right; the vector of a
    position is the left one's of the position before it and the right one's
    of the position after it, so that the token itself is not seen. Source:
    google-research/electra, run_pretraining.py, `TwoTowerClozeTransformer`;
    as there, the first and the last position take the missing neighbour from
    the other end of the row, where [CLS], [SEP] or padding stands. Where
    documents share a row, their [CLS] and [SEP] take it from the document
    beside them.

    Args:
        embeddings: the embedding layer of both.
        encoder: string. Registered name of the encoder's class, which takes a
            `direction`. Defaults to that of `ElectraBackbone`.
        **kwargs: arguments of the encoder, for each of the two.

    Call arguments: those of the encoder.

    Returns:
        (batch, length, 2 * hidden_dim).
    """

    def __init__(
        self,
        embeddings: keras.layers.Layer | None = None,
        name: str = "generator",
        encoder: str = ENCODER,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("direction", None)
        trainable = kwargs.pop("trainable", True)
        super().__init__(
            name=name, dtype=kwargs.get("dtype"), trainable=trainable
        )
        encoder_class = keras.saving.get_registered_object(encoder)

        def tower(direction, embeddings, suffix):
            # A config of an older version may give another class.
            return encoder_class.from_config(
                {
                    **kwargs,
                    "embeddings": embeddings,
                    "direction": direction,
                    "name": f"{name}_{suffix}",
                }
            )

        self.left_to_right = tower("left_to_right", embeddings, "ltr")
        self.right_to_left = tower(
            "right_to_left", self.left_to_right.embeddings, "rtl"
        )
        self.encoder = keras.saving.get_registered_name(
            type(self.left_to_right)
        )
        # Sizes and options, as an encoder has them.
        for key in self.left_to_right.get_config():
            if not hasattr(self, key):
                setattr(self, key, getattr(self.left_to_right, key))
        self.built = True

    @property
    def embeddings(self) -> keras.layers.Layer:
        """The shared `ElectraEmbedding` layer."""
        return self.left_to_right.embeddings

    def flops_per_token(self, sequence_length: int) -> float:
        """FLOPs of a token in one of the two encoders."""
        return self.left_to_right.flops_per_token(sequence_length)

    def make_masked_lm_head(
        self, width: int | None = None, name: str = "masked_lm_head"
    ) -> MaskedLMHead:
        """A `MaskedLMHead`, by default for the joined vectors of both."""
        width = width or 2 * self.hidden_dim
        return self.left_to_right.make_masked_lm_head(width, name)

    @property
    def muon_kernels(self) -> list[keras.Variable]:
        """The variables that Muon moves."""
        return [
            *self.left_to_right.muon_kernels,
            *self.right_to_left.muon_kernels,
        ]

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        left, right = (
            tower(inputs, training=training)["sequence_output"]
            for tower in (self.left_to_right, self.right_to_left)
        )
        return ops.concatenate(
            [ops.roll(left, 1, axis=1), ops.roll(right, -1, axis=1)], axis=-1
        )

    def get_config(self) -> dict[str, Any]:
        config = self.left_to_right.get_config()
        del config["direction"]
        return {**config, "name": self.name, "encoder": self.encoder}
