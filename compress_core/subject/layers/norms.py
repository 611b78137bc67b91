"""Norms that stand behind a layer and can be taken out of the way."""

from __future__ import annotations

import torch
from torch import nn

from compress_core.subject.layers.places import frozen, replace_module


def fold_away(skeleton: nn.Module, layer: str, norm: str) -> None:
    """Replace a norm by nothing and give the layer before it a bias that can carry its shift."""
    module, behind = skeleton.get_submodule(layer), skeleton.get_submodule(norm)
    assert isinstance(behind, nn.modules.batchnorm._BatchNorm)  # noqa: SLF001 - the common base of batch norms
    if getattr(module, "bias", None) is None:
        module.bias = frozen(torch.zeros(behind.num_features))
    replace_module(skeleton, behind, nn.Identity())
