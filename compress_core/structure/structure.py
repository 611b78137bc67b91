"""How a network's tree came from the loaded one: what a file must say so that it can be built again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from compress_core.foundation.cached import cached_property
from compress_core.foundation.errors import Refused
from compress_core.network.layers.kinds import Layer
from compress_core.network.layers.norms import fold_away
from compress_core.network.layers.places import read_matrix, write_matrix
from compress_core.network.layers.side import Side
from compress_core.network.shared_copy import shared_copy
from compress_core.structure.shrink import ChannelCut, kept_by_side, shrink


@dataclass(frozen=True, eq=False)
class Structure:
    """What happened to the tree, in this order.

    folded: norms that went into the layer before them, (layer, norm) by name; rescaled: layers whose
    values were balanced, or whose biases took over what cut units said; cuts: what each side of a module
    kept; dropped: blocks that are left out.
    """

    folded: tuple[tuple[str, str], ...] = ()
    rescaled: tuple[str, ...] = ()
    cuts: tuple[ChannelCut, ...] = ()
    dropped: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.folded or self.rescaled or self.cuts or self.dropped)

    @cached_property
    def touched(self) -> frozenset[str]:
        """The modules and bare parameters of the loaded network whose computation changed."""
        folded = {name for pair in self.folded for name in pair}
        return frozenset({*folded, *self.rescaled, *self.dropped, *(cut.module for cut in self.cuts)})

    def then(self, later: Structure) -> Structure:
        """Both, one after the other: the later cuts speak of the channels that the earlier ones left."""
        kept = {module: dict(sides) for module, sides in kept_by_side(self.cuts).items()}
        for module, sides in kept_by_side(later.cuts).items():
            there = kept.setdefault(module, {})
            there |= {side: there[side][left] if side in there else left for side, left in sides.items()}
        return Structure(
            self.folded + later.folded,
            tuple(dict.fromkeys(self.rescaled + later.rescaled)),
            tuple(ChannelCut(module, side, left) for module, of in kept.items() for side, left in of.items()),
            self.dropped + later.dropped,
        )

    def built(self, network: nn.Module) -> nn.Module:
        """A skeleton with this structure; the values of what changed are for the caller to put in."""
        skeleton = shared_copy(network)
        for layer, norm in self.folded:
            fold_away(skeleton, layer, norm)
        return shrink(skeleton, self.cuts, self.dropped) if self.cuts or self.dropped else skeleton

    def spread(self, network: nn.Module, loaded: Layer, small: Layer, matrix: Tensor) -> Tensor:
        """A weight of the base [out, in * k] in the shape it was loaded in, zero where it was cut out."""
        if loaded.kernel_shape == small.kernel_shape:
            return matrix
        at = self.places(network, loaded, small).view(-1)
        whole = matrix.new_zeros(loaded.weights).index_copy_(0, at, matrix.reshape(-1))
        return whole.view(-1, loaded.columns)

    def places(self, network: nn.Module, loaded: Layer, small: Layer) -> Tensor:
        """Where each value of a smaller layer was in the loaded one's memory [out, in * k].

        network is the loaded one: its layer, filled with the numbers of its places and cut like the
        weight, says it.
        """
        numbered = shared_copy(network)
        places = torch.arange(loaded.weights, dtype=torch.float64).view(-1, loaded.columns)
        write_matrix(numbered, loaded, places)
        cut = shrink(numbered, [cut for cut in self.cuts if cut.module == loaded.name])
        return read_matrix(cut, small).long()

    def as_json(self) -> dict[str, Any]:
        """Plain values for a file."""
        return {
            "folded": [list(pair) for pair in self.folded],
            "rescaled": list(self.rescaled),
            "cuts": [[cut.module, cut.side, cut.kept.tolist()] for cut in self.cuts],
            "dropped": list(self.dropped),
        }

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Structure:
        """The reverse of `as_json`; raises Refused for anything else."""
        try:
            cuts = (
                ChannelCut(str(module), Side(side), _channels(kept)) for module, side, kept in said["cuts"]
            )
            return cls(
                tuple((str(layer), str(norm)) for layer, norm in said["folded"]),
                tuple(map(str, said["rescaled"])),
                tuple(cuts),
                tuple(map(str, said["dropped"])),
            )
        except (KeyError, TypeError, ValueError, RuntimeError):
            raise Refused(
                "The file describes its structure in a way that this release does not know: update it."
            ) from None


def _channels(said: Any) -> Tensor:
    """Numbers of channels in their order [n], none of them twice; raises ValueError for anything else."""
    kept = torch.tensor(said)
    if kept.dim() != 1 or kept.dtype != torch.int64 or bool((kept.diff() <= 0).any()):
        raise ValueError(kept.shape)
    return kept
