"""Encoders and the models made of them."""

from keras_rtd.layers.two_tower import ElectraTwoTowerGenerator
from keras_rtd.models.deberta_v3.backbone import DebertaV3Backbone
from keras_rtd.models.electra.backbone import ElectraBackbone
from keras_rtd.models.encoder_backbone import RtdBackbone
from keras_rtd.models.masked_lm import ElectraMaskedLM
from keras_rtd.models.modernbert.backbone import ModernBertBackbone
from keras_rtd.models.preprocessor import ElectraPreprocessor
from keras_rtd.models.pretrainer import ElectraPretrainer
from keras_rtd.models.question_answerer import ElectraQuestionAnswerer
from keras_rtd.models.question_answerer_preprocessor import (
    ElectraQuestionAnswererPreprocessor,
)
from keras_rtd.models.replaced_token_detector import (
    ElectraReplacedTokenDetector,
)
from keras_rtd.models.text_classifier import ElectraTextClassifier
from keras_rtd.models.token_classifier import ElectraTokenClassifier
from keras_rtd.models.token_classifier_preprocessor import (
    ElectraTokenClassifierPreprocessor,
)
from keras_rtd.tokenizers import ElectraTokenizer
from keras_rtd.utils.public_names import listed

__all__ = [
    "DebertaV3Backbone",
    "ElectraBackbone",
    "ElectraMaskedLM",
    "ElectraPreprocessor",
    "ElectraPretrainer",
    "ElectraQuestionAnswerer",
    "ElectraQuestionAnswererPreprocessor",
    "ElectraReplacedTokenDetector",
    "ElectraTextClassifier",
    "ElectraTokenClassifier",
    "ElectraTokenClassifierPreprocessor",
    "ElectraTokenizer",
    "ElectraTwoTowerGenerator",
    "ModernBertBackbone",
    "RtdBackbone",
]

__dir__ = listed(__name__)
