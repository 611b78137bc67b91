"""What a layer reads, written so that its output is a plain product: output = columns @ matrix.T + bias."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.network.attention import PlainAttention
from compress_core.network.layers.kinds import CONVOLUTIONS, TRANSPOSED, Layer, WeightLocation
from compress_core.network.layers.places import projection_at, replace_module

_MULTIPLIES = (nn.Linear, *CONVOLUTIONS, *TRANSPOSED)


def readers(skeleton: nn.Module, layer: Layer) -> tuple[nn.Module, ...]:
    """The modules of a skeleton that multiply a layer's weight, one for each of its places.

    Attention is replaced by four ordinary layers first. Raises Refused where what they read cannot be seen.
    """
    modules = tuple(_module_at(skeleton, place) for place in layer.places)
    for module, place in zip(modules, layer.places, strict=True):
        _refuse_unless_it_multiplies(module, layer, place)
    return modules


def columns(module: nn.Module, given: Tensor) -> Tensor:
    """What each position of a layer's output is made of, [groups, positions, in / groups * k].

    given: the module's input; positions run over items and places of the output. It may be a view.
    """
    if isinstance(module, nn.Linear):
        return given.reshape(1, -1, given.shape[-1])
    assert isinstance(module, CONVOLUTIONS + TRANSPOSED)
    axes = len(module.kernel_size)
    batched = given if given.dim() == axes + 2 else given.unsqueeze(0)
    if isinstance(module, TRANSPOSED):
        windows = _windows(_spread_out(module, batched), module.kernel_size, module.dilation, (1,) * axes)
        windows = windows.flip(tuple(range(-axes, 0)))
    else:
        mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
        padding = module._reversed_padding_repeated_twice  # noqa: SLF001 - the one form that knows "same"
        padded = nn.functional.pad(batched, padding, mode=mode)
        windows = _windows(padded, module.kernel_size, module.dilation, module.stride)
    groups = module.groups
    split: Tensor = torch.unflatten(windows, 1, (groups, -1))
    by_group = split.movedim(1, 0).movedim(2, axes + 2)
    return by_group.reshape(groups, -1, windows.shape[1] // groups * math.prod(module.kernel_size))


def channel_axis(module: nn.Module) -> int:
    """The axis of its input, counted from the end, that holds a layer's channels or features."""
    if isinstance(module, nn.Sequential):  # a layer that was factored
        return channel_axis(module[0])
    if isinstance(module, nn.Linear):
        return -1
    assert isinstance(module, CONVOLUTIONS + TRANSPOSED)
    return -1 - len(module.kernel_size)


def fused_attention(network: nn.Module, layer: Layer) -> frozenset[nn.Module]:
    """What `readers` replaces in a network to let a layer be heard, which changes the bits behind it."""
    around = {name for place in layer.places for name in (place.module.rpartition(".")[0], place.module)}
    modules = (network.get_submodule(name) for name in around if name)
    return frozenset(module for module in modules if isinstance(module, nn.MultiheadAttention))


def reader_named(skeleton: nn.Module, name: str) -> nn.Module:
    """The module of that name, which reads a layer's input; raises Refused where it reads no channels.

    Attention is replaced by four ordinary layers first; a factored layer is read by its first part.
    """
    _without_fused_attention(skeleton, name)
    module = skeleton.get_submodule(name)
    first = module[0] if isinstance(module, nn.Sequential) and len(module) else module
    if not isinstance(first, _MULTIPLIES):
        raise Refused(
            "{layer} looks rows up and multiplies no input, so there is nothing to measure on it: "
            "use a technique that looks at weights alone, such as magnitude or uniform.",
            layer=name,
        )
    return module


def _without_fused_attention(skeleton: nn.Module, name: str) -> None:
    """Attention at this name or around it calls four ordinary layers from now on."""
    for around in (name.rpartition(".")[0], name):
        module = skeleton.get_submodule(around)
        if isinstance(module, nn.MultiheadAttention) and around:
            replace_module(skeleton, module, PlainAttention.taking_over(module, around))


def _module_at(skeleton: nn.Module, place: WeightLocation) -> nn.Module:
    _without_fused_attention(skeleton, place.module)
    module = skeleton.get_submodule(place.module)
    if isinstance(module, PlainAttention):
        return module.get_submodule(projection_at(place))
    return module


def _refuse_unless_it_multiplies(module: nn.Module, layer: Layer, place: WeightLocation) -> None:
    known = next((kind for kind in _MULTIPLIES if isinstance(module, kind)), None)
    if isinstance(module, nn.Embedding):
        raise Refused(
            "{layer} looks rows up and multiplies no input, so there is nothing to measure on it: "
            "use a technique that looks at weights alone, such as magnitude or uniform.",
            layer=layer.name,
        )
    if known is None or type(module).forward is not known.forward or "forward" in vars(module):
        raise Refused(
            "{place} computes with the weight of {layer} in a way of its own, so what it multiplies "
            "cannot be seen: use a technique that looks at weights alone, such as magnitude or uniform.",
            place=place.module or place.parameter,
            layer=layer.name,
        )


def _windows(
    given: Tensor, kernel: tuple[int, ...], dilation: tuple[int, ...], stride: tuple[int, ...]
) -> Tensor:
    """[N, C, *size] -> [N, C, *positions, *k], a view."""
    for axis, (size, gap, step) in enumerate(zip(kernel, dilation, stride, strict=True)):
        given = given.unfold(2 + axis, gap * (size - 1) + 1, step)[..., ::gap]
    return given


def _spread_out(module: nn.Module, given: Tensor) -> Tensor:
    """The input of a transposed convolution with the zeros that its stride puts between, and its margins."""
    assert isinstance(module, TRANSPOSED)
    axes = len(module.kernel_size)
    sizes = [(n - 1) * step + 1 for n, step in zip(given.shape[2:], module.stride, strict=True)]
    spread = given.new_zeros(*given.shape[:2], *sizes)
    slots = spread
    for axis, step in enumerate(module.stride):
        slots = slots[(slice(None),) * (2 + axis) + (slice(None, None, step),)]
    slots.copy_(given)
    margins: list[int] = []
    for axis in reversed(range(axes)):
        padding = module.padding[axis]
        assert isinstance(padding, int)
        margin = module.dilation[axis] * (module.kernel_size[axis] - 1) - padding
        margins += [margin, margin + module.output_padding[axis]]
    return nn.functional.pad(spread, margins)
