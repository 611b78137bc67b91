"""Smaller layers in the place of one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.network.attention import PlainAttention, is_hooked
from compress_core.network.layers.kinds import (
    CONVOLUTIONS,
    TRANSPOSED,
    Extent,
    Layer,
    LayerKind,
    WeightLocation,
)
from compress_core.network.layers.places import from_kernel, frozen, replace_module
from compress_core.numerics.factoring import composed
from compress_core.techniques.contract.results import Factored


def write_factors(skeleton: nn.Module, layer: Layer, kernels: Sequence[Tensor]) -> None:
    """Put smaller layers in the place of one; raises Refused where the place cannot hold them.

    each [out, in, *k].

    kernels: as `shipped` orders them.
    """
    if len(layer.places) > 1:
        raise Refused(
            "{layer} shares its weight with {others}, so smaller layers cannot take its place: "
            "prune or quantize it instead.",
            layer=layer.name,
            others=", ".join(p.module or p.parameter for p in layer.places[1:]),
        )
    owner, _, last = layer.name.rpartition(".")
    if layer.kind is LayerKind.ATTENTION_PROJECTION:
        attention = skeleton.get_submodule(owner)
        if isinstance(attention, nn.MultiheadAttention):
            plain = PlainAttention.taking_over(attention, owner)
            replace_module(skeleton, attention, plain)
            attention = plain
        module = attention.get_submodule(last)
    else:
        module = skeleton.get_submodule(layer.name)
        _refuse_unless_known(layer, module)
    replace_module(skeleton, module, nn.Sequential(*_modules(module, layer, kernels)))
    _leave_fast_path(skeleton, owner)


def _refuse_unless_known(layer: Layer, module: nn.Module) -> None:
    """A subclass with a forward of its own, or a hook, does more than smaller layers would."""
    known = (nn.Linear, nn.Embedding, *CONVOLUTIONS, *TRANSPOSED)
    base = next(kind for kind in known if isinstance(module, kind))
    if type(module).forward is not base.forward or "forward" in vars(module) or is_hooked(module):
        raise Refused(
            "{layer} is a {kind} with a computation of its own, which smaller layers would lose: "
            "prune or quantize it instead.",
            layer=layer.name,
            kind=type(module).__name__,
        )


def _leave_fast_path(skeleton: nn.Module, owner: str) -> None:
    """TransformerEncoderLayer's fused kernel reads `linear1.weight`; a chain of layers has none."""
    names = [owner, owner.rpartition(".")[0]]
    for module in (skeleton.get_submodule(name) for name in names):
        if isinstance(module, nn.TransformerEncoderLayer):
            module.activation_relu_or_gelu = 0
    for module in skeleton.modules():
        if isinstance(module, nn.TransformerEncoder):
            module.use_nested_tensor = False


def shipped(layer: Layer, factors: Factored) -> tuple[Tensor, ...]:
    """The kernels of the small layers in the order in which they compute.

    -> each [out, in, *k].

    An embedding looks up the narrow rows and widens them, by the transpose of the other factor.
    """
    if layer.kind is not LayerKind.EMBEDDING:
        return factors.kernels
    wide, table = factors.kernels
    return table, wide.T.contiguous()


def multiplied_out(layer: Layer, kernels: Sequence[Tensor]) -> Tensor:
    """The weight [out, in / groups * k] that the small layers apply; kernels as `shipped` orders them."""
    if layer.kind is LayerKind.EMBEDDING:
        table, wide = kernels
        return table @ wide.T
    return composed(kernels, layer.groups).flatten(1)


def axes_of(layer: Layer, shapes: Sequence[torch.Size]) -> tuple[tuple[int, ...], ...]:
    """The axes of the layer's kernel that belong to each small layer: its stride and padding along them.

    The first that is as wide as the layer's own kernel takes an axis.
    Raises ValueError where the shapes are no chain in the place of the layer.
    """
    if not _is_chain(layer, shapes):
        raise ValueError(shapes)
    return _taken(layer.kernel_shape[2:], [shape[2:] for shape in shapes])


