"""Models as files that others can use."""
