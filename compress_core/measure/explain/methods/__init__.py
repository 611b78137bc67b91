"""The attribution methods, one file each; a new file is found without being listed anywhere."""

FIRST_METHOD = "integrated_gradients"
"""The one that explains until another is chosen."""
