"""Electric's generator: two encoders that read in opposite directions."""

import keras
from keras import ops

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
        self, embeddings=None, name="generator", encoder=ENCODER, **kwargs
    ):
        kwargs.pop("direction", None)
        trainable = kwargs.pop("trainable", True)
        super().__init__(
            name=name, dtype=kwargs.get("dtype"), trainable=trainable
        )
        self.encoder = encoder
        encoder_class = keras.saving.get_registered_object(encoder)
        self.left_to_right = encoder_class(
            embeddings=embeddings,
            direction="left_to_right",
            name=f"{name}_ltr",
            **kwargs,
        )
        self.right_to_left = encoder_class(
            embeddings=self.left_to_right.embeddings,
            direction="right_to_left",
            name=f"{name}_rtl",
            **kwargs,
        )
        # Sizes and options, as an encoder has them.
        for key in self.left_to_right.get_config():
            if not hasattr(self, key):
                setattr(self, key, getattr(self.left_to_right, key))
        self.built = True

    @property
    def embeddings(self):
        """The shared `ElectraEmbedding` layer."""
        return self.left_to_right.embeddings

    def call(self, inputs, training=None):
        left, right = (
            tower(inputs, training=training)["sequence_output"]
            for tower in (self.left_to_right, self.right_to_left)
        )
        return ops.concatenate(
            [ops.roll(left, 1, axis=1), ops.roll(right, -1, axis=1)], axis=-1
        )

    def get_config(self):
        config = self.left_to_right.get_config()
        del config["direction"]
        return {**config, "name": self.name, "encoder": self.encoder}
