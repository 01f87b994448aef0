"""What follows from an encoder's sizes, with or without its weights."""

from typing import Any
from typing import Self

from keras_rtd.layers.embedding import padded_rows


class EncoderFacts:
    """Answers of a family of encoders about one of its encoders.

    Reads the attributes named as the backbone's arguments (`hidden_dim`, …)
    and nothing else, so that an encoder of 300 M weights can be counted without
    making it: see `families.facts`. The defaults are those of BERT's layers; a
    family overrides what differs.

    Attributes:
        uses_positions: bool. Whether there is a table of positions, which
            limits rows to `max_sequence_length`.
        use_bias: bool. Whether kernels and LayerNorms have biases.
        feed_forward_kernels: int. Kernels of a feed-forward layer, each
            `hidden_dim` times `intermediate_dim`.
    """

    vocabulary_size: int
    num_layers: int
    num_heads: int
    hidden_dim: int
    embedding_dim: int
    intermediate_dim: int
    max_sequence_length: int
    num_segments: int

    uses_positions = True
    use_bias = True
    feed_forward_kernels = 2

    @classmethod
    def of(cls, config: dict[str, Any]) -> Self:
        """The facts of an encoder with this config, without its weights."""
        facts = cls()
        vars(facts).update(config)
        return facts

    @property
    def scale_input(self) -> bool:
        """Whether each head scales its input."""
        return False

    @property
    def norm_in_heads(self) -> bool:
        """Whether heads are ModernBERT's: dense -> gelu -> LayerNorm without
        bias -> logits."""
        return False

    @property
    def uses_segments(self) -> bool:
        """Whether `segment_ids` change the outputs."""
        return self.num_segments > 0

    @classmethod
    def inner_width(cls, intermediate_dim: int, kernels: int = 2) -> int:
        """`intermediate_dim` at which a feed-forward layer of this family has
        about as many weights and products as one of `kernels` kernels.

        Args:
            intermediate_dim: int, the width in the other layer.
            kernels: int. Defaults to 2, BERT's.

        Returns:
            int, a multiple of 8 where it differs.
        """
        if kernels == cls.feed_forward_kernels:
            return intermediate_dim
        exact = intermediate_dim * kernels / cls.feed_forward_kernels
        return max(8, 8 * round(exact / 8))

    # === Work ===

    def keys_of_query(self, index: int, sequence_length: int) -> int:
        """Positions for which layer `index` computes scores of a query."""
        return sequence_length

    def flops_per_token(self, sequence_length: int) -> float:
        """Multiply-adds, counted as two, of one token's forward pass.

        Matrix products only: lookups, norms and softmax are free.

        Args:
            sequence_length: int.

        Returns:
            float.
        """
        width = self.hidden_dim
        seen = sum(
            self.keys_of_query(i, sequence_length)
            for i in range(self.num_layers)
        )
        products = self.num_layers * self.layer_products()
        products += self._projection() + 2 * width * seen
        return 2.0 * products

    def layer_products(self) -> int:
        """Weights of a layer's kernels."""
        width = self.hidden_dim
        inner = self.feed_forward_kernels * width * self.intermediate_dim
        return 4 * width * width + inner

    def activation_numbers(self, sequence_length: int) -> float:
        """Numbers of one token that are kept for the backward pass.

        Of a layer: its input, query, key, value, their result, two sums before
        LayerNorm and one output of it, the inner units before and after GELU,
        and the attention's weights and scores.
        """
        layer = 8 * self.hidden_dim + 2 * self.intermediate_dim
        layer += 2 * self.num_heads * sequence_length
        return self.num_layers * layer

    # === Weights ===

    def _projection(self):
        differs = self.embedding_dim != self.hidden_dim
        return self.embedding_dim * self.hidden_dim if differs else 0

    def embedding_parameters(self) -> int:
        """Weights of the embedding, which two encoders may share."""
        rows = padded_rows(self.vocabulary_size) + self.num_segments
        if self.uses_positions:
            rows += self.max_sequence_length
        norm = 2 if self.use_bias else 1
        return (rows + norm) * self.embedding_dim

    def encoder_parameters(self) -> int:
        """Weights of the encoder but for its embedding."""
        width, total = self.hidden_dim, self._projection()
        if total and self.use_bias:
            total += width
        return total + self.num_layers * self.layer_parameters()

    def detection_head_parameters(self) -> int:
        """Weights of the detection head: two kernels and their biases, and
        the scales of its norm and of its input where there are such."""
        width = self.hidden_dim
        scales = self.norm_in_heads + self.scale_input
        return width * (width + 2 + scales) + 1

    def layer_parameters(self) -> int:
        """Weights of a layer: its kernels, biases and two LayerNorms."""
        width = self.hidden_dim
        total = self.layer_products() + 2 * width
        if self.use_bias:
            inner = (self.feed_forward_kernels - 1) * self.intermediate_dim
            total += 7 * width + inner
        return total
