"""Keras's quantisation, which these layers do not have."""

import pytest
import tiny
import user_models

from keras_rtd.models import ElectraReplacedTokenDetector


@pytest.mark.parametrize("mode", ["int8", "int4", "float8"])
def test_it_is_refused_and_changes_nothing(mode):
    backbone = user_models.backbone()
    for model in (
        backbone,
        user_models.classifier(),
        ElectraReplacedTokenDetector(backbone),
        tiny.pretrainer(),
    ):
        before = [w.dtype for w in model.weights]
        with pytest.raises(ValueError, match="quantize='int8'"):
            model.quantize(mode)
        assert [w.dtype for w in model.weights] == before
