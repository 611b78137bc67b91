"""What happens to the inputs of layers, fixed once all weights are what they will be."""

from __future__ import annotations

from compress_core.model import Model
from compress_core.store import Store


def with_inputs(model: Model, store: Store) -> Model:  # noqa: ARG001
    """The model with the input rules of its recipe."""
    return model
