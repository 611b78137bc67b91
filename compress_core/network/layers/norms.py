"""Batch norms: what they hold, and how one that stands behind a layer is taken out of the way."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from compress_core.network.layers.places import frozen, replace_module


@dataclass(frozen=True)
class NormState:
    """What a batch norm computes with: gain * (x - mean) / sqrt(variance + epsilon) + offset, [channels]."""

    gain: Tensor
    offset: Tensor
    mean: Tensor
    variance: Tensor
    epsilon: float


def batch_norms(network: nn.Module) -> tuple[str, ...]:
    """The batch norms that use running statistics, by name."""
    return tuple(
        name
        for name, module in network.named_modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None  # noqa: SLF001 - the common base of batch norms
    )


def norms_of_each_batch(network: nn.Module) -> tuple[str, ...]:
    """The batch norms without running statistics, by name: they take those of the items at hand."""
    return tuple(
        name
        for name, module in network.named_modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is None  # noqa: SLF001 - the common base of batch norms
    )


def reset_statistics(network: nn.Module) -> None:
    """Let every batch norm begin with the running statistics of nothing seen."""
    for name in batch_norms(network):
        norm = network.get_submodule(name)
        assert isinstance(norm, nn.modules.batchnorm._BatchNorm)  # noqa: SLF001 - the common base of batch norms
        norm.reset_running_stats()


def read_norm(network: nn.Module, norm: str) -> NormState:
    """The values of a batch norm; gain 1 and offset 0 where it has none of its own."""
    module = network.get_submodule(norm)
    assert isinstance(module, nn.modules.batchnorm._BatchNorm)  # noqa: SLF001 - the common base of batch norms
    mean, variance = module.running_mean, module.running_var
    assert mean is not None, "a batch norm without running statistics cannot be read"
    assert variance is not None, "a batch norm without running statistics cannot be read"
    gain = torch.ones_like(mean) if module.weight is None else module.weight.detach()
    offset = torch.zeros_like(mean) if module.bias is None else module.bias.detach()
    return NormState(gain, offset, mean, variance, module.eps)


def fold_away(skeleton: nn.Module, layer: str, norm: str) -> None:
    """Replace a norm by nothing and give the layer before it a bias that can carry its shift.

    Raises TypeError where there is no such norm.
    """
    module, behind = skeleton.get_submodule(layer), skeleton.get_submodule(norm)
    if not isinstance(behind, nn.modules.batchnorm._BatchNorm):  # noqa: SLF001 - the common base of batch norms
        raise TypeError(norm)
    if getattr(module, "bias", None) is None:
        module.bias = frozen(torch.zeros(behind.num_features))
    replace_module(skeleton, behind, nn.Identity())
