"""The registry's lines: the families that come with the package."""

from keras_rtd.models import families
from keras_rtd.models.electra.backbone import ElectraBackbone
from keras_rtd.models.modernbert.backbone import ModernBertBackbone

BUNDLED = (
    families.register(ElectraBackbone),
    families.register(ModernBertBackbone),
)
