"""Layers of the encoders, of their heads, and of masking."""
