"""What cuts leave of each layer, counted without building anything: the numbers of a slider."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from compress_core.network.layers.kinds import Layer, LayerKind
from compress_core.network.layers.side import Side
from compress_core.structure.shrink import ChannelCut, kept_by_side


def remaining(
    layers: Iterable[Layer], cuts: Iterable[ChannelCut], dropped: Sequence[str] = ()
) -> tuple[Layer, ...]:
    """The layers as the shrunk network has them: shapes, groups, MACs; those of dropped blocks are gone."""
    gone = tuple(f"{name}." for name in dropped)
    kept = kept_by_side(cuts)
    left = (layer for layer in layers if not f"{layer.name}.".startswith(gone))
    return tuple(
        _smaller(layer, kept[layer.name].get(Side.OUT), kept[layer.name].get(Side.IN))
        if layer.name in kept
        else layer
        for layer in left
    )


def _smaller(layer: Layer, out: Tensor | None, into: Tensor | None) -> Layer:
    rows, columns, *kernel = layer.kernel_shape
    if layer.kind is LayerKind.EMBEDDING:
        return replace(layer, kernel_shape=torch.Size([rows, columns if out is None else len(out)]))
    each = rows // layer.groups
    groups = layer.groups
    if groups > 1:
        groups = _groups_of(out, each) or _groups_of(into, columns)
    made = each * groups if out is None else len(out)
    read = columns if into is None else len(into) // groups
    shape = torch.Size([made, read, *kernel])
    macs = None if layer.macs is None else layer.macs * shape.numel() // max(1, layer.weights)
    return replace(layer, kernel_shape=shape, groups=groups, macs=macs)


def _groups_of(kept: Tensor | None, each: int) -> int:
    """How many groups of that many channels still have some."""
    return 0 if kept is None else int(torch.bincount(kept // each).count_nonzero())