def _taken(own: Sequence[int], kernels: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    """The axes of a kernel [*k] that each of some kernels takes; raises ValueError where one is left."""
    owners = [next((i for i, k in enumerate(kernels) if k[a] == size), -1) for a, size in enumerate(own)]
    for index, kernel in enumerate(kernels):
        if any(kernel[a] != (size if owners[a] == index else 1) for a, size in enumerate(own)):
            raise ValueError(kernels)
    if -1 in owners:
        raise ValueError(kernels)
    return tuple(tuple(a for a, owner in enumerate(owners) if owner == i) for i in range(len(kernels)))


def shapes_in_file(layer: Layer, stored: Sequence[torch.Size]) -> list[torch.Size]:
    """Shapes of kernels from those of the weights of small layers: transposed ones lie the other way.

    Raises ValueError where they cannot stand in the place of the layer.
    """
    if any(len(shape) != len(layer.kernel_shape) for shape in stored):
        raise ValueError(stored)
    axes = _taken(layer.kernel_shape[2:], [shape[2:] for shape in stored])
    turned = [layer.transposed and bool(own) for own in axes]
    groups = layer.groups
    return [
        torch.Size([s[1] * groups, s[0] // groups, *s[2:]]) if is_turned else s
        for s, is_turned in zip(stored, turned, strict=True)
    ]


def _is_chain(layer: Layer, shapes: Sequence[torch.Size]) -> bool:
    """Whether channels fit from layer to layer, and at both ends."""
    if len(shapes) < 2 or any(len(shape) != len(layer.kernel_shape) for shape in shapes):
        return False
    if layer.kind is LayerKind.EMBEDDING:
        table, wide = shapes
        return table[1] == wide[1] and (table[0], wide[0]) == tuple(layer.kernel_shape)
    leaving = [shape[0] for shape in shapes]
    entering = [shape[1] * layer.groups for shape in shapes]
    ends = entering[0] == layer.kernel_shape[1] * layer.groups and leaving[-1] == layer.rows
    return ends and leaving[:-1] == entering[1:]


def _modules(module: nn.Module, layer: Layer, kernels: Sequence[Tensor]) -> list[nn.Module]:
    """Ordinary layers, one for each kernel; the last has the bias.

    They are made without weights ("meta"), because random ones would only be thrown away.
    """
    made: list[nn.Module] = []
    axes = axes_of(layer, [kernel.shape for kernel in kernels])
    for index, kernel in enumerate(kernels):
        is_last = index == len(kernels) - 1
        bias = module.bias if is_last and not isinstance(module, nn.Embedding) else None
        small = _module(module, kernel, axes[index], bias is not None, is_first=index == 0)
        transposed = isinstance(small, TRANSPOSED)
        small.weight = frozen(from_kernel(kernel, layer.groups, transposed))
        if isinstance(bias, Tensor):
            small.bias = frozen(bias)
        made.append(small.eval())
    return made


def _module(
    module: nn.Module, kernel: Tensor, axes: tuple[int, ...], bias: bool, *, is_first: bool
) -> nn.Module:
    outputs, inputs = kernel.shape[:2]
    match module:
        case nn.Embedding() if is_first:
            return nn.Embedding(outputs, inputs, module.padding_idx, device="meta")
        case nn.Linear() | nn.Embedding():
            return nn.Linear(inputs, outputs, bias=bias, device="meta")
        case _:
            return _convolution(module, kernel, axes, bias)


def _convolution(module: nn.Module, kernel: Tensor, axes: tuple[int, ...], bias: bool) -> nn.Module:
    """A convolution that moves along its own axes as the module does, and stands still along the others."""
    assert isinstance(module, CONVOLUTIONS + TRANSPOSED)
    groups = module.groups
    channels = kernel.shape[1] * groups, kernel.shape[0], tuple(kernel.shape[2:])
    if not axes:
        pointwise: Callable[..., nn.Module] = CONVOLUTIONS[kernel.dim() - 3]
        return pointwise(*channels, groups=groups, bias=bias, device="meta")

    def along(values: Sequence[int] | str, still: int) -> Sequence[int] | str:
        if isinstance(values, str):
            return values
        return tuple(value if axis in axes else still for axis, value in enumerate(values))

    moved = {"stride": along(module.stride, 1), "dilation": along(module.dilation, 1)}
    moved["padding"] = along(module.padding, 0)
    if isinstance(module, TRANSPOSED):
        moved["output_padding"] = along(module.output_padding, 0)
    else:
        moved["padding_mode"] = module.padding_mode
    build: Callable[..., nn.Module] = type(module)
    return build(*channels, groups=groups, bias=bias, device="meta", **moved)


def small_layers(layer: Layer, shapes: Sequence[torch.Size]) -> tuple[Layer, ...]:
    """The layers that a factoring leaves, from the shapes of their kernels as `shipped` orders them.

    Raises ValueError where they are no chain in the place of the layer.
    """
    axes = axes_of(layer, shapes)
    uses = _uses_of(layer, axes)
    return tuple(
        Layer(
            f"{layer.name}.{index}",
            LayerKind.FACTOR,
            shape,
            (WeightLocation(f"{layer.name}.{index}"),),
            layer.groups,
            layer.transposed and bool(axes[index]),
            macs=None if used is None else used.times * shape.numel(),
            positions=None if used is None else used.positions,
            extents=() if used is None else used.extents,
            factor_of=layer.label,
        )
        for index, (shape, used) in enumerate(zip(shapes, uses, strict=True))
    )


@dataclass(frozen=True)
class _Use:
    """How often each weight of a small layer is multiplied for one item, and its positions."""

    times: int
    positions: int
    extents: tuple[Extent, ...] = ()


def _uses_of(layer: Layer, axes: Sequence[tuple[int, ...]]) -> Sequence[_Use | None]:
    if layer.macs is None or layer.positions is None:
        return [None] * len(axes)
    if not layer.extents:
        first = layer.macs // max(1, layer.weights)
        return [_Use(first, first)] + [_Use(layer.positions, layer.positions) for _ in axes[1:]]
    uses: list[_Use] = []
    sizes = [extent.given for extent in layer.extents]
    for own in axes:
        extents = tuple(
            Extent(e.items, now, tuple(e.made[a] if a in own else size for a, size in enumerate(now)))
            for e, now in zip(layer.extents, sizes, strict=True)
        )
        positions = sum(e.items * math.prod(e.made) for e in extents)
        entering = sum(e.items * math.prod(e.given) for e in extents)
        uses.append(_Use(entering if layer.transposed and own else positions, positions, extents))
        sizes = [extent.made for extent in extents]
    return uses
