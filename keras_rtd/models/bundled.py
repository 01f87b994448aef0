"""The families and presets that the package brings.

A bundled preset is a KerasHub preset directory, some with weights, registered
under its name, so that every `from_preset` of KerasHub finds it offline.
"""

import pathlib

from keras_rtd.keras_internals import preset_utils
from keras_rtd.models import families
from keras_rtd.models.deberta_v3.backbone import DebertaV3Backbone
from keras_rtd.models.electra.backbone import ElectraBackbone
from keras_rtd.models.modernbert.backbone import ModernBertBackbone

# The registry's lines.
BUNDLED = (
    families.register(ElectraBackbone),
    families.register(ModernBertBackbone),
    families.register(DebertaV3Backbone),
)

DIRECTORY = pathlib.Path(__file__).parent / "presets"

# Of all families: name -> description.
DESCRIPTIONS: dict[str, str] = {}

for _backbone_cls in BUNDLED:
    DESCRIPTIONS |= _backbone_cls.bundled_presets
    preset_utils.register_presets(
        {
            name: {
                "metadata": {"description": description, "path": "electra"},
                # KerasHub's word for where a preset is; a local path will do.
                "kaggle_handle": str(DIRECTORY / name),
            }
            for name, description in _backbone_cls.bundled_presets.items()
        },
        _backbone_cls,
    )
