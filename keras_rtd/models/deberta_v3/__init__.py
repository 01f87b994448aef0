"""DeBERTaV3: disentangled attention, trained by RTD."""
