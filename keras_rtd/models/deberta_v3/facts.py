"""What follows from a DeBERTaV3 encoder's sizes."""

from keras_rtd.layers.embedding import padded_rows
from keras_rtd.models.deberta_v3.positions import table_rows
from keras_rtd.models.encoder_facts import EncoderFacts


class DebertaV3Facts(EncoderFacts):
    """Scores by distance beside those by key; a table all layers share."""

    absolute_positions: bool
    enhanced_mask_decoder: bool
    bucket_size: int | None
    max_relative_positions: int | None
    position_attention: list[str]
    share_attention_key: bool
    normalize_relative_embedding: bool

    @property
    def uses_positions(self) -> bool:  # type: ignore[override]
        return self.absolute_positions

    @property
    def decodes(self) -> bool:
        """Whether the output is the enhanced mask decoder's."""
        return self.enhanced_mask_decoder and not self.absolute_positions

    def flops_per_token(self, sequence_length: int) -> float:
        """The relative positions' projections are left out: they are one for
        a whole batch."""
        width = self.hidden_dim
        # The decoder is the last layer, twice.
        layers = self.num_layers + (1 if self.decodes else 0)
        distances = len(self.position_attention) * (2 * sequence_length - 1)
        scores = width * (2 * sequence_length + distances)
        products = layers * (self.layer_products() + scores)
        return 2.0 * (products + self._projection())

    def activation_numbers(self, sequence_length: int) -> float:
        """With scores by distance, and the same shifted."""
        terms = len(self.position_attention)
        scores = terms * self.num_heads * 3 * sequence_length
        base = super().activation_numbers(sequence_length)
        return base + self.num_layers * scores

    def embedding_parameters(self) -> int:
        rows = padded_rows(self.vocabulary_size) + self.num_segments
        if self.uses_positions:
            rows += self.max_sequence_length
        return rows * self.embedding_dim

    def encoder_parameters(self) -> int:
        width = self.hidden_dim
        longest = self.max_relative_positions or self.max_sequence_length
        # Tables of width numbers a row; a LayerNorm is two rows.
        rows = table_rows(self.bucket_size, longest) + 2
        if self.normalize_relative_embedding:
            rows += 2
        if self.decodes:
            rows += self.max_sequence_length
        layers = self.num_layers * self.layer_parameters()
        return self._projection() + rows * width + layers

    def detection_head_parameters(self) -> int:
        # Its LayerNorm has a bias too.
        return super().detection_head_parameters() + 2 * self.hidden_dim

    def layer_parameters(self) -> int:
        own = 0 if self.share_attention_key else len(self.position_attention)
        width = self.hidden_dim
        return super().layer_parameters() + own * (width + 1) * width
