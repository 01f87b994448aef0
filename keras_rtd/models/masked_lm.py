"""The generator on its own."""

from typing import Any
from typing import Self

import keras
import keras_hub

from keras_rtd.models.encoder_backbone import RtdBackbone
from keras_rtd.models.loading import from_pretrainer_preset
from keras_rtd.models.preprocessor import ElectraPreprocessor
from keras_rtd.models.text_task import TextTask
from keras_rtd.training.labelled_step import LabelledStep


@keras.saving.register_keras_serializable(package="keras_rtd")
class ElectraMaskedLM(LabelledStep, TextTask, keras_hub.models.MaskedLM):
    """An ELECTRA encoder that fills masked positions: the generator.

    Inputs: dict of `token_ids`, `segment_ids` int32, `padding_mask` int32 or
    bool (batch, length) and `mask_positions` int32 (batch, count).

    Output: float32 logits (batch, count, vocabulary_size).

    Args:
        backbone: `ElectraBackbone` or another `RtdBackbone`.
        preprocessor: `ElectraPreprocessor` or `None`.

    Example:
    ```python
    generator = keras_rtd.models.ElectraMaskedLM.from_preset("runs/mine")
    ```
    """

    preprocessor: Any

    backbone_cls = RtdBackbone
    preprocessor_cls = ElectraPreprocessor
    pipeline_tag = "fill-mask"

    def __init__(
        self,
        backbone: RtdBackbone,
        preprocessor: ElectraPreprocessor | None = None,
        head: keras.layers.Layer | None = None,
        **kwargs: Any,
    ) -> None:
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.masked_lm_head = head or backbone.make_masked_lm_head()
        positions = keras.Input((None,), dtype="int32", name="mask_positions")
        logits = self.masked_lm_head(
            backbone.output["sequence_output"], positions
        )
        super().__init__(
            inputs={**backbone.input, "mask_positions": positions},
            outputs=logits[..., : backbone.vocabulary_size],
            **kwargs,
        )

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.fit`, on prepared batches."""
        self._check_prepared()
        return super().fit(x, *args, **kwargs)

    def evaluate(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.evaluate`, on prepared batches."""
        self._check_prepared()
        return super().evaluate(x, *args, **kwargs)

    def predict(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.predict`, on prepared batches."""
        self._check_prepared()
        return super().predict(x, *args, **kwargs)

    def _check_prepared(self):
        if self.preprocessor is not None:
            raise ValueError(
                "ElectraMaskedLM takes no texts: its preprocessor masks no "
                "tokens. Train with ElectraPretrainer(objective='mlm'), or set "
                "`preprocessor` to None and give dicts with `mask_positions`."
            )

    @classmethod
    def from_preset(
        cls, preset: str, load_weights: bool = True, **kwargs: Any
    ) -> Self:
        """As KerasHub's; a pretrainer's preset gives its generator."""
        return from_pretrainer_preset(
            cls, preset, load_weights, "masked_lm", **kwargs
        ) or super().from_preset(preset, load_weights, **kwargs)
