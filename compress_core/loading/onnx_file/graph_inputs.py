"""What goes into a network from an ONNX file and what comes out of it. Needs no torch."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import N_, Phrase
from compress_core.loading.onnx_file.file_parts import OnnxFile, OnnxValue
from compress_core.loading.onnx_file.network_plan import FLOAT, ComputedValue
from compress_core.loading.onnx_file.sizes_per_item import PerItem
from compress_core.loading.onnx_file.tensor_values import number_kind
from compress_core.loading.onnx_file.wire_format import damaged
from compress_core.loading.stored import MAX_DIMENSIONS, shown

ItemShapes = Sequence[int] | Mapping[str, Sequence[int]] | None
"""The shape of one item, or of each input by name; None where no items are given."""
_TAKEN_IN = frozenset({FLOAT, "int64", "int32", "bool"})
_JUDGED = ("logits", "scores", "output", "probabilities", "prediction_logits", "last_hidden_state")
"""How outputs that are judged are called where there are several, the likeliest first."""
_MOST_INPUTS, _MOST_NAMED = 16, 8
_LARGEST_SIZE, _LARGEST_BATCH = 2**31, 1024


@dataclass(frozen=True)
class GraphInput:
    """One input: its name in the file and as an argument, the shape of one item, and its type of numbers."""

    name: str
    argument: str
    shape: tuple[int, ...]
    kind: str

    @property
    def given(self) -> ComputedValue:
        """The input as a value without a number yet."""
        return ComputedValue(0, (PerItem(1), *self.shape), self.kind)


@dataclass(frozen=True)
class GraphEnds:
    """Inputs in order, the output that is judged, the others; fixed: for how many items it was written."""

    inputs: tuple[GraphInput, ...]
    output: str
    left_out: tuple[str, ...]
    fixed: int | None


def graph_ends(file: OnnxFile, shapes: ItemShapes) -> GraphEnds:
    """The ends of a file; raises Refused where they are not those of a network that is opened."""
    values = [value for value in file.inputs if value.name not in file.tensors]
    if not 1 <= len(values) <= _MOST_INPUTS:
        raise damaged(Phrase("it has {count} inputs", count=len(values)))
    if len({value.name for value in values}) < len(values):
        raise damaged(Phrase("two of its values are called '{value}'", value=shown(values[0].name)))
    arguments = _arguments([value.name for value in values])
    found, batches = [], set()
    for value, argument in zip(values, arguments, strict=True):
        shape, batch = _shape(value, _given_shape(shapes, value, argument, alone=len(values) == 1))
        found.append(GraphInput(value.name, argument, shape, _kind(value)))
        batches.add(batch)
    if len(batches) > 1:
        raise damaged(N_("its inputs are for several numbers of items"))
    output = _judged([value.name for value in file.outputs])
    left_out = tuple(value.name for value in file.outputs if value.name != output)
    return GraphEnds(tuple(found), output, left_out, batches.pop())


def _arguments(names: Sequence[str]) -> list[str]:
    """The names as arguments of a function of Python, no two of them alike."""
    made: list[str] = []
    for name in names:
        plain = re.sub(r"\W", "_", name, flags=re.ASCII) or "inputs"
        plain = f"input_{plain}" if not plain.isidentifier() or keyword.iskeyword(plain) else plain
        made.append(plain if plain not in made else f"{plain}_{len(made)}")
    return made


def _given_shape(shapes: ItemShapes, value: OnnxValue, argument: str, *, alone: bool) -> Sequence[int] | None:
    if isinstance(shapes, Mapping):
        return shapes.get(argument, shapes.get(value.name))
    return shapes if alone else None


def _judged(names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    known = [name for name in _JUDGED if name in names]
    if not known:
        raise Refused(
            "The ONNX file has {count} outputs ({names}), and none of them is called {known}: export it with "
            "one output, the scores.",
            count=len(names),
            names=", ".join(map(shown, names[:_MOST_NAMED])),
            known=_JUDGED[0],
        )
    return known[0]


def _kind(value: OnnxValue) -> str:
    kind = str(number_kind(value.kind, value.name))
    if kind not in _TAKEN_IN:
        raise Refused(
            "'{tensor}' of the ONNX file holds numbers of type {kind}, which are not opened: export the "
            "network in float32.",
            tensor=shown(value.name),
            kind=kind,
        )
    return kind


def _shape(value: OnnxValue, given: Sequence[int] | None) -> tuple[tuple[int, ...], int | None]:
    """The shape of one item, and for how many of them the file was written, None for any number."""
    sizes = value.shape
    if sizes is None and given is not None:
        sizes = ("N", *given)
    if sizes is None or not 2 <= len(sizes) <= MAX_DIMENSIONS:
        raise _open_shape(value, "?" if sizes is None else list(sizes))
    first, *rest = sizes
    if given is not None and len(given) == len(rest):
        rest = [said if isinstance(size, str) else size for size, said in zip(rest, given, strict=True)]
    if not all(isinstance(size, int) and 1 <= size < _LARGEST_SIZE for size in rest):
        raise _open_shape(value, [*sizes])
    if isinstance(first, int) and not 1 <= first <= _LARGEST_BATCH:
        raise _open_shape(value, [*sizes])
    return tuple(int(size) for size in rest), first if isinstance(first, int) else None


def _open_shape(value: OnnxValue, shape: object) -> Refused:
    return Refused(
        "The input '{input}' of the ONNX file has the shape {shape}: the first size counts items, and all "
        "others must be numbers. Give items of the shape that it takes, or export it with fixed sizes.",
        input=shown(value.name),
        shape=shown(str(shape)),
    )
