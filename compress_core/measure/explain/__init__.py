"""What a model looks at, and whether that stayed the same."""
