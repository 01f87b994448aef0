"""ELECTRA's bundled presets: name -> description."""

PRESETS = {
    "electra_tiny_uncased_en": (
        "4 layers x 128, 8,192 tokens; for CPUs. Trained on 35 M words."
    ),
    "electra_small_uncased_en": "12 layers x 256, as published.",
    "electra_base_uncased_en": "12 layers x 768, as published.",
    "electra_large_uncased_en": "24 layers x 1024, as published.",
}
