"""Replaces the weights and the inputs of layers in an ONNX graph by whole numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_core.techniques.contract.input_rules import StaticGrid

_ROUNDING = 1e-5  # of a row's largest weight: what folding a norm in 32 bits can do
_WEIGHT_AT = {"Conv": 1, "Gemm": 1, "MatMul": 1, "ConvTranspose": 1, "Gather": 0}
_LARGEST_BIAS = 2**31 - 1


@dataclass(frozen=True, eq=False)
class WholeNumbers:
    """The codes of a weight with what they stand for: (code - zero_point) * scale, a value for each row.

    codes [out, in * k] uint8; scale [out] or [1] float32; zero_point of the same shape uint8. Codes without
    a sign, because kernels for signed ones overflow on machines without a fitting instruction.
    """

    codes: NDArray[np.uint8]
    scale: NDArray[np.float32]
    zero_point: NDArray[np.uint8]

    def scaled(self, factor: NDArray[np.float32]) -> WholeNumbers:
        """The same codes for rows that a folded norm scales: the factor goes into the scale.

        factor [out]; a negative one mirrors the codes of its row, a zero leaves codes for zero.
        """
        scale, zero = (np.broadcast_to(each, factor.shape).copy() for each in (self.scale, self.zero_point))
        codes = self.codes.astype(np.int16)
        for row in np.flatnonzero(factor < 0):
            around = 2 * int(zero[row])  # symmetric codes keep their zero point, others get another
            if codes[row].max() > around or codes[row].min() < around - 255:
                around = 255
            codes[row], zero[row] = around - codes[row], around - int(zero[row])
        nothing = factor == 0
        codes[nothing] = zero[nothing, None]
        scale = np.where(nothing, 1, scale * np.abs(factor))
        return WholeNumbers(codes.astype(np.uint8), scale.astype(np.float32), zero.astype(np.uint8))


@dataclass(frozen=True, eq=False)
class CodeSite:
    """A node that computes with a weight: the form of its tensor, and what a folded norm did to it.

    rows_along: the axis of the tensor along which rows lie; factor [out], None where nothing was folded.
    """

    node: Any
    tensor: str
    rows_along: int
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
        from onnx import numpy_helper

        self._graph = graph
        self._tensors = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        self._added: dict[str, NDArray[Any]] = {}
        self._before: dict[str, list[Any]] = {}
        self._written: set[str] = set()

    def sites(self, name: str, values: NDArray[np.float32]) -> tuple[CodeSite, ...]:
        """The nodes that compute with a weight [out, in * k] of that name or, turned, of those values."""
        found = []
        for site in self._weighted_nodes():
            rows = _rows(self._tensors[site.tensor], site.rows_along)
            if rows.shape != values.shape:
                continue
            if np.array_equal(rows, values):
                found.append(site)
            elif site.tensor == name and (factor := _factor(rows, values)) is not None:
                found.append(replace(site, factor=factor))
        return tuple(found)

    def _weighted_nodes(self) -> Iterator[CodeSite]:
        for node in self._graph.node:
            at = _WEIGHT_AT.get(node.op_type)
            if at is None or node.input[at] not in self._tensors:
                continue
            attributes = {a.name: a.i for a in node.attribute}
            along = {"Gemm": 1 - attributes.get("transB", 0), "MatMul": 1, "ConvTranspose": 1}
            if node.op_type != "ConvTranspose" or attributes.get("group", 1) == 1:
                yield CodeSite(node, node.input[at], along.get(node.op_type, 0))

    def write(self, sites: Sequence[CodeSite], numbers: WholeNumbers, grid: StaticGrid | None) -> bool:
        """Put the codes in the place of a weight wherever it is used, and rounding before it by the grid.

        Answers whether every input is rounded now.
        """
        rounded = [self._write(site, numbers, grid) for site in sites]
        return all(rounded)

    def _write(self, site: CodeSite, numbers: WholeNumbers, grid: StaticGrid | None) -> bool:
        if site.factor is not None:
            numbers = numbers.scaled(site.factor)
        name, node = site.tensor, site.node
        if f"{name}.codes" not in self._added:
            shape = np.moveaxis(self._tensors[name], site.rows_along, 0).shape
            codes = np.moveaxis(numbers.codes.reshape(shape), 0, site.rows_along)
            self._back(node, name, codes, numbers.scale, numbers.zero_point, site.rows_along)
        node.input[_WEIGHT_AT[node.op_type]] = f"{name}.values"
        self._written.add(name)
        if grid is None or node.op_type == "Gather":
            return False
        self._round_input(node, grid)
        self._round_bias(node, np.float32(grid.scale) * numbers.scale)
        return True

    def _back(
        self, node: Any, name: str, codes: NDArray[Any], scale: NDArray[Any], zero: NDArray[Any], axis: int
    ) -> None:
        """A node before another that turns codes into {name}.values."""
        one = len(scale) == 1
        form: Mapping[str, int] = {} if one else {"axis": axis}
        self._added[f"{name}.codes"] = codes
        self._added[f"{name}.scale"] = scale.reshape(()) if one else scale
        self._added[f"{name}.zero"] = zero.reshape(()) if one else zero
        given = [f"{name}.codes", f"{name}.scale", f"{name}.zero"]
        self._insert(node, "DequantizeLinear", given, f"{name}.values", **form)

    def _round_input(self, node: Any, grid: StaticGrid) -> None:
        """Nodes that read the same tensor with the same grid share its rounding."""
        source = node.input[0]
        name = f"{source}.{grid.zero_point}.{np.float32(grid.scale)!s}"
        if f"{name}.scale" not in self._added:
            self._added[f"{name}.scale"] = np.array(grid.scale, np.float32)
            self._added[f"{name}.zero"] = np.array(grid.zero_point, np.uint8)
            form = [f"{name}.scale", f"{name}.zero"]
            self._insert(node, "QuantizeLinear", [source, *form], f"{name}.codes")
            self._insert(node, "DequantizeLinear", [f"{name}.codes", *form], f"{name}.values")
        node.input[0] = f"{name}.values"

    def _round_bias(self, node: Any, scale: NDArray[np.float32]) -> None:
        """The bias as 32-bit whole numbers in steps of input scale x weight scale, as kernels add it."""
        if len(node.input) < 3 or node.input[2] not in self._tensors:
            return
        name = node.input[2]
        bias = self._tensors[name]
        codes = np.round(bias.astype(np.float64) / scale)
        if np.abs(codes).max(initial=0) > _LARGEST_BIAS or f"{name}.codes" in self._added:
            return
        self._back(node, name, codes.astype(np.int32), scale, np.zeros(len(scale), np.int32), 0)
        node.input[2] = f"{name}.values"
        self._written.add(name)

    def _insert(self, before: Any, kind: str, inputs: list[str], output: str, **form: Any) -> None:
        from onnx import helper

        made = helper.make_node(kind, inputs, [output], name=output, **form)
        self._before.setdefault(before.output[0], []).append(made)

    def finish(self) -> None:
        """Put the new nodes before those that need them, and drop the tensors that nobody reads any more."""
        from onnx import numpy_helper

        nodes = [each for node in self._graph.node for each in (*self._before.get(node.output[0], ()), node)]
        copies = [type(node).FromString(node.SerializeToString()) for node in nodes]
        read = {name for node in copies for name in node.input}
        kept = [t for t in self._graph.initializer if t.name in read]
        tensors = [type(t).FromString(t.SerializeToString()) for t in kept]
        del self._graph.node[:], self._graph.initializer[:]
        self._graph.node.extend(copies)
        made = (numpy_helper.from_array(np.ascontiguousarray(a), name) for name, a in self._added.items())
        self._graph.initializer.extend([*tensors, *made])


def _rows(tensor: NDArray[Any], axis: int) -> NDArray[Any]:
    """The tensor as [rows, everything else]."""
    turned = np.moveaxis(tensor, axis, 0) if tensor.ndim > axis else tensor
    return turned.reshape(len(turned), -1) if tensor.ndim else tensor.reshape(1, 1)


def _factor(rows: NDArray[Any], values: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """By how much each row is scaled [out], None where it is not the same row."""
    wide, scaled = values.astype(np.float64), rows.astype(np.float64)
    squared = (wide**2).sum(axis=1)
    factor = np.divide((scaled * wide).sum(axis=1), squared, out=np.ones(len(wide)), where=squared > 0)
    apart = np.abs(scaled - factor[:, None] * wide).max(axis=1, initial=0)
    same = apart <= _ROUNDING * np.abs(scaled).max(axis=1, initial=0)
    return factor.astype(np.float32) if same.all() else None
