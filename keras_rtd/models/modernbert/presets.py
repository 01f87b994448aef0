"""Bundled presets with ModernBERT's layers: name -> description."""

PRESETS = {
    "rtd_modern_tiny_uncased_en": (
        "electra_tiny_uncased_en with ModernBERT's layers. Trained on 35 M "
        "words."
    ),
    "rtd_modern_small_uncased_en": (
        "electra_small's sizes, ModernBERT's layers."
    ),
    "rtd_modern_base_uncased_en": "electra_base's sizes, ModernBERT's layers.",
}
