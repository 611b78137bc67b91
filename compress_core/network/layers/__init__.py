"""Layers: the only code that knows Linear, convolutions, Embedding, norms and attention."""
