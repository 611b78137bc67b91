"""Images in other sizes, where torch has the same way of it."""

from __future__ import annotations

from typing import Any

from compress_core.foundation.texts import N_
from compress_core.loading.onnx_file.network_plan import ComputedValue, GraphValue, NetworkPlan
from compress_core.loading.onnx_file.node_call import NodeCall, NotOpenedError, entry
from compress_core.loading.onnx_file.sizes_per_item import is_per_item, whole

_LINEAR = {3: "linear", 4: "bilinear", 5: "trilinear"}


@entry("Resize", becomes="nn.Upsample", inputs=4)
def resize(node: NodeCall, plan: NetworkPlan) -> GraphValue:
    """By nearest value, by a line or by a cubic, at the places where torch looks too."""
    value = node.real()
    _check_plain(node)
    sizes, scales = _target(node, value)
    mode, places = node.text("mode", "nearest"), node.text("coordinate_transformation_mode", "half_pixel")
    nearest = node.text("nearest_mode", "round_prefer_floor")
    given: dict[str, Any] = _size_or_scale(sizes, scales)
    match mode:
        case "nearest" if _is_nearest_of_torch(places, nearest, scales):
            given |= {"mode": "nearest"}
        case "linear" if places in {"half_pixel", "pytorch_half_pixel", "align_corners"} and min(sizes) > 1:
            given |= {"mode": _LINEAR[len(value.shape)], "align_corners": places == "align_corners"}
        case "cubic" if (
            len(value.shape) == 4 and places in {"half_pixel", "align_corners"} and min(sizes) > 1
        ):
            given |= {"mode": "bicubic", "align_corners": places == "align_corners"}
        case _:
            raise node.other("coordinate_transformation_mode" if mode in {"linear", "cubic"} else "mode")
    shape = (*value.shape[:2], *sizes)
    return value if shape == value.shape else plan.layer("Upsample", given, value, shape, named=node.names)


def _check_plain(node: NodeCall) -> None:
    node.only("antialias", 0)
    node.only("exclude_outside", 0)
    node.only("cubic_coeff_a", -0.75)
    node.real_number("extrapolation_value", 0.0)  # of another way of looking
    if node.version < 11 or node.holds("axes") or node.holds("keep_aspect_ratio_policy"):
        raise NotOpenedError(N_("it says its sizes in a way that is not read"))


def _target(node: NodeCall, value: ComputedValue) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """The sizes that it makes, and by what they grow."""
    if len(value.shape) not in _LINEAR or any(map(is_per_item, value.shape[1:])):
        raise NotOpenedError(N_("its input is no signal, image or volume"))
    old = [whole(size) for size in value.shape[2:]]
    wanted = node.numbers(3)
    if wanted:
        if len(wanted) != len(value.shape) or list(wanted[1:2]) != [value.shape[1]]:
            raise NotOpenedError(N_("it says its sizes in a way that is not read"))
        if (wanted[0] != value.shape[0] and wanted[0] != 1) or any(
            is_per_item(s) or s < 1 for s in wanted[2:]
        ):
            raise NotOpenedError(N_("it says its sizes in a way that is not read"))
        sizes = tuple(int(size) for size in wanted[2:])
        return sizes, tuple(new / size for new, size in zip(sizes, old, strict=True))
    scales = node.weights(2, (len(value.shape),)).values.tolist()
    sizes = tuple(round(size * scale) for size, scale in zip(old, scales[2:], strict=True))
    exact = all(new == size * scale for new, size, scale in zip(sizes, old, scales[2:], strict=True))
    if scales[:2] != [1.0, 1.0] or not exact or min(sizes) < 1:
        raise NotOpenedError(N_("it says its sizes in a way that is not read"))
    return sizes, tuple(scales[2:])


def _size_or_scale(sizes: tuple[int, ...], scales: tuple[float, ...]) -> dict[str, Any]:
    if all(scale == round(scale) and scale >= 1 for scale in scales):
        return {"scale_factor": [float(scale) for scale in scales]}
    return {"size": list(sizes)}


def _is_nearest_of_torch(places: str, nearest: str, scales: tuple[float, ...]) -> bool:
    """torch looks at the value before; with whole factors several ways come to the same."""
    if places == "asymmetric" and nearest == "floor":
        return True
    grows = all(scale == round(scale) and scale >= 1 for scale in scales)
    return grows and places in {"half_pixel", "pytorch_half_pixel"} and nearest == "round_prefer_floor"
