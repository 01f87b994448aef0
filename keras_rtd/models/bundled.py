"""The presets that the package brings.

A bundled preset is a KerasHub preset directory, some with weights, registered
under its name, so that every `from_preset` of KerasHub finds it offline.
"""

import pathlib

from keras_rtd.keras_internals import preset_utils
from keras_rtd.models.backbone import ElectraBackbone

DIRECTORY = pathlib.Path(__file__).parent / "presets"

DESCRIPTIONS = {
    "electra_tiny_uncased_en": (
        "4 layers x 128, 8,192 tokens; for CPUs. Trained on 35 M words."
    ),
    "electra_small_uncased_en": "12 layers x 256, as published.",
    "electra_base_uncased_en": "12 layers x 768, as published.",
    "electra_large_uncased_en": "24 layers x 1024, as published.",
    "rtd_modern_tiny_uncased_en": (
        "electra_tiny_uncased_en with modern layers. Trained on 35 M words."
    ),
    "rtd_modern_small_uncased_en": "electra_small's sizes, modern layers.",
    "rtd_modern_base_uncased_en": "electra_base's sizes, modern layers.",
}

preset_utils.register_presets(
    {
        name: {
            "metadata": {"description": description, "path": "electra"},
            # KerasHub's word for where a preset is; a local path will do.
            "kaggle_handle": str(DIRECTORY / name),
        }
        for name, description in DESCRIPTIONS.items()
    },
    ElectraBackbone,
)
