"""Pools, as the modules of torch."""

from __future__ import annotations

import itertools
import math

import numpy as np

from compress_core.foundation.texts import N_
from compress_core.loading.onnx_file.network_plan import ComputedValue, GraphValue, KnownValue, NetworkPlan
from compress_core.loading.onnx_file.node_call import MIXES_ITEMS, NodeCall, NotOpenedError, entry
from compress_core.loading.onnx_file.operators.windows import Windows, windows, with_edges


def _spatial(node: NodeCall) -> ComputedValue:
    value = node.real()
    if len(value.shape) not in {3, 4, 5}:
        raise NotOpenedError(N_("its input is no signal, image or volume"))
    if any(not isinstance(size, int) for size in value.shape[1:]):
        raise NotOpenedError(MIXES_ITEMS)
    return value


def _rounds_up(node: NodeCall, found: Windows) -> bool:
    """Whether a last window reaches beyond the edge; where runtimes differ on it, it is refused."""
    up = bool(node.whole("ceil_mode", 0)) and found.counts() != found.counts(up=True)
    if up and not (found.is_even and found.last_begins_inside):
        raise node.other("ceil_mode")
    return up


def _is_torch_s(found: Windows) -> bool:
    """Whether torch's own padding will do: even, and half of the window at most."""
    return found.is_even and all(2 * b <= k for b, k in zip(found.before, found.kernel, strict=True))


def _short(sizes: tuple[int, ...]) -> int | list[int]:
    """One number where all are the same."""
    return sizes[0] if len(set(sizes)) == 1 else list(sizes)


def _kernel(node: NodeCall) -> list[int]:
    kernel = node.wholes("kernel_shape")
    if any(size < 1 for size in kernel):
        raise node.other("kernel_shape")
    return kernel


@entry("MaxPool", becomes="nn.MaxPool1d, 2d, 3d", inputs=1)
def max_pool(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """What is added around the edges is never the largest."""
    value = _spatial(node)
    node.only("storage_order", 0)
    found = windows(node, value, _kernel(node))
    up = _rounds_up(node, found)
    if any(max(b, a) >= r for b, a, r in zip(found.before, found.after, found.reach, strict=True)):
        raise node.other("pads")
    shape = (*value.shape[:2], *found.counts(up=up))
    if not _is_torch_s(found):
        if up:
            raise node.other("ceil_mode")
        value = with_edges(plan, value, found, -math.inf)
    given = {
        "kernel_size": _short(found.kernel),
        "stride": _short(found.strides),
        "padding": _short(found.before) if _is_torch_s(found) else 0,
        "dilation": _short(found.dilations),
        "ceil_mode": up,
    }
    return plan.layer(f"MaxPool{len(found.sizes)}d", given, value, shape, named=node.names)


@entry("AveragePool", becomes="nn.AvgPool1d, 2d, 3d", inputs=1)
def average_pool(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """Over the values that are there, or over those that were added as well."""
    value = _spatial(node)
    found, counted = windows(node, value, _kernel(node)), bool(node.whole("count_include_pad", 0))
    if any(each != 1 for each in found.dilations):
        raise node.other("dilations")
    up = _rounds_up(node, found)
    if up and (counted or not _is_torch_s(found)):
        raise node.other("ceil_mode")
    shape, axes = (*value.shape[:2], *found.counts(up=up)), len(found.sizes)
    given = {"kernel_size": _short(found.kernel), "stride": _short(found.strides), "ceil_mode": up}
    if _is_torch_s(found):
        given |= {"padding": _short(found.before), "count_include_pad": counted}
        return plan.layer(f"AvgPool{axes}d", given, value, shape, named=node.names)
    given |= {"padding": 0, "count_include_pad": True}
    wide = with_edges(plan, value, found, 0.0)
    made = plan.layer(f"AvgPool{axes}d", given, wide, shape, named=node.names)
    return made if counted else plan.step("mul", [made, KnownValue(_shares(found))], shape)


def _shares(found: Windows) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """By what the mean over whole windows is too small, since some of their values were added."""
    along = []
    for size, kernel, stride, before, count in zip(
        found.sizes, found.kernel, found.strides, found.before, found.counts(), strict=True
    ):
        starts = [at * stride - before for at in range(count)]
        there = [min(size, start + kernel) - max(0, start) for start in starts]
        if min(there) < 1:
            raise NotOpenedError(N_("a window of it holds nothing"))
        along.append([kernel / each for each in there])
    products = [math.prod(each) for each in itertools.product(*along)]
    return np.array(products, dtype=np.float32).reshape(1, 1, *found.counts())


@entry(
    "GlobalAveragePool",
    "GlobalMaxPool",
    becomes="nn.AdaptiveAvgPool1d, 2d, 3d; nn.AdaptiveMaxPool1d, 2d, 3d",
    inputs=1,
)
def global_pool(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """Over all places."""
    value = _spatial(node)
    axes = len(value.shape) - 2
    kind = "Avg" if node.node.operator == "GlobalAveragePool" else "Max"
    shape = (*value.shape[:2], *(1,) * axes)
    return plan.layer(f"Adaptive{kind}Pool{axes}d", {"output_size": 1}, value, shape, named=node.names)
