"""Which trade-off: what each layer bears, budgets, search, all models."""
