"""A layer of a plain network, told from the names and shapes of its tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from compress_core.foundation.errors import Refused
from compress_core.loading.stored import shown

ROLES = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")  # in PyTorch's order
_RECURRENT = re.compile(r"(weight|bias)_(ih|hh|hr)(_l\d+(_reverse)?)?")
_BRANCH = re.compile(r"(^|\.)(downsample|shortcut|residual|skip)(\.|_|\d|$)|(^|\.)layer\d+\.\d+\.conv\d")


@dataclass(frozen=True)
class Linear:
    """A fully connected layer, by its place in the state dict."""

    name: str
    inputs: int
    outputs: int
    bias: bool


@dataclass(frozen=True)
class Conv:
    """A two-dimensional convolution, by its place in the state dict; kernel is (height, width)."""

    name: str
    inputs: int
    outputs: int
    bias: bool
    kernel: tuple[int, int]


@dataclass(frozen=True)
class Norm:
    """A batch norm with running statistics; affine where it also has weight and bias."""

    name: str
    features: int
    affine: bool


Weighted = Linear | Conv


def part_of(name: str, tensors: Mapping[str, Tensor]) -> Weighted | Norm:
    """The layer that these tensors, by their role, make; refused with the reason where it is no plain one."""
    roles = set(tensors)
    if {"running_mean", "running_var"} <= roles <= set(ROLES):
        return _norm(name, tensors)
    if "weight" not in roles or not roles <= {"weight", "bias"}:
        raise reason_against(name, tensors)
    weight, bias = tensors["weight"], tensors.get("bias")
    if weight.dim() not in {2, 4} or (bias is not None and bias.shape != weight.shape[:1]):
        raise reason_against(name, tensors)
    if _BRANCH.search(name):
        raise Refused(
            "Layer '{layer}' is named like a part of a residual block, and branches cannot be told from a "
            "state dict. Load it by its code instead: package.module:factory.",
            layer=shown(name),
        )
    if weight.dim() == 2:
        return Linear(name, weight.shape[1], weight.shape[0], bias is not None)
    kernel = (weight.shape[2], weight.shape[3])
    return Conv(name, weight.shape[1], weight.shape[0], bias is not None, kernel)


def _norm(name: str, tensors: Mapping[str, Tensor]) -> Norm:
    vectors = [tensor for role, tensor in tensors.items() if role != "num_batches_tracked"]
    if any(vector.shape != tensors["running_mean"].shape or vector.dim() != 1 for vector in vectors) or (
        ("weight" in tensors) != ("bias" in tensors)
    ):
        raise reason_against(name, tensors)
    return Norm(name, len(tensors["running_mean"]), "weight" in tensors)


def reason_against(name: str, tensors: Mapping[str, Tensor]) -> Refused:
    """Why these tensors make no layer of a plain network, as exactly as their names and shapes tell."""
    first = next((role for role in tensors if role not in ROLES), next(iter(tensors)))
    tensor = shown(f"{name}.{first}")
    dimensions = tensors[first].dim()
    if _RECURRENT.fullmatch(first):
        return Refused(
            "Tensor '{tensor}' belongs to a recurrent layer; from a state dict only plain MLPs and CNNs are "
            "built. Load it by its code instead: package.module:factory.",
            tensor=tensor,
        )
    if first.startswith("in_proj") or "attn" in name or "attention" in name:
        return Refused(
            "Tensor '{tensor}' belongs to an attention layer; from a state dict only plain MLPs and CNNs are "
            "built. Load it by its code instead: package.module:factory.",
            tensor=tensor,
        )
    if first in {"weight_g", "weight_v", "weight_orig", "weight_mask", "original", "original0", "original1"}:
        return Refused(
            "Tensor '{tensor}' is one part of a weight that is computed from several (weight norm, pruning). "
            "Make it permanent with torch.nn.utils (remove, remove_parametrizations) and save again.",
            tensor=tensor,
        )
    if first in {"weight", "bias"} and dimensions == 1:
        return Refused(
            "Tensor '{tensor}' has one axis and no running statistics beside it, as in a layer or group "
            "norm; from a state dict only plain MLPs and CNNs with batch norm are built. "
            "Load it by its code instead: package.module:factory.",
            tensor=tensor,
        )
    if first == "weight" and dimensions in {3, 5}:
        return Refused(
            "Tensor '{tensor}' is the kernel of a convolution over {axes} axes; from a state dict only "
            "two-dimensional ones are built. Load it by its code instead: package.module:factory.",
            tensor=tensor,
            axes=dimensions - 2,
        )
    return no_plain_layer(f"{name}.{first}")


def no_plain_layer(tensor: str) -> Refused:
    """What to say of a tensor that no plain layer has."""
    return Refused(
        "Tensor '{tensor}' belongs to no linear layer, 2-d convolution or batch norm, and from a state dict "
        "only plain MLPs and CNNs are built. Load it by its code instead: package.module:factory.",
        tensor=shown(tensor),
    )
