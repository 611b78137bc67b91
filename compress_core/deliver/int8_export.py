"""Whole-number codes inside an ONNX file: the scales of the recipe that was evaluated, none calibrated anew.

A quantized weight becomes its codes with a DequantizeLinear behind them, a rounded input a QuantizeLinear
and a DequantizeLinear before the layer. Runtimes join them with the layer and compute in whole numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import torch

from compress_core.apply.model import Model
from compress_core.deliver.input_preprocessing import preprocessing_as_metadata
from compress_core.deliver.onnx_export import onnx_bytes, refuse_other_network
from compress_core.deliver.onnx_graph import OnnxGraph
from compress_core.deliver.open_border import opened
from compress_core.deliver.some_items import few_items
from compress_core.deliver.whole_numbers import WholeNumbers
from compress_core.foundation.errors import Refused, shortened
from compress_core.foundation.texts import N_
from compress_core.levels.grid import Grid
from compress_core.techniques.contract.encoded import EncodedWeight
from compress_core.techniques.contract.input_rules import StaticGrid

INT8_FILE = "model.int8.onnx"


@dataclass(frozen=True, eq=False)
class Qdq:
    """An ONNX file with codes in it.

    weights: layers whose weight is stored as codes; inputs: those whose input is rounded to whole numbers
    too; left: why a layer stays in 32 bits.
    """

    content: bytes
    weights: tuple[str, ...]
    inputs: tuple[str, ...]
    left: Mapping[str, str]


def whole_numbers(encoded: EncodedWeight) -> WholeNumbers | str:
    """A weight's codes in one byte each, or why it has none."""
    levels = None if encoded.quantized is None else encoded.quantized.levels
    if not isinstance(levels, Grid):
        return N_("its weights are on no evenly spaced grid, which is all that whole numbers can hold")
    if levels.group is not None:
        return N_("it has several scales in a row, which no kernel of the runtime takes")
    if levels.high - levels.low > 255:
        return N_("its codes do not fit in a byte")
    shift = 128 if levels.zero_point is None else 0
    scale = levels.scale.reshape(-1).float().numpy()
    zero = torch.zeros_like(levels.scale) if levels.zero_point is None else levels.zero_point
    codes = encoded.codes + shift
    zero_point = (zero.reshape(-1) + shift).to(torch.uint8)
    if encoded.mask is not None:
        codes = torch.where(encoded.mask.tensor, codes, zero_point.to(codes.dtype)[:, None])
    return WholeNumbers(codes.to(torch.uint8).numpy(), scale, zero_point.numpy())


def model_qdq(model: Model) -> Qdq:
    """The network that is evaluated, as ONNX with the codes of its weights and inputs; raises Refused.

    Norms are folded into the layers before them by the exporter; a folded row keeps its codes and gets a
    new scale, so the function is the evaluated one up to the rounding of 32-bit numbers and of biases. It
    is run in ONNX Runtime before it is handed out.
    """
    weights = {
        layer.name: encoded for compressed in model.compressed.values() for layer, encoded in compressed.parts
    }
    grids = {_first_part(model, n): rules[0] for n, rules in model.inputs.items() if len(rules) == 1}
    inputs = {n: rule for n, rule in grids.items() if isinstance(rule, StaticGrid) and rule.bits == 8}
    items, about = few_items(model.subject), preprocessing_as_metadata(model.subject)
    while True:
        outside = {n: r for n, r in model.inputs.items() if _first_part(model, n) not in inputs}
        plain = replace(model, inputs=MappingProxyType(outside))
        written = opened(plain.network(), items)
        content = onnx_bytes(
            written.network, written.inputs, written.names, is_rounded=bool(outside), about=about
        )
        found = qdq(content, weights, inputs)
        if set(found.inputs) == inputs.keys():
            whole, is_rounded = opened(model.network(), items), bool(model.inputs)
            refuse_other_network(whole.network, found.content, whole.inputs, is_rounded=is_rounded)
            return found
        inputs = {name: inputs[name] for name in found.inputs}


def _first_part(model: Model, name: str) -> str:
    """Whose input a layer's input is: its own, or that of its first factor."""
    return model.compressed[name].parts[0][0].name if name in model.compressed else name


def qdq(content: bytes, weights: Mapping[str, EncodedWeight], inputs: Mapping[str, StaticGrid]) -> Qdq:
    """Put codes in the place of weights, and rounding in front of layers, in an ONNX file of 32 bits.

    content: the file of a network whose weights have the values of `weights` and whose inputs are not
    rounded yet. A layer is found by the name of its weight or, where the exporter turned it, by its values.
    """
    import onnx

    model = onnx.load_from_string(content)
    graph = OnnxGraph(model.graph)
    left: dict[str, str] = {}
    rounded: list[str] = []
    twins = _with_equal_values(weights)
    for name, encoded in weights.items():
        numbers, grid = whole_numbers(encoded), inputs.get(name)
        if isinstance(numbers, str):
            left[name] = numbers
            continue
        sites = graph.sites(f"{name}.weight", encoded.values.numpy())
        if not sites or name in twins:
            left[name] = N_("the file holds its weight together with another, or in a form without rows")
        elif any(site.is_inner for site in sites):
            left[name] = N_("it is computed inside a branch or a loop of the network")
        elif grid is None and any(site.would_be_rounded for site in sites):
            left[name] = N_(
                "its input is not rounded, and with codes beside it a runtime rounds it on its own"
            )
        elif graph.write(sites, numbers, grid):
            rounded.append(name)
    graph.finish()
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise Refused(
            "The network cannot be written in whole numbers, because ONNX does not take the file "
            "({reason}): write it as onnx, in 32 bits.",
            reason=shortened(str(error).split("\n")[0]),
        ) from error
    made: bytes = model.SerializeToString(deterministic=True)
    return Qdq(made, tuple(n for n in weights if n not in left), tuple(rounded), MappingProxyType(left))


def _with_equal_values(weights: Mapping[str, EncodedWeight]) -> set[str]:
    """Layers that cannot be told apart by their values."""
    seen: dict[bytes, list[str]] = {}
    for name, encoded in weights.items():
        seen.setdefault(encoded.values.numpy().tobytes(), []).append(name)
    return {name for names in seen.values() if len(names) > 1 for name in names}
