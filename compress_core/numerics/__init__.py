"""Plain mathematics on tensors and counts; knows nothing of networks or recipes."""
