"""The structured slider: one coupled group, all of them, and the small network built afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch_pruning
from torch import Tensor, nn

from benchmarks.clock import Case, Side
from benchmarks.networks import Size, resnet50
from benchmarks.peer_graph import peer_graph
from benchmarks.visitor import sparsity_of
from compress_core.apply.base import Cutting, cutting_of, groups_of
from compress_core.foundation.store import Store
from compress_core.network.layers.kinds import Layer
from compress_core.recipe.edit import with_group
from compress_core.recipe.values import ResolvedRecipe, Step
from compress_core.structure.group import Group, GroupKind
from compress_core.structure.masked_preview import MaskedPreview
from compress_core.structure.remaining import remaining
from compress_core.structure.shrink import shrink
from compress_core.subject.subject import Subject

GOAL = 15
_FAR = 203  # of the slider's turns, which makes each a jump of a third of its way or more
_SMALLEST = 32  # pixels of the side of an image that still goes through the network


@dataclass(frozen=True, eq=False)
class _Shown:
    """What a slider shows: the layers as they would be, and the preview with its weights."""

    layers: tuple[Layer, ...]
    network: nn.Module


class _Sliders:
    """One visitor's sliders for some groups of a network: scores are known, one preview is kept."""

    def __init__(self, subject: Subject, names: Sequence[str], store: Store) -> None:
        self.subject, self.names, self.store = subject, names, store
        self.masked = MaskedPreview(subject.network)
        self.groups = groups_of(subject, (), store)

    def cutting(self, share: float) -> Cutting:
        """Step checked, recipe edited, units chosen."""
        step, recipe = Step.of_group("magnitude", share_removed=share), ResolvedRecipe(())
        for name in self.names:
            recipe = with_group(recipe, name, step)
        return cutting_of(self.subject, recipe, self.store)

    def show(self, share: float) -> _Shown:
        """Numbers and preview weights after the slider was let go."""
        found = self.cutting(share)
        layers = remaining(self.subject.layers, found.cuts, found.dropped)
        return _Shown(layers, self.masked.show(found.cuts, found.dropped))

    def removed(self, share: float) -> Mapping[str, list[int]]:
        """The same choice as numbers of channels of each group's first producer."""
        return {name: _channels(self.groups[name], ~kept) for name, kept in self.cutting(share).kept.items()}


def _far(turn: int) -> float:
    """Another place of the slider at every turn, far from the last: what changes must be written."""
    return sparsity_of(turn * _FAR)


def _channels(group: Group, lost: Tensor) -> list[int]:
    first = next(m for m in group.members if m.module == group.producers[0])
    found: list[int] = first.indices[lost].flatten().tolist()
    return found


def cases(size: Size) -> Iterator[Case]:
    """One group, then all free groups; each time the numbers and the preview, then the small network."""
    subject, store = resnet50(size), Store()
    groups = groups_of(subject, (), store).values()
    free = [g.name for g in groups if g.locked is None and g.kind is not GroupKind.BLOCK]
    one = "layer4.1.conv2"
    assert one in free
    yield from _cases(f"group {one}", _Sliders(subject, [one], store))
    yield from _cases(f"all {len(free)} groups", _Sliders(subject, free, store))


def _cases(of: str, sliders: _Sliders) -> Iterator[Case]:
    def built(share: float) -> nn.Module:
        found = sliders.cutting(share)
        return shrink(sliders.subject.network, found.cuts, found.dropped)

    name, ours = f"structured slider, {of}", Side("slimscope", sliders.show, sparsity_of)
    image = sliders.subject.split("validation").inputs[:1]
    peer = _peer(sliders, image)
    yield Case(name, peer, ours, _same_small, GOAL)
    thrown = Side("slimscope", sliders.show, _far)
    yield Case("  thrown far at every turn", peer, thrown, _same_small)
    yield Case("  traced on the smallest image", _peer(sliders, _small_images()[:1]), ours, _same_small)
    yield Case("  building the small network", peer, Side("slimscope", built, sparsity_of), _same_outputs)


def _peer(sliders: _Sliders, image: Tensor) -> Side:
    """Which channels go it is told: no time for scores is charged to it."""
    network = sliders.subject.network
    return Side(
        "torch-pruning: copy, graph, prune",
        lambda removed: _by_torch_pruning(network, removed, image),
        lambda turn: sliders.removed(sparsity_of(turn)),
    )


def _by_torch_pruning(network: nn.Module, removed: Mapping[str, list[int]], image: Tensor) -> nn.Module:
    small, graph = peer_graph(network, image)
    for name, channels in removed.items():
        layer = small.get_submodule(name)
        graph.get_pruning_group(layer, torch_pruning.prune_conv_out_channels, idxs=channels).prune()
    return small


def _small_images() -> Tensor:
    shape = (2, 3, _SMALLEST, _SMALLEST)
    return torch.randn(shape, generator=torch.Generator().manual_seed(4))


def _same_small(peer: nn.Module, ours: _Shown) -> bool:
    """Layers of the same shapes, and a preview that answers as the small network does."""
    shapes = {name: p.shape for name, p in peer.named_parameters()}
    told = all(shapes[f"{layer.name}.weight"] == layer.kernel_shape for layer in ours.layers)
    return told and _same_outputs(peer, ours.network)


@torch.inference_mode()
def _same_outputs(peer: nn.Module, ours: nn.Module) -> bool:
    one, other = peer(_small_images()), ours(_small_images())
    return torch.allclose(one, other, rtol=1e-3, atol=1e-3 * float(one.abs().max()))
