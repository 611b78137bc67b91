"""Where a network applies a matrix: what is needed to execute a layer in another form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from compress_core.foundation.texts import N_
from compress_core.network.attention import is_hooked
from compress_core.network.layers.factors import _leave_fast_path
from compress_core.network.layers.kinds import is_attention, is_computed
from compress_core.network.layers.places import frozen, replace_module
from compress_core.network.shared_copy import shared_copy

_DENSE_ONLY = (nn.Conv1d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
FactorPair = tuple[int, int]


@dataclass(frozen=True)
class ConvolutionWindow:
    """How a two-dimensional convolution moves over its input."""

    kernel: FactorPair
    stride: FactorPair
    padding: FactorPair
    dilation: FactorPair

    @property
    def is_pointwise(self) -> bool:
        """Whether it is a matrix applied at every pixel."""
        return self.kernel == self.stride == (1, 1) and self.padding == (0, 0)


@dataclass(frozen=True, eq=False)
class MatrixSite:
    """A module that applies matrix [out, in * k] and bias [out]; window None for a Linear.

    reason: why it can only run as it is; empty where other kernel variants may be tried.
    """

    name: str
    matrix: Tensor
    bias: Tensor | None = None
    window: ConvolutionWindow | None = None
    reason: str = ""

    @property
    def channels(self) -> int:
        """Input channels of a convolution, inputs of a Linear."""
        return self.matrix.shape[1] // (
            1 if self.window is None else self.window.kernel[0] * self.window.kernel[1]
        )


def find_sites(network: nn.Module) -> tuple[MatrixSite, ...]:
    """Every Linear and convolution outside of attention's own projections, in module order."""
    hidden = [f"{name}." if name else "" for name, module in network.named_modules() if is_attention(module)]
    return tuple(
        site
        for name, module in network.named_modules()
        if not any(name.startswith(prefix) for prefix in hidden)
        for site in _sites_of(name, module)
    )


def _sites_of(name: str, module: nn.Module) -> Iterator[MatrixSite]:
    match module:
        case nn.Linear():
            yield MatrixSite(name, module.weight.detach(), module.bias, reason=_reason(module, nn.Linear))
        case nn.Conv2d():
            yield MatrixSite(name, *_read_convolution(module))
        case _ if isinstance(module, _DENSE_ONLY):
            reason = N_("only two-dimensional convolutions are tried in other kernel variants")
            yield MatrixSite(name, module.weight.detach().flatten(1), module.bias, reason=reason)


def _read_convolution(module: nn.Conv2d) -> tuple[Tensor, Tensor | None, ConvolutionWindow | None, str]:
    matrix, reason = module.weight.detach().flatten(1), _reason(module, nn.Conv2d)
    if module.groups > 1:
        reason = N_("grouped: each group multiplies a few channels only")
    if isinstance(module.padding, str) or module.padding_mode != "zeros":
        return matrix, module.bias, None, reason or N_("its padding is not zeros of a fixed width")
    sizes = (module.kernel_size, module.stride, module.padding, module.dilation)
    return matrix, module.bias, ConvolutionWindow(*((int(a), int(b)) for a, b in sizes)), reason


def _reason(module: nn.Module, base: type[nn.Module]) -> str:
    """A computed weight, a hook or a forward of its own would be lost with the module."""
    own = type(module).forward is not base.forward or "forward" in vars(module) or is_hooked(module)
    return N_("it has a computation of its own") if own or is_computed(module, "weight") else ""


def find_pairs(network: nn.Module) -> Mapping[str, nn.Module]:
    """Factored layers by name, each with the one dense layer that computes the same."""
    found = {name: _merged(module) for name, module in network.named_modules() if name}
    return {name: merged for name, merged in found.items() if merged is not None}


def _merged(module: nn.Module) -> nn.Module | None:
    """The product of two layers in a row that nothing stands between; None for anything else."""
    if not isinstance(module, nn.Sequential) or len(module) != 2:
        return None
    match module[0], module[1]:
        case nn.Linear() as one, nn.Linear() as two:
            merged: nn.Linear | nn.Conv2d = nn.Linear(one.in_features, two.out_features, device="meta")
        case nn.Conv2d() as one, nn.Conv2d() as two:
            beside = two.groups, two.kernel_size, two.stride, two.padding
            if one.groups > 1 or beside != (1, (1, 1), (1, 1), (0, 0)):
                return None
            merged = nn.Conv2d(
                one.in_channels,
                two.out_channels,
                one.kernel_size,  # type: ignore[arg-type]  # a pair
                one.stride,  # type: ignore[arg-type]
                one.padding,  # type: ignore[arg-type]
                one.dilation,  # type: ignore[arg-type]
                padding_mode=one.padding_mode,
                device="meta",
            )
        case _:
            return None
    if "bias" in dict(one.named_parameters()):
        return None
    product = two.weight.flatten(1) @ one.weight.flatten(1)
    merged.weight = frozen(product.view(merged.weight.shape))
    merged.bias = None if two.bias is None else frozen(two.bias)
    return merged.eval()


def with_modules(network: nn.Module, replacements: Mapping[str, nn.Module]) -> nn.Module:
    """A skeleton of the network with other modules in some places; the network stays as it is."""
    skeleton = shared_copy(network)
    for name, module in replacements.items():
        replace_module(skeleton, skeleton.get_submodule(name), module)
        _leave_fast_path(skeleton, name.rpartition(".")[0])
    return skeleton


def input_of(network: nn.Module, name: str, batch: Tensor) -> Tensor | None:
    """What [N, ...] a module gets in its first call of one pass, with its strides; None where uncalled."""
    seen: list[Tensor] = []

    def note(_: nn.Module, inputs: tuple[Tensor, ...], kwargs: dict[str, Tensor]) -> None:
        seen.append(inputs[0] if inputs else next(iter(kwargs.values())))

    hook = network.get_submodule(name).register_forward_pre_hook(note, with_kwargs=True)
    try:
        with torch.inference_mode():
            network(batch)
    finally:
        hook.remove()
    return seen[0] if seen else None
