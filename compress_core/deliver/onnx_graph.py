"""Replaces the weights and the inputs of layers in an ONNX graph by whole numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_core.deliver.onnx_bias import BiasPlace, bias_of
from compress_core.deliver.onnx_nodes import graphs_below, names_read, names_read_by
from compress_core.deliver.whole_numbers import LARGEST_SUM, RoundedUse, WholeNumbers
from compress_core.techniques.contract.input_rules import StaticGrid

_ROUNDING = 1e-5  # of a row's largest weight: what folding a norm in 32 bits can do
_WEIGHT_AT = {"Conv": 1, "Gemm": 1, "MatMul": 1, "ConvTranspose": 1, "Gather": 0}


@dataclass(frozen=True, eq=False)
class CodeSite:
    """A node that computes with a weight: the form of its tensor, and what a folded norm did to it.

    rows_along: the axis of the tensor along which rows lie; is_inner: in a branch or a loop; factor [out],
    None where nothing was folded.
    """

    node: Any
    tensor: str
    rows_along: int
    is_inner: bool
    factor: NDArray[np.float32] | None = None

    @property
    def would_be_rounded(self) -> bool:
        """Whether ONNX Runtime rounds an input in 32 bits itself as soon as the weight is given in codes.

        It turns such a MatMul into MatMulNBits, whose accuracy level is that of 8-bit inputs by default.
        """
        return bool(self.node.op_type == "MatMul")


class OnnxGraph:
    """A graph whose layers are replaced one after the other; `finish` puts the new nodes in."""

    def __init__(self, graph: Any) -> None:
        self._graph = graph
        self._tensors = _tensors_of(graph)
        self._added: dict[str, NDArray[Any]] = {}
        self._made: dict[str, Any] = {}
        self._read = names_read(graph)

    def sites(self, name: str, values: NDArray[np.float32]) -> tuple[CodeSite, ...]:
        """The nodes that compute with a weight [out, in * k] of that name or, turned, of those values."""
        found = []
        for site, tensor in self._weighted_nodes():
            rows = _rows(tensor, site.rows_along)
            if rows.shape != values.shape:
                continue
            if np.array_equal(rows, values):
                found.append(site)
            elif site.tensor == name and (factor := _factor(rows, values)) is not None:
                found.append(replace(site, factor=factor))
        return tuple(found)

    def _weighted_nodes(self) -> Iterator[tuple[CodeSite, NDArray[Any]]]:
        for graph in (self._graph, *graphs_below(self._graph)):
            is_inner = graph is not self._graph
            tensors = {**self._tensors, **_tensors_of(graph)} if is_inner else self._tensors
            for node in graph.node:
                at = _WEIGHT_AT.get(node.op_type)
                along = _rows_along(node)
                if at is not None and along is not None and node.input[at] in tensors:
                    name = node.input[at]
                    yield CodeSite(node, name, along, is_inner), tensors[name]

    def write(self, sites: Sequence[CodeSite], numbers: WholeNumbers, grid: StaticGrid | None) -> bool:
        """Put the codes in the place of a weight wherever it is used, and rounding before it by the grid.

        Answers whether every input is rounded now.
        """
        by_tensor: dict[str, list[CodeSite]] = {}
        for site in sites:
            by_tensor.setdefault(site.tensor, []).append(site)
        rounded = [self._write(found, numbers, grid) for found in by_tensor.values()]
        return all(rounded)

    def _write(self, sites: Sequence[CodeSite], numbers: WholeNumbers, grid: StaticGrid | None) -> bool:
        name = sites[0].tensor
        if sites[0].factor is not None:
            numbers = numbers.scaled(sites[0].factor)
        biases = [self._bias_of(site, len(numbers.codes)) for site in sites]
        uses = [] if grid is None else [RoundedUse(grid, bias.values) for bias in biases]
        if not self._can_round(sites, numbers, biases, uses):
            uses = []
        numbers = numbers.with_room_for(uses)
        self._write_codes(sites, numbers)
        for site, bias, use in zip(sites, biases, uses, strict=False):
            self._round_input(site.node, use.grid)
            self._round_bias(bias, numbers, use, f"{name}.{site.node.output[0]}.bias")
        return bool(uses)

    def _can_round(
        self,
        sites: Sequence[CodeSite],
        numbers: WholeNumbers,
        biases: Sequence[BiasPlace],
        uses: Sequence[RoundedUse],
    ) -> bool:
        """Whether all that reads the weight is a layer whose sums and bias a kernel can hold."""
        return (
            len(sites) == self._read[sites[0].tensor]
            and len({site.rows_along for site in sites}) == 1
            and all(site.node.op_type != "Gather" for site in sites)
            and all(bias.is_known for bias in biases)
            and all(numbers.reach(use).max(initial=0) < LARGEST_SUM for use in uses)
        )

    def _bias_of(self, site: CodeSite, rows: int) -> BiasPlace:
        readers: dict[str, list[Any]] = {}
        if self._read[site.node.output[0]] == 1:
            readers = {site.node.output[0]: [n for n in self._graph.node if site.node.output[0] in n.input]}
        return bias_of(site.node, rows, self._tensors, readers)

    def _write_codes(self, sites: Sequence[CodeSite], numbers: WholeNumbers) -> None:
        name, along = sites[0].tensor, sites[0].rows_along
        shape = np.moveaxis(self._tensors[name], along, 0).shape
        codes = np.moveaxis(numbers.codes.reshape(shape), 0, along)
        self._back(name, codes, numbers.scale, numbers.zero_point, along)
        for site in sites:
            site.node.input[_WEIGHT_AT[site.node.op_type]] = f"{name}.values"

    def _back(
        self, name: str, codes: NDArray[Any], scale: NDArray[Any], zero: NDArray[Any], axis: int
    ) -> None:
        """A node that turns codes into {name}.values."""
        one = len(scale) == 1
        form: Mapping[str, int] = {} if one else {"axis": axis}
        self._added[f"{name}.codes"] = codes
        self._added[f"{name}.scale"] = scale.reshape(()) if one else scale
        self._added[f"{name}.zero"] = zero.reshape(()) if one else zero
        given = [f"{name}.codes", f"{name}.scale", f"{name}.zero"]
        self._make("DequantizeLinear", given, f"{name}.values", **form)

    def _round_input(self, node: Any, grid: StaticGrid) -> None:
        """Nodes that read the same tensor with the same grid share its rounding."""
        source = node.input[0]
        name = f"{source}.{grid.zero_point}.{np.float32(grid.scale)!s}"
        if f"{name}.scale" not in self._added:
            self._added[f"{name}.scale"] = np.array(grid.scale, np.float32)
            self._added[f"{name}.zero"] = np.array(grid.zero_point, np.uint8)
            form = [f"{name}.scale", f"{name}.zero"]
            self._make("QuantizeLinear", [source, *form], f"{name}.codes")
            self._make("DequantizeLinear", [f"{name}.codes", *form], f"{name}.values")
        node.input[0] = f"{name}.values"

    def _round_bias(self, place: BiasPlace, numbers: WholeNumbers, use: RoundedUse, name: str) -> None:
        """The bias as 32-bit whole numbers in steps of input scale x weight scale, as kernels add it.

        Where it does not fit it is taken out of the runtime's hands, which would round it to such numbers
        itself, past their end: a Sub of its negative behind the node is joined with nothing.
        """
        if place.values is None:
            return
        codes = numbers.bias_codes(use)
        if codes is None:
            self._subtract_negative(place, name)
        elif place.is_inside:
            steps = numbers.steps(use)
            self._back(name, codes, steps, np.zeros(len(steps), np.int32), 0)
            place.node.input[place.at] = f"{name}.values"

    def _subtract_negative(self, place: BiasPlace, name: str) -> None:
        node = place.node
        assert place.values is not None
        self._added[f"{name}.negative"] = -self._as_wide_as_output(node, place.values)
        if not place.is_inside:
            node.op_type = "Sub"
            node.input[:] = [node.input[1 - place.at], f"{name}.negative"]
            return
        output = node.output[0]
        node.output[0] = f"{name}.before"
        del node.input[place.at :]
        self._make("Sub", [f"{name}.before", f"{name}.negative"], output)

    def _as_wide_as_output(self, node: Any, bias: NDArray[np.float32]) -> NDArray[np.float32]:
        """[out] as [out, 1, 1] in front of the places of a convolution."""
        if node.op_type not in {"Conv", "ConvTranspose"}:
            return bias
        codes = self._added[f"{node.input[1].removesuffix('.values')}.codes"]
        return bias.reshape(-1, *[1] * (codes.ndim - 2))

    def _make(self, kind: str, inputs: list[str], output: str, **form: Any) -> None:
        from onnx import helper

        self._made[output] = helper.make_node(kind, inputs, [output], name=output, **form)

    def finish(self) -> None:
        """Put the new nodes before those that need them, and drop the tensors that nobody reads any more."""
        from onnx import numpy_helper

        nodes = [type(node).FromString(node.SerializeToString()) for node in self._in_order()]
        tensors = [type(t).FromString(t.SerializeToString()) for t in self._graph.initializer]
        del self._graph.node[:], self._graph.initializer[:]
        self._graph.node.extend(nodes)
        read = names_read(self._graph)
        made = (numpy_helper.from_array(np.ascontiguousarray(a), name) for name, a in self._added.items())
        self._graph.initializer.extend([*(t for t in tensors if t.name in read), *made])

    def _in_order(self) -> Iterator[Any]:
        """Old and new nodes, each behind those whose outputs it reads."""
        waiting = dict(self._made)

        def needed(names: Sequence[str]) -> Iterator[Any]:
            for name in names:
                if name in waiting:
                    node = waiting.pop(name)
                    yield from needed(node.input)
                    yield node

        for node in self._graph.node:
            yield from needed(tuple(names_read_by(node)))
            yield node
        yield from needed([output.name for output in self._graph.output])


def _tensors_of(graph: Any) -> dict[str, NDArray[Any]]:
    from onnx import numpy_helper

    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


def _rows_along(node: Any) -> int | None:
    """The axis of a node's weight along which rows lie; None where they are no rows, or are scaled."""
    whole = {a.name: a.i for a in node.attribute}
    if node.op_type == "ConvTranspose":
        return 1 if whole.get("group", 1) == 1 else None
    if node.op_type == "Gemm":
        is_scaled = any(a.name in {"alpha", "beta"} and a.f != 1 for a in node.attribute)
        return None if is_scaled else 1 - whole.get("transB", 0)
    return 1 if node.op_type == "MatMul" else 0


def _rows(tensor: NDArray[Any], axis: int) -> NDArray[Any]:
    """The tensor as [rows, everything else]."""
    if not tensor.ndim:
        return tensor.reshape(1, 1)
    turned = np.moveaxis(tensor, axis, 0) if tensor.ndim > axis else tensor
    return turned.reshape(len(turned), turned.size // max(1, len(turned)))


def _factor(rows: NDArray[Any], values: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """By how much each row is scaled [out], None where it is not the same row."""
    wide, scaled = values.astype(np.float64), rows.astype(np.float64)
    squared = (wide**2).sum(axis=1)
    factor = np.divide((scaled * wide).sum(axis=1), squared, out=np.ones(len(wide)), where=squared > 0)
    apart = np.abs(scaled - factor[:, None] * wide).max(axis=1, initial=0)
    same = apart <= _ROUNDING * np.abs(scaled).max(axis=1, initial=0)
    return factor.astype(np.float32) if same.all() else None
