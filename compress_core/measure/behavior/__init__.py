"""What a model answers, and how that differs from its original."""
