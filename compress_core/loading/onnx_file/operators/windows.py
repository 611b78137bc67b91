"""Where the windows of convolutions and pools lie: strides, dilations and edges, as the file has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compress_core.foundation.texts import N_
from compress_core.loading.onnx_file.network_plan import ComputedValue, NetworkPlan
from compress_core.loading.onnx_file.node_call import NodeCall, NotOpenedError
from compress_core.loading.onnx_file.operators.shapes import padded
from compress_core.loading.onnx_file.sizes_per_item import whole

_LARGEST = 2**20


@dataclass(frozen=True)
class Windows:
    """Windows over some axes of known sizes; before and after: values added at the edges."""

    sizes: tuple[int, ...]
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def reach(self) -> tuple[int, ...]:
        """How many values a window spans."""
        return tuple(d * (k - 1) + 1 for d, k in zip(self.dilations, self.kernel, strict=True))

    @property
    def is_even(self) -> bool:
        """Whether as many values are added before as after."""
        return self.before == self.after

    @property
    def padded_sizes(self) -> tuple[int, ...]:
        return tuple(s + b + a for s, b, a in zip(self.sizes, self.before, self.after, strict=True))

    def counts(self, *, up: bool = False) -> tuple[int, ...]:
        """How many windows there are along each axis; up: a last one may reach beyond the edge."""
        found = []
        for size, reach, stride in zip(self.padded_sizes, self.reach, self.strides, strict=True):
            room = size - reach
            found.append((-(-room // stride) if up else room // stride) + 1)
        if min(found) < 1 or min(self.padded_sizes[n] - self.reach[n] for n in range(len(found))) < 0:
            raise NotOpenedError(N_("its window is larger than its input"))
        return tuple(found)

    @property
    def last_begins_inside(self) -> bool:
        """Whether no last window, counted up, begins behind the input and what stands before it."""
        along = zip(self.counts(up=True), self.strides, self.sizes, self.before, strict=True)
        return all((count - 1) * stride < size + before for count, stride, size, before in along)


def windows(node: NodeCall, value: ComputedValue, kernel: Sequence[int]) -> Windows:
    """The windows that a node asks for, over all axes of a value [n, channels, ...] behind the second."""
    sizes = tuple(whole(size) for size in value.shape[2:])
    axes = len(sizes)
    strides = node.wholes("strides", (1,) * axes)
    dilations = node.wholes("dilations", (1,) * axes)
    pads = node.wholes("pads", (0,) * 2 * axes)
    if not len(kernel) == len(strides) == len(dilations) == axes == len(pads) // 2 or len(pads) % 2:
        raise NotOpenedError(N_("its numbers do not fit one another"))
    if not all(1 <= n <= _LARGEST for n in (*kernel, *strides, *dilations)):
        raise NotOpenedError(N_("its numbers do not fit one another"))
    if not all(0 <= n <= _LARGEST for n in pads):
        raise node.other("pads")
    plain = Windows(sizes, tuple(kernel), tuple(strides), tuple(dilations), (0,) * axes, (0,) * axes)
    match node.text("auto_pad", "NOTSET"):
        case "NOTSET":
            before, after = tuple(pads[:axes]), tuple(pads[axes:])
        case "VALID" if not any(pads):
            before = after = plain.before
        case "SAME_UPPER" | "SAME_LOWER" if not any(pads):
            after = tuple(-(-total // 2) for total in _to_keep_size(plain))
            before = tuple(total // 2 for total in _to_keep_size(plain))
            if node.text("auto_pad", "") == "SAME_LOWER":
                before, after = after, before
        case _:
            raise node.other("auto_pad")
    return Windows(sizes, plain.kernel, plain.strides, plain.dilations, before, after)


def _to_keep_size(plain: Windows) -> tuple[int, ...]:
    """How many values must be added such that there is a window for each stride."""
    along = zip(plain.sizes, plain.strides, plain.reach, strict=True)
    return tuple(max(0, (-(-size // stride) - 1) * stride + reach - size) for size, stride, reach in along)


def with_edges(plan: NetworkPlan, value: ComputedValue, found: Windows, filling: float) -> ComputedValue:
    """The value with one number around its edges, written out."""
    if not any(found.before) and not any(found.after):
        return value
    shape = (*value.shape[:2], *found.padded_sizes)
    return padded(plan, value, shape, ((0, 0, *found.before), (0, 0, *found.after)), filling)
