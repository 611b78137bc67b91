"""Fewer channels for one module: what each type must change, and which types cannot."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import N_, Phrase
from compress_core.network.attention import PlainAttention
from compress_core.network.layers.kinds import (
    CONVOLUTIONS,
    RECURRENT,
    TRANSPOSED,
    Layer,
    LayerKind,
    is_computed,
    kernel_view,
)
from compress_core.network.layers.places import from_kernel, frozen, replace_module
from compress_core.network.layers.side import Side

_PER_CHANNEL = (
    nn.modules.batchnorm._NormBase,  # noqa: SLF001 - the only common base of batch and instance norm
    nn.GroupNorm,
    nn.PReLU,
)
_PRODUCERS = (nn.Linear, nn.Embedding, *CONVOLUTIONS, *TRANSPOSED)
_TOGETHER = 2**18  # values that are picked in one go
_OPAQUE = (nn.MultiheadAttention, nn.Bilinear, nn.EmbeddingBag)


def is_producer(module: nn.Module) -> bool:
    """Whether a module makes channels of its own, so that some could be taken away."""
    return isinstance(module, _PRODUCERS) or is_opaque(module)


def reads_its_own_weight(module: nn.Module) -> bool:
    """Whether a module is a layer of torch's own, whose forward reads its parameters and writes to none."""
    plain = type(module) in _PRODUCERS and "forward" not in vars(module)
    return plain and getattr(module, "max_norm", None) is None


def is_convolution(module: nn.Module) -> bool:
    return isinstance(module, CONVOLUTIONS + TRANSPOSED)


def is_depthwise(module: nn.Module) -> bool:
    """Whether every channel passes on its own, so that the side does not matter."""
    if not isinstance(module, CONVOLUTIONS + TRANSPOSED):
        return False
    return bool(module.groups == module.in_channels == module.out_channels != 1)


def channel_groups(module: nn.Module) -> int:
    """Into how many equal parts a module divides its channels."""
    if isinstance(module, nn.GroupNorm):
        return module.num_groups
    return int(module.groups) if isinstance(module, CONVOLUTIONS + TRANSPOSED) else 1


def reason_to_keep_whole(module: nn.Module) -> str | None:
    """Why a module cannot lose channels; None where it can."""
    if getattr(module, "weight", None) is not None and is_computed(module, "weight"):
        return N_("its weight is computed from other parameters, an edit would be lost")
    if _norms_all(module):
        return N_("a norm is taken across these channels: with fewer of them its statistics change")
    if isinstance(module, nn.MultiheadAttention):
        return N_("attention with keys of its own, which our attention does not compute")
    if isinstance(module, RECURRENT):
        return N_("recurrent: one weight serves every time step through a fused kernel")
    if isinstance(module, _OPAQUE):
        return Phrase("{kind} has no form with fewer channels yet", kind=type(module).__name__)
    return None


def _norms_all(module: nn.Module) -> bool:
    if isinstance(module, nn.GroupNorm):
        return module.num_groups == 1
    return isinstance(module, nn.LayerNorm | nn.RMSNorm)


def width_of(module: nn.Module, side: Side) -> int | None:
    """How many channels a side has, from the shape of the weight; None where it has no such side."""
    out = side is Side.OUT
    if isinstance(module, CONVOLUTIONS + TRANSPOSED):
        kernel = _kernel_of(module)
        return kernel.shape[0] if out else kernel.shape[1] * module.groups
    width: int | None = None
    match module:
        case nn.Linear():
            width = module.weight.shape[0 if out else 1]
        case nn.Embedding() if out:
            width = module.weight.shape[1]
        case nn.PReLU():
            width = module.num_parameters
        case nn.GroupNorm():
            width = module.num_channels
        case nn.LayerNorm():
            width = module.normalized_shape[-1]
        case nn.modules.batchnorm._NormBase():  # noqa: SLF001
            width = module.num_features
    return width


