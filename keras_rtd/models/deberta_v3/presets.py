"""DeBERTaV3's bundled presets: name -> description."""

PRESETS = {
    "rtd_deberta_v3_tiny_en": (
        "DeBERTaV3 of 4 layers x 128, 8,192 tokens, cased; for CPUs."
    ),
    "rtd_deberta_v3_xsmall_en": (
        "DeBERTaV3 of 12 layers x 384, as published; 32,000 tokens, cased."
    ),
    "rtd_deberta_v3_small_en": (
        "DeBERTaV3 of 6 layers x 768, as published; 32,000 tokens, cased."
    ),
    "rtd_deberta_v3_base_en": (
        "DeBERTaV3 of 12 layers x 768, as published; 32,000 tokens, cased."
    ),
    "rtd_deberta_v3_large_en": (
        "DeBERTaV3 of 24 layers x 1024, as published; 32,000 tokens, cased."
    ),
}
