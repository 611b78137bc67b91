"""A state dict with the shapes and names of a network that is known already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from compress_core.loading.state_names import named_as


def match_known(state: Mapping[str, Tensor], known: Mapping[str, Mapping[str, Sequence[int]]]) -> str | None:
    """The name of the known architecture with these tensor shapes and, but for a prefix, names; or None."""
    for architecture, shapes in known.items():
        found = {name: tuple(tensor.shape) for name, tensor in named_as(shapes, state).tensors.items()}
        if found == {name: tuple(shape) for name, shape in shapes.items()}:
            return architecture
    return None
