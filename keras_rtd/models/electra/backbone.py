"""The ELECTRA encoder."""

from typing import Any

import keras

from keras_rtd.models import families
from keras_rtd.models.electra import huggingface
from keras_rtd.models.electra.block import ElectraEncoderBlock
from keras_rtd.models.electra.presets import PRESETS
from keras_rtd.models.encoder_backbone import RtdBackbone
from keras_rtd.models.encoder_facts import EncoderFacts


class ElectraFacts(EncoderFacts):
    """BERT's layers: the defaults."""


@keras.saving.register_keras_serializable(package="keras_rtd")
class ElectraBackbone(ElectraFacts, RtdBackbone):
    """The ELECTRA encoder: embeddings, projection, BERT's layers.

    Equal to google-research/electra's `BertModel` with `embedding_size`
    (model/modeling.py): erf-gelu, post-LayerNorm, no pooler. Arguments, inputs
    and outputs are those of `RtdBackbone`.

    Example:
    ```python
    encoder = keras_rtd.models.ElectraBackbone.from_preset("runs/mine")
    vectors = encoder(batch)["sequence_output"]
    ```
    """

    family = "electra"
    facts_cls = ElectraFacts
    bundled_presets = PRESETS
    exports_to = ("google", "keras_hub")
    huggingface = huggingface

    def make_layer(self, index: int, **arguments: Any) -> keras.layers.Layer:
        return ElectraEncoderBlock(**arguments)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> RtdBackbone:
        """The encoder; of a config of older versions, of the family it had."""
        backbone_cls, config = families.translated(config)
        if backbone_cls not in (None, cls):
            return backbone_cls.from_config(config)
        return super().from_config(config)
