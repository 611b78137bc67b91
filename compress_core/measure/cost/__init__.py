"""What a model costs to keep and to run, counted."""
