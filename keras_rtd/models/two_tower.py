"""Electric's generator: two encoders that read in opposite directions."""

import keras
from keras import ops

from keras_rtd.models import families


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
        embeddings: the `ElectraEmbedding` of both.
        family: string. The registered family of both. Defaults to
            `"electra"`.
        **kwargs: arguments of the family's backbone, for each of the two.

    Call arguments: those of the backbone.

    Returns:
        (batch, length, 2 * hidden_dim).
    """

    def __init__(
        self, embeddings=None, name="generator", family="electra", **kwargs
    ):
        kwargs.pop("direction", None)
        trainable = kwargs.pop("trainable", True)
        super().__init__(
            name=name, dtype=kwargs.get("dtype"), trainable=trainable
        )
        self.family = family
        backbone_cls = families.get(family)
        self.left_to_right = backbone_cls(
            embeddings=embeddings,
            direction="left_to_right",
            name=f"{name}_ltr",
            **kwargs,
        )
        self.right_to_left = backbone_cls(
            embeddings=self.left_to_right.embeddings,
            direction="right_to_left",
            name=f"{name}_rtl",
            **kwargs,
        )
        # Sizes and options, as an encoder has them.
        for key in backbone_cls.arguments():
            if key != "direction":
                setattr(self, key, getattr(self.left_to_right, key))
        self.built = True

    @property
    def embeddings(self):
        """The shared `ElectraEmbedding` layer."""
        return self.left_to_right.embeddings

    def flops_per_token(self, sequence_length):
        """FLOPs of a token in one of the two encoders."""
        return self.left_to_right.flops_per_token(sequence_length)

    def make_masked_lm_head(self, name="masked_lm_head"):
        """A `MaskedLMHead` for the joined vectors of both encoders."""
        return self.left_to_right.make_masked_lm_head(2 * self.hidden_dim, name)

    @property
    def muon_kernels(self):
        """The variables that Muon moves."""
        return [
            *self.left_to_right.muon_kernels,
            *self.right_to_left.muon_kernels,
        ]

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
        return {**config, "name": self.name, "family": self.family}

    @classmethod
    def from_config(cls, config):
        backbone_cls, config = families.translated(config)
        family = backbone_cls.family if backbone_cls else "electra"
        return super().from_config({**config, "family": family})
