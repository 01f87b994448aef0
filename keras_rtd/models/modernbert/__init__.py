"""ModernBERT: rotary positions, gated feed-forward, local attention."""
