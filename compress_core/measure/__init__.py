"""What a model does and costs: predictions, numbers with intervals, comparisons, explanations."""
