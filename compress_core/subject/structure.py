"""How a network's tree came from the loaded one: what a file must say so that it can be built again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor, nn

from compress_core.errors import Refused
from compress_core.subject.layers import Layer, fold_away
from compress_core.subject.skeleton import skeleton_of


@dataclass(frozen=True)
class Structure:
    """Norms that were folded into the layer before them: (layer, norm) by name."""

    folded: tuple[tuple[str, str], ...] = ()
    rescaled: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.folded)

    @cached_property
    def touched(self) -> frozenset[str]:
        """The modules of the loaded network whose computation changed."""
        return frozenset(name for pair in self.folded for name in pair) | frozenset(self.rescaled)

    def built(self, network: nn.Module) -> nn.Module:
        """A skeleton with this structure; the values of what changed are for the caller to put in."""
        skeleton = skeleton_of(network)
        for layer, norm in self.folded:
            fold_away(skeleton, layer, norm)
        return skeleton

    def spread(self, loaded: Layer, small: Layer, matrix: Tensor) -> Tensor:
        """A weight of the base [out, in * k] in the shape it was loaded in, zero where it was cut out."""
        assert loaded.kernel_shape == small.kernel_shape
        return matrix

    def as_json(self) -> dict[str, Any]:
        """Plain values for a file."""
        return {"folded": [list(pair) for pair in self.folded]}

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Structure:
        """The reverse of `as_json`; raises Refused for anything else."""
        try:
            return cls(tuple((str(layer), str(norm)) for layer, norm in said["folded"]))
        except (KeyError, TypeError, ValueError):
            raise Refused(
                "The file describes its structure in a way that this release does not know."
            ) from None
