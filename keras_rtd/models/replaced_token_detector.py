"""The discriminator with its head."""

from typing import Any
from typing import Self

import keras
import keras_hub

from keras_rtd.models.encoder_backbone import RtdBackbone
from keras_rtd.models.loading import from_pretrainer_preset
from keras_rtd.models.preprocessor import ElectraPreprocessor
from keras_rtd.models.text_task import TextTask


@keras.saving.register_keras_serializable(package="keras_rtd")
class ElectraReplacedTokenDetector(TextTask, keras_hub.models.Task):
    """An ELECTRA encoder that says which tokens were replaced.

    Inputs: dict of `token_ids`, `segment_ids` int32 and `padding_mask` int32
    or bool, each (batch, length).

    Output: dict of `discriminator_logits` float32 (batch, length); positive
    means replaced.

    Args:
        backbone: `ElectraBackbone` or another `RtdBackbone`.
        preprocessor: `ElectraPreprocessor` or `None`.

    Example:
    ```python
    detector = keras_rtd.models.ElectraReplacedTokenDetector.from_preset(
        "runs/mine"
    )
    logits = detector.predict(["The cat sat on the mat."])
    ```
    """

    preprocessor: Any

    backbone_cls = RtdBackbone
    preprocessor_cls = ElectraPreprocessor

    def __init__(
        self,
        backbone: RtdBackbone,
        preprocessor: ElectraPreprocessor | None = None,
        head: keras.layers.Layer | None = None,
        **kwargs: Any,
    ) -> None:
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.detection_head = head or backbone.make_detection_head()
        logits = self.detection_head(backbone.output["sequence_output"])
        super().__init__(
            inputs=backbone.input,
            outputs={"discriminator_logits": logits},
            **kwargs,
        )

    @classmethod
    def from_preset(
        cls, preset: str, load_weights: bool = True, **kwargs: Any
    ) -> Self:
        """As KerasHub's; a pretrainer's preset gives its discriminator."""
        return from_pretrainer_preset(
            cls, preset, load_weights, "replaced_token_detector", **kwargs
        ) or super().from_preset(preset, load_weights, **kwargs)