def cut_channels(module: nn.Module, name: str, out: Tensor | None, into: Tensor | None) -> None:
    """Keep some channels of a module that belongs to a skeleton: out and into are indices or None (all).

    out [n], into [n].

    Raises Refused where the module cannot have fewer.
    """
    reason = reason_to_keep_whole(module)
    if reason is not None:
        raise _refused(name, reason)
    match module:
        case nn.Linear():
            _cut_linear(module, out, into)
        case nn.Embedding():
            module.weight = frozen(_picked(module.weight, 1, out))
            module.embedding_dim = module.weight.shape[1]
        case nn.GroupNorm() if out is not None:
            _cut_group_norm(module, name, out)
        case nn.PReLU() if out is not None:
            module.weight = frozen(_picked(module.weight, 0, out))
            module.num_parameters = len(out)
        case nn.modules.batchnorm._NormBase() if out is not None:  # noqa: SLF001
            _cut_batch_norm(module, out)
        case _ if is_convolution(module):
            _cut_convolution(module, name, out, into)
        case _:
            raise _refused(
                name, Phrase("{kind} has no form with fewer channels yet", kind=type(module).__name__)
            )


def _refused(name: str, reason: str) -> Refused:
    return Refused(
        "{layer} cannot lose these channels ({reason}): leave its group whole.", layer=name, reason=reason
    )


