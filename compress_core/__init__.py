"""Pure PyTorch model compression: techniques, exact bytes, honest comparison. Knows no user interface."""

__version__ = "0.1.0"
