"""Plain KerasHub: two backbones, its heads, and `compute_loss`."""

import keras
import keras_hub
from keras import ops

DISCRIMINATOR_WEIGHT = 50.0


class PlainPretrainer(keras.Model):
    """What a person writes who has KerasHub and the paper."""

    def __init__(self, size, dtype):
        super().__init__(dtype=dtype)
        self.discriminator = _backbone(size.backbone, dtype)
        self.generator = _backbone(size.generator, dtype)
        self.masked_lm_head = keras_hub.layers.MaskedLMHead(
            token_embedding=self.generator.token_embedding,
            intermediate_activation="gelu",
            dtype=dtype,
        )
        self.detection = keras.layers.Dense(1, dtype=dtype)
        self.sampling_seed = keras.random.SeedGenerator(0)

    def call(self, batch, training=None):
        def encode(encoder, token_ids):
            inputs = {
                "token_ids": token_ids,
                "segment_ids": batch["segment_ids"],
                "padding_mask": batch["padding_mask"],
            }
            return encoder(inputs, training=training)["sequence_output"]

        positions = batch["mask_positions"]
        logits = self.masked_lm_head(
            encode(self.generator, batch["masked_token_ids"]), positions
        )
        logits = ops.cast(logits, "float32")
        vocabulary = logits.shape[-1]
        sampled = keras.random.categorical(
            ops.reshape(ops.stop_gradient(logits), (-1, vocabulary)),
            1,
            seed=self.sampling_seed,
        )
        sampled = ops.reshape(ops.cast(sampled, "int32"), positions.shape)
        length = batch["token_ids"].shape[1]
        hit = ops.one_hot(positions, length, dtype="int32")
        sampled = ops.max(hit * sampled[..., None], axis=1)
        corrupted = ops.where(
            ops.any(hit > 0, axis=1), sampled, batch["token_ids"]
        )
        detected = self.detection(encode(self.discriminator, corrupted))
        return {
            "generator_logits": logits,
            "is_replaced": ops.not_equal(corrupted, batch["token_ids"]),
            "discriminator_logits": ops.cast(detected[..., 0], "float32"),
        }

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        generator = ops.sparse_categorical_crossentropy(
            x["mask_ids"], y_pred["generator_logits"], from_logits=True
        )
        discriminator = ops.binary_crossentropy(
            ops.cast(y_pred["is_replaced"], "float32"),
            y_pred["discriminator_logits"],
            from_logits=True,
        )
        return ops.mean(generator) + DISCRIMINATOR_WEIGHT * ops.mean(
            discriminator
        )


def _backbone(encoder, dtype):
    return keras_hub.models.ElectraBackbone(
        vocab_size=encoder.vocabulary_size,
        num_layers=encoder.num_layers,
        num_heads=encoder.num_heads,
        hidden_dim=encoder.hidden_dim,
        embedding_dim=encoder.embedding_dim,
        intermediate_dim=encoder.intermediate_dim,
        dropout=0.0,
        max_sequence_length=encoder.max_sequence_length,
        dtype=dtype,
    )


def make(case, batches):
    policy = {"float32": "float32", "bfloat16": "mixed_bfloat16"}[case.dtype]
    model = PlainPretrainer(case.size, policy)
    # Its fastest on a CPU: the graph on TensorFlow, XLA on JAX.
    compiled = keras.config.backend() == "jax"
    model.compile(
        optimizer=keras.optimizers.AdamW(5e-4, global_clipnorm=1.0),
        jit_compile=compiled,
    )

    def step(i):
        batch = batches[i % len(batches)]
        return float(model.train_on_batch(batch, return_dict=True)["loss"])

    return step