def mask_inputs(module: nn.Module, kept: Tensor) -> None:
    """Zero the weights that read any input channel other than those kept [n]; the module stays as large."""
    width = width_of(module, Side.IN)
    if width is None or is_depthwise(module) or isinstance(module, _PER_CHANNEL):
        return
    silent = torch.ones(width, dtype=torch.bool)
    silent[kept] = False
    if isinstance(module, nn.Linear):
        module.weight = frozen(module.weight.masked_fill(silent, 0))
    elif isinstance(module, CONVOLUTIONS + TRANSPOSED):
        kernel = _kernel_of(module)
        rows = silent.view(module.groups, -1).repeat_interleave(kernel.shape[0] // module.groups, 0)
        masked = kernel.masked_fill(rows.view(*kernel.shape[:2], *(1,) * (kernel.dim() - 2)), 0)
        module.weight = frozen(from_kernel(masked, module.groups, isinstance(module, TRANSPOSED)))


def input_axis(module: nn.Module) -> int | None:
    """Along which axis of its weight a module reads channels; None where no single axis holds them all."""
    if isinstance(module, nn.Linear):
        return 1
    if isinstance(module, CONVOLUTIONS + TRANSPOSED) and module.groups == 1:
        return 0 if isinstance(module, TRANSPOSED) else 1
    return None


def is_opaque(module: nn.Module) -> bool:
    """Whether channels cannot be followed through a module."""
    return isinstance(module, (*RECURRENT, *_OPAQUE))


def open_attention(network: nn.Module, owners: Iterable[str]) -> None:
    """Put attention with projections of their own in the place of each nn.MultiheadAttention named."""
    for owner in owners:
        module = network.get_submodule(owner)
        if isinstance(module, nn.MultiheadAttention):
            replace_module(network, module, PlainAttention.taking_over(module, owner))
    for module in network.modules():
        if isinstance(module, nn.TransformerEncoder):
            module.use_nested_tensor = False


def attention_names(network: nn.Module) -> tuple[str, ...]:
    """The names of the attention modules whose projections are no layers yet."""
    return tuple(n for n, module in network.named_modules() if isinstance(module, nn.MultiheadAttention))


def _kernel_of(module: nn.Module) -> Tensor:
    assert isinstance(module, CONVOLUTIONS + TRANSPOSED)
    return kernel_view(module.weight.detach(), module.groups, isinstance(module, TRANSPOSED))


def _picked(values: Tensor, axis: int, kept: Tensor | None) -> Tensor:
    return values.detach() if kept is None else values.detach().index_select(axis, kept)


def _picked_of_both(values: Tensor, out: Tensor | None, into: Tensor | None) -> Tensor:
    """What is kept along both axes of values [out, in, ...], with room for the answer and a few rows more."""
    if out is None or into is None:
        return _picked(_picked(values, 0, out), 1, into)
    small = values.new_empty(len(out), len(into), *values.shape[2:])
    rows = max(1, _TOGETHER // max(1, values[0].numel()))
    for start in range(0, len(out), rows):
        some = values.detach().index_select(0, out[start : start + rows])
        torch.index_select(some, 1, into, out=small[start : start + rows])
    return small


def _cut_linear(module: nn.Linear, out: Tensor | None, into: Tensor | None) -> None:
    module.weight = frozen(_picked_of_both(module.weight, out, into))
    module.out_features, module.in_features = module.weight.shape
    if module.bias is not None and out is not None:
        module.bias = frozen(_picked(module.bias, 0, out))


def _cut_batch_norm(module: nn.Module, out: Tensor) -> None:
    for parameter, values in list(module.named_parameters(recurse=False)):
        setattr(module, parameter, frozen(_picked(values, 0, out)))
    for buffer, statistic in list(module.named_buffers(recurse=False)):
        if statistic.dim():
            setattr(module, buffer, _picked(statistic, 0, out))
    module.num_features = len(out)  # type: ignore[assignment]


def _cut_group_norm(module: nn.GroupNorm, name: str, out: Tensor) -> None:
    size = module.num_channels // module.num_groups
    counts = torch.bincount(out // size, minlength=module.num_groups)
    if not bool(((counts == 0) | (counts == size)).all()):
        raise _refused(
            name, Phrase("a norm is taken across {size} channels, so only all of them can go", size=size)
        )
    module.num_channels, module.num_groups = len(out), int((counts > 0).sum())
    for parameter, values in list(module.named_parameters(recurse=False)):
        setattr(module, parameter, frozen(_picked(values, 0, out)))


def _cut_convolution(module: nn.Module, name: str, out: Tensor | None, into: Tensor | None) -> None:
    assert isinstance(module, CONVOLUTIONS + TRANSPOSED)
    if is_depthwise(module):
        out = into = out if into is None else into
    kernel, groups = _kernel_of(module), module.groups
    if groups == 1:
        kernel = _picked_of_both(kernel, out, into)
    else:
        kernel, groups = _cut_grouped(kernel, groups, name, out, into)
    module.weight = frozen(from_kernel(kernel, groups, isinstance(module, TRANSPOSED)))
    module.groups = groups
    module.out_channels, module.in_channels = kernel.shape[0], kernel.shape[1] * groups
    if module.bias is not None and out is not None:
        module.bias = frozen(_picked(module.bias, 0, out))


def _cut_grouped(
    kernel: Tensor, groups: int, name: str, out: Tensor | None, into: Tensor | None
) -> tuple[Tensor, int]:
    """A grouped kernel [out, in / groups, *k] with whole groups gone or the same number from each."""
    rows, columns = kernel.shape[0] // groups, kernel.shape[1]
    out = torch.arange(rows * groups) if out is None else out
    into = torch.arange(columns * groups) if into is None else into
    made, read = (torch.bincount(kept // n, minlength=groups) for kept, n in ((out, rows), (into, columns)))
    alive = made > 0
    left = int(alive.sum())
    even = bool((made[alive] == made.max()).all() and (read[alive] == read.max()).all())
    if not even or not bool(((read > 0) == alive).all()):
        raise _refused(
            name,
            Phrase(
                "a convolution in {groups} groups, each of which must keep equally many channels",
                groups=groups,
            ),
        )
    inner = (into % columns).view(left, -1).repeat_interleave(int(made.max()), 0)
    shape = (*inner.shape, *kernel.shape[2:])
    index = inner.view(*inner.shape, *(1,) * (kernel.dim() - 2)).expand(shape)
    return kernel.index_select(0, out).gather(1, index), left


def pads_with_zeros(module: nn.Module) -> bool:
    """Whether what a module reads beyond the edges of its input is zero, whatever stands there."""
    if not isinstance(module, CONVOLUTIONS + TRANSPOSED) or module.padding_mode != "zeros":
        return False
    return module.padding == "same" or any(size for size in module.padding if size != "valid")


def channel_sums(layer: Layer, values: Tensor, side: Side) -> Tensor:
    """The sum of values [out, in * k] of a layer's weight over each channel of one side [channels]."""
    return channel_rows(layer, values.view(layer.kernel_shape), side).sum(dim=1)


def channel_rows(layer: Layer, kernel: Tensor, side: Side) -> Tensor:
    """The weights [channels, n] that belong to each channel of one side; kernel [out, in, *k]."""
    flat = kernel.reshape(*kernel.shape[:2], -1)
    if layer.kind is LayerKind.EMBEDDING:
        return flat.transpose(0, 1).flatten(1)
    depthwise = layer.groups > 1 and layer.kernel_shape[1] == 1
    if side is Side.OUT or depthwise:
        return flat.flatten(1)
    return torch.unflatten(flat, 0, (layer.groups, -1)).transpose(1, 2).flatten(0, 1).flatten(1)


def read_norm_gain(network: nn.Module, name: str) -> Tensor | None:
    """The gain of a norm [channels]; None for another module, and for a norm without one."""
    module = dict(network.named_modules()).get(name)
    norms = (nn.modules.batchnorm._NormBase, nn.GroupNorm)  # noqa: SLF001
    return module.weight.detach() if isinstance(module, norms) and module.affine else None
