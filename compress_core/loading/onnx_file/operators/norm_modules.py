"""Norms, as the modules of torch."""

from __future__ import annotations

import math

import numpy as np

from compress_core.foundation.texts import N_, Phrase
from compress_core.loading.onnx_file.network_plan import GraphValue, KnownValue, NetworkPlan, in_short_digits
from compress_core.loading.onnx_file.node_call import (
    MIXES_ITEMS,
    NodeCall,
    NotOpenedError,
    axis_from_front,
    entry,
    one_item,
)
from compress_core.loading.onnx_file.sizes_per_item import is_per_item, whole

_NOTHING_TRACKED = KnownValue(np.zeros((), dtype=np.int64))
_AXES = {2: 1, 3: 1, 4: 2, 5: 3}


def _epsilon(node: NodeCall) -> float:
    return in_short_digits(node.real_number("epsilon", 1e-5))


def _axes(value_rank: int) -> int:
    if value_rank not in _AXES:
        raise NotOpenedError(Phrase("its input has {rank} axes", rank=value_rank))
    return _AXES[value_rank]


@entry("BatchNormalization", becomes="nn.BatchNorm1d, 2d, 3d", inputs=5)
def batch_norm(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """With its running statistics, as in evaluation."""
    value = node.real()
    node.only("training_mode", 0)
    node.real_number("momentum", 0.9)
    axes, channels = _axes(len(value.shape)), one_item(value.shape, 1)
    names = ("weight", "bias", "running_mean", "running_var")
    tensors: dict[str, KnownValue | None] = {
        n: node.weights(at + 1, (channels,)) for at, n in enumerate(names)
    }
    tensors["num_batches_tracked"] = _NOTHING_TRACKED
    given = {"num_features": channels, "eps": _epsilon(node)}
    return plan.layer(f"BatchNorm{axes}d", given, value, value.shape, tensors=tensors, named=node.names)


@entry("InstanceNormalization", becomes="nn.InstanceNorm1d, 2d, 3d", inputs=3)
def instance_norm(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """Each channel of each item by itself."""
    value = node.real()
    axes, channels = _axes(len(value.shape)), one_item(value.shape, 1)
    if len(value.shape) < 3 or any(map(is_per_item, value.shape[2:])):
        raise NotOpenedError(
            MIXES_ITEMS if len(value.shape) > 2 else Phrase("its input has {rank} axes", rank=2)
        )
    if math.prod(whole(size) for size in value.shape[2:]) < 2:
        raise NotOpenedError(N_("it norms a single value"))
    tensors = {"weight": node.weights(1, (channels,)), "bias": node.weights(2, (channels,))}
    given = {"num_features": channels, "eps": _epsilon(node), "affine": True}
    return plan.layer(f"InstanceNorm{axes}d", given, value, value.shape, tensors=tensors, named=node.names)


@entry("LayerNormalization", becomes="nn.LayerNorm", inputs=3)
def layer_norm(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """Over the last axes."""
    value = node.real()
    node.only("stash_type", 1)
    sizes = _normed(node, value.shape)
    bias = None if node.optional(2) is None else node.weights(2, sizes)
    given = {"normalized_shape": list(sizes), "eps": _epsilon(node), "bias": bias is not None}
    tensors = {"weight": node.weights(1, sizes), "bias": bias}
    return plan.layer("LayerNorm", given, value, value.shape, tensors=tensors, named=node.names)


def _normed(node: NodeCall, shape: tuple[object, ...]) -> tuple[int, ...]:
    sizes = shape[axis_from_front(node.whole("axis", -1), len(shape)) :]
    if any(map(is_per_item, sizes)):
        raise NotOpenedError(MIXES_ITEMS)
    return tuple(int(size) for size in sizes if isinstance(size, int))


@entry("RMSNormalization", becomes="nn.RMSNorm", inputs=2)
def rms_norm(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """By the root of the mean square of the last axes."""
    value = node.real()
    node.only("stash_type", 1)
    sizes = _normed(node, value.shape)
    given = {"normalized_shape": list(sizes), "eps": _epsilon(node)}
    tensors = {"weight": node.weights(1, sizes)}
    return plan.layer("RMSNorm", given, value, value.shape, tensors=tensors, named=node.names)


@entry("GroupNormalization", becomes="nn.GroupNorm", inputs=3)
def group_norm(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """With a weight for each channel, as since version 21."""
    value, groups = node.real(), node.whole("num_groups")
    node.only("stash_type", 1)
    channels = one_item(value.shape, 1)
    if node.version < 21:
        raise NotOpenedError(N_("before version 21 it has weights for groups, not for channels"))
    if groups < 1 or channels % groups or any(map(is_per_item, value.shape[2:])):
        raise node.other("num_groups")
    tensors = {"weight": node.weights(1, (channels,)), "bias": node.weights(2, (channels,))}
    given = {"num_groups": groups, "num_channels": channels, "eps": _epsilon(node)}
    return plan.layer("GroupNorm", given, value, value.shape, tensors=tensors, named=node.names)


@entry("LRN", becomes="nn.LocalResponseNorm", inputs=1)
def local_response_norm(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """Over neighboring channels, as many on either side."""
    value, size = node.real(), node.whole("size")
    if size < 1 or size % 2 == 0 or len(value.shape) < 3:
        raise node.other("size")
    given = {
        "size": size,
        "alpha": in_short_digits(node.real_number("alpha", 1e-4)),
        "beta": in_short_digits(node.real_number("beta", 0.75)),
        "k": in_short_digits(node.real_number("bias", 1.0)),
    }
    one_item(value.shape, 1)
    return plan.layer("LocalResponseNorm", given, value, value.shape, named=node.names)
