"""Bundled presets with ModernBERT's layers: name -> description."""

PRESETS = {
    "rtd_modern_tiny_uncased_en": (
        "electra_tiny_uncased_en with layers like ModernBERT's. Trained on "
        "35 M words."
    ),
    "rtd_modern_mini_uncased_en": (
        "ModernBERT of 6 layers x 256 with tiny's vocabulary, 7 M weights."
    ),
    "rtd_modern_small_uncased_en": (
        "ModernBERT with electra_small's layers and width."
    ),
    "rtd_modern_base_uncased_en": (
        "ModernBERT with electra_base's layers and width."
    ),
}
