"""DeBERTaV3's bundled presets: name -> description."""

PRESETS: dict[str, str] = {}
