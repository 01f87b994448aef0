"""Text in, encoder inputs out."""

from typing import Any

import keras
import keras_hub
import numpy as np

from keras_rtd.models.encoder_backbone import RtdBackbone
from keras_rtd.tokenizers.base import Tokenizer
from keras_rtd.tokenizers.electra_tokenizer import ElectraTokenizer
from keras_rtd.utils.setting import check_int
from keras_rtd.utils.writing import SavesPreset


@keras.saving.register_keras_serializable(package="keras_rtd")
class ElectraPreprocessor(SavesPreset, keras_hub.models.Preprocessor):
    """Tokenises and packs one or two texts: [CLS] A [SEP] (B [SEP]).

    Args:
        tokenizer: `keras_rtd.tokenizers.Tokenizer`.
        sequence_length: int. Length of the packed rows. Defaults to 512.
        truncate: `"round_robin"` or `"waterfall"`. Defaults to
            `"round_robin"`.

    Call arguments:
        x: a string, a batch of strings, or a tuple of two of these.

    Returns:
        dict of `token_ids`, `segment_ids` (int32) and `padding_mask` (bool),
        each (batch, sequence_length), or (sequence_length,) for one string.

    Example:
    ```python
    preprocessor = ElectraPreprocessor.from_preset("electra_small_uncased_en")
    preprocessor("The quick brown fox.")
    ```
    """

    backbone_cls = RtdBackbone
    tokenizer_cls = ElectraTokenizer

    def __init__(
        self,
        tokenizer: Tokenizer,
        sequence_length: int = 512,
        truncate: str = "round_robin",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.tokenizer = tokenizer
        self.truncate = truncate
        self._packer: Any = None
        self.sequence_length = sequence_length
        # There is nothing to build; at an unbuilt layer Keras would run a
        # task layer by layer before every batch.
        self.built = True

    @property
    def sequence_length(self) -> int:
        """Length of the packed rows."""
        return self._sequence_length

    @sequence_length.setter
    def sequence_length(self, value: int) -> None:
        check_int("sequence_length", value, 3)
        self._sequence_length = value
        self._packer = None

    @property
    def packer(self) -> keras.layers.Layer:
        """The `MultiSegmentPacker`, made when the vocabulary is there."""
        if self._packer is None:
            self.tokenizer.check_vocabulary()
            packer = keras_hub.layers.MultiSegmentPacker(
                start_value=self.tokenizer.cls_token_id,
                end_value=self.tokenizer.sep_token_id,
                pad_value=self.tokenizer.pad_token_id,
                truncate=self.truncate,
                sequence_length=self.sequence_length,
            )
            # Past Keras, which lets a built layer have no new ones.
            object.__setattr__(self, "_packer", packer)
        return self._packer

    def build(self, input_shape: Any = None) -> None:
        self.built = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # KerasHub takes a tuple of two for data and labels; labels of a text
        # are no texts.
        if len(args) == 1 and type(args[0]) is tuple and len(args[0]) == 2:
            if _is_text(args[0][1]):
                kwargs.setdefault("y", None)
        return super().__call__(*args, **kwargs)

    def call(self, x: Any, y: Any = None, sample_weight: Any = None) -> Any:
        texts = x if isinstance(x, tuple) else (x,)
        token_ids, segment_ids = self.packer(
            tuple(self.tokenizer(text) for text in texts)
        )
        features = {
            "token_ids": token_ids,
            "segment_ids": segment_ids,
            "padding_mask": token_ids != self.tokenizer.pad_token_id,
        }
        return keras.utils.pack_x_y_sample_weight(features, y, sample_weight)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.update(
            {
                "sequence_length": self.sequence_length,
                "truncate": self.truncate,
            }
        )
        return config


def _is_text(x):
    while isinstance(x, list | tuple) and x:
        x = x[0]
    if isinstance(x, np.ndarray):
        return x.dtype.kind in "OSU"
    return isinstance(x, str | bytes) or "string" in str(
        getattr(x, "dtype", "")
    )
