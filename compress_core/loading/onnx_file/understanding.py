"""A file becomes a network as plain data: node by node, sizes and constants worked out, and nothing guessed.

What comes out is a `Description` of JSON values and arrays by name. Needs no torch.
"""

from __future__ import annotations

import importlib
import json
import math
import pkgutil
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import N_, Phrase
from compress_core.loading.onnx_file import operators
from compress_core.loading.onnx_file.equal_parts import with_chunks
from compress_core.loading.onnx_file.file_parts import DOMAINS, OnnxFile, OnnxNode, read_file
from compress_core.loading.onnx_file.graph_inputs import GraphEnds, ItemShapes, graph_ends
from compress_core.loading.onnx_file.layer_names import LayerNames
from compress_core.loading.onnx_file.network_plan import (
    FLOAT,
    ComputedValue,
    GraphStep,
    GraphValue,
    KnownValue,
    LayerDraft,
    NetworkPlan,
    Operand,
)
from compress_core.loading.onnx_file.node_call import (
    Fold,
    NodeCall,
    NotOpenedError,
    OperatorEntry,
    operator_table,
)
from compress_core.loading.onnx_file.sizes_per_item import BatchSizeError, PerItem
from compress_core.loading.onnx_file.tensor_values import values_of
from compress_core.loading.onnx_file.wire_format import damaged
from compress_core.loading.stored import Caps, shown

_Array = NDArray[Any]
FORMAT = 1
_TAKEN_IN = frozenset({FLOAT, "int64", "int32"})
_MOST_NAMED = 8
_LARGEST_SIZE = 2**31


@dataclass(frozen=True, eq=False)
class Description:
    """A network that was read off an ONNX file.

    told: the graph as JSON values, from which `graph_network` builds it; state: its tensors by name.
    from_codes: layers whose weights came as whole numbers. work: values and multiplications of each step for
    one item. fixed: for how many items at once the file was written, None for any. output: which one is
    judged; left_out: the others.
    """

    told: Mapping[str, Any]
    state: Mapping[str, _Array]
    from_codes: tuple[str, ...]
    work: tuple[tuple[str, int, int], ...]
    fixed: int | None
    output: str
    left_out: tuple[str, ...] = ()

    @property
    def rounds(self) -> bool:
        """Whether values are rounded on the way."""
        return any(kind == "RoundedValues" for _, kind, _ in self.told["layers"])


def known_operators() -> Mapping[str, OperatorEntry]:
    """Every operator that is opened, by name."""
    for found in pkgutil.iter_modules(operators.__path__):
        importlib.import_module(f"{operators.__name__}.{found.name}")
    return operator_table()


def read_network(content: bytes, caps: Caps, shapes: ItemShapes = None) -> Description:
    """The network in the bytes of an ONNX file, within bounds; shapes fill in sizes that are left open.

    Raises Refused, and nothing else, whatever the bytes are.
    """
    return described(read_file(content, caps), caps, shapes)


def described(file: OnnxFile, caps: Caps, shapes: ItemShapes = None) -> Description:
    """The same for a file whose parts were read."""
    ends = graph_ends(file, shapes)
    nodes = _needed(file, ends.output)
    _refuse_unknown(nodes, known_operators())
    plan = NetworkPlan(caps, ends.inputs[0].given, ends.fixed, made=len(ends.inputs))
    values: dict[str, GraphValue] = {}
    for at, found in enumerate(ends.inputs):
        value = replace(found.given, number=at)
        if found.kind != FLOAT:
            value = plan.step("cast", [value], value.shape, found.kind, to=found.kind)
        values[found.name] = value
    return _description(plan, _Walk(file, nodes, plan, values).value_of(ends.output), ends)


# Which nodes ------------------------------------------------------------------------------------------------


def _needed(file: OnnxFile, output: str) -> tuple[OnnxNode, ...]:
    """The nodes that an output depends on, in their order; raises Refused where they stand in none."""
    made = {value.name for value in file.inputs} | file.tensors.keys()
    for node in file.nodes:
        missing = [name for name in node.inputs if name and name not in made]
        if missing:
            raise damaged(
                Phrase(
                    "the node '{node}' reads '{value}' before it is made",
                    node=_called(node),
                    value=shown(missing[0]),
                )
            )
        for name in filter(None, node.outputs):
            if name in made:
                raise damaged(Phrase("two of its values are called '{value}'", value=shown(name)))
            made.add(name)
    wanted = {output}
    if not wanted <= made:
        raise damaged(N_("its output is made by no node"))
    kept: list[OnnxNode] = []
    for node in reversed(file.nodes):
        if wanted.intersection(filter(None, node.outputs)):
            kept.append(node)
            wanted.update(node.inputs)
    return tuple(reversed(kept))


def _called(node: OnnxNode) -> str:
    """How a node is named to people: by its name, or by what it makes."""
    return shown(node.name or next(filter(None, node.outputs), ""))


def _refuse_unknown(nodes: Sequence[OnnxNode], known: Mapping[str, OperatorEntry]) -> None:
    """Refuse all operators at once that are not opened, and say where they are."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for node in nodes:
        if node.domain not in DOMAINS or node.operator not in known or node.holds:
            domain = "" if node.domain in DOMAINS else f"{node.domain}."
            places[shown(domain + node.operator)].append(_called(node))
    if places:
        told = [
            f"{operator} ({', '.join(repr(name) for name in names[:2])}{', ...' if len(names) > 2 else ''})"
            for operator, names in list(places.items())[:_MOST_NAMED]
        ]
        raise Refused(
            "The ONNX file holds operators that are not opened: {operators}. Export the network without "
            "them, or open it by its code.",
            operators=", ".join(told) + (", ..." if len(places) > _MOST_NAMED else ""),
        )


# Node by node -----------------------------------------------------------------------------------------------


class _Walk:
    """Goes through the nodes once; what each value is, by its name."""

    def __init__(
        self, file: OnnxFile, nodes: Sequence[OnnxNode], plan: NetworkPlan, values: dict[str, GraphValue]
    ) -> None:
        self._file, self._nodes, self._plan, self._values = file, nodes, plan, values
        self._readers = Counter(name for node in nodes for name in node.inputs)
        self._readers.update(value.name for value in file.outputs)
        self._names: Counter[int] = Counter()
        self._reads: Counter[int] = Counter()

    def value_of(self, output: str) -> GraphValue:
        """What comes out under a name when all nodes were gone through."""
        for node in self._nodes:
            made = self._made(node)
            for name, value in zip(node.outputs, made, strict=False):
                if name:
                    self._values[name] = value
                    self._note(name, value)
        return self._value(output)

    def _note(self, name: str, value: GraphValue) -> None:
        if isinstance(value, ComputedValue):
            self._names[value.number] += 1
            self._reads[value.number] += self._readers[name]

    def _read_once(self, value: GraphValue) -> bool:
        if not isinstance(value, ComputedValue):
            return False
        return self._names[value.number] == 1 == self._reads[value.number]

    def _made(self, node: OnnxNode) -> tuple[GraphValue, ...]:
        wanted = max(
            (at + 1 for at, name in enumerate(node.outputs) if self._readers[name] and name), default=0
        )
        given = tuple(self._value(name) if name else None for name in node.inputs)
        call = NodeCall(node, given, self._file.version, wanted, self._read_once)
        try:
            made = _result(operator_table()[node.operator], call, self._plan)
            call.check_all_asked(len(made))
        except NotOpenedError as error:
            raise _not_opened(node, error.reason) from error
        except BatchSizeError as error:
            raise _not_opened(node, N_("it holds for one number of items only")) from error
        except (ArithmeticError, ValueError, TypeError, IndexError) as error:
            if isinstance(error, Refused):
                raise
            # what numpy raises where shapes and numbers of a constant do not fit one another
            raise _not_opened(node, N_("its numbers do not fit one another")) from error
        return made

    def _value(self, name: str) -> GraphValue:
        if name not in self._values:
            self._values[name] = KnownValue(values_of(self._file.tensors[name]), name, ())
        return self._values[name]


def _not_opened(node: OnnxNode, reason: str) -> Refused:
    return Refused(
        "The operator {operator} of the ONNX file, at '{node}', cannot be opened: {reason}. Export the "
        "network without it, or open it by its code.",
        operator=shown(node.operator),
        node=_called(node),
        reason=reason,
    )


def _result(found: OperatorEntry, call: NodeCall, plan: NetworkPlan) -> tuple[GraphValue, ...]:
    if len(call.given) > found.most_inputs:
        raise NotOpenedError(Phrase("it has {count} inputs", count=len(call.given)))
    if found.folded is not None and all(isinstance(value, KnownValue | None) for value in call.given):
        return (_folded(found.folded, call, plan),)
    if found.opened is None:
        raise NotOpenedError(N_("what it makes depends on the items"))
    made = found.opened(call, plan)
    return made if isinstance(made, tuple) else (made,)


def _folded(fold: Fold, call: NodeCall, plan: NetworkPlan) -> KnownValue:
    """A constant that is worked out now; it keeps the name of the only tensor that it was made of."""
    values = fold(call, plan)
    known = [value for value in call.given if isinstance(value, KnownValue)]
    is_coded = any(value.is_coded for value in known) or call.node.operator == "DequantizeLinear"
    sources = [value.source for value in known if value.source]
    if call.node.operator == "Constant" and values.size > 1:
        sources = [call.node.outputs[0]]
    source = sources[0] if call.node.operator in {"DequantizeLinear", "Cast", "Constant"} and sources else ""
    return KnownValue(values, source, (call.node.outputs[0],) if source else None, is_coded)


# What comes out ---------------------------------------------------------------------------------------------


def _description(plan: NetworkPlan, output: GraphValue, ends: GraphEnds) -> Description:
    if isinstance(output, KnownValue) or output.shape[:1] != (PerItem(1),) or output.kind != FLOAT:
        raise Refused(
            "The output of the ONNX file is no table with a row of float32 for each item, so that its "
            "answers cannot be judged: export the network with its scores as output."
        )
    steps = with_chunks(plan.needed(output.number))
    layers = list(dict.fromkeys(step.layer for step in steps if step.layer is not None))
    constants = _named(layers, steps)
    tensors = {f"{one.path}.{name}": known for one in layers for name, known in one.tensors.items()}
    places = {known.origin: path for path, known in constants.items()}
    told = {
        "format": FORMAT,
        "layers": [[one.path, one.kind, dict(one.given)] for one in layers],
        "constants": [_constant(path, known) for path, known in constants.items()],
        "ties": _ties(tensors),
        "steps": [_step(step, places) for step in steps],
        "output": output.number,
        "inputs": [
            [each.argument, list(each.shape), each.kind, _words(steps, at)]
            for at, each in enumerate(ends.inputs)
        ],
    }
    state = {name: known.values for name, known in (tensors | constants).items()}
    from_codes = tuple(one.path for one in layers if any(known.is_coded for known in one.tensors.values()))
    work = tuple(
        (step.layer.path if step.layer else step.call, step.values, step.multiplications) for step in steps
    )
    return Description(told, state, from_codes, work, plan.fixed, ends.output, ends.left_out)


def _words(steps: Sequence[GraphStep], number: int) -> int:
    """How many words the smallest table knows in which an input is looked up; 0 where it is in none."""
    same, rows = {number}, list[int]()
    for step in steps:
        reads = any(isinstance(each, ComputedValue) and each.number in same for each in step.read)
        if reads and step.call == "cast":
            same.update(step.made)
        if reads and step.layer is not None and step.layer.kind == "Embedding":
            rows.append(step.layer.given["num_embeddings"])
    return min(rows, default=0)


def _named(layers: Sequence[LayerDraft], steps: Sequence[GraphStep]) -> dict[str, KnownValue]:
    """Give each layer its path: after its tensors, else after its node; and the constants, by theirs."""
    names, constants = LayerNames(), dict[object, tuple[str, KnownValue]]()
    readers = Counter(source for draft in layers for source in set(draft.sources))
    for draft in layers:
        if draft.tensors:
            own = [source for source in draft.sources if readers[source] == 1]
            draft.path = names.for_layer(own, draft.named, draft.sources)
    for known in (each for step in steps for each in step.read if isinstance(each, KnownValue)):
        if known.origin not in constants:
            constants[known.origin] = names.for_constant(known.source), known
    for draft in layers:
        draft.path = draft.path or names.for_layer([], draft.named, [])
    return dict(constants.values())


def _constant(path: str, known: KnownValue) -> list[Any]:
    """Whether it learns: a tensor of the file of finite numbers, not one number alone."""
    values = known.values
    learns = (
        known.kind == FLOAT and bool(known.source) and values.size > 1 and bool(np.isfinite(values).all())
    )
    return [path, list(values.shape), known.kind, learns]


def _ties(tensors: Mapping[str, KnownValue]) -> dict[str, str]:
    """Tensors that are one, each by the first of them."""
    first: dict[object, str] = {}
    ties: dict[str, str] = {}
    for name, known in tensors.items():
        if known.kind != FLOAT or known.ways is None or len(known.shape) < 2:
            continue  # a vector of ones or zeros is kept once by exporters, whosesoever it is
        if first.setdefault((known.origin, known.shape), name) != name:
            ties[name] = first[known.origin, known.shape]
    return ties


def _step(step: GraphStep, constants: Mapping[object, str]) -> list[Any]:
    given = dict(_plain(step.given)) if step.layer is None else {"at": step.layer.path}
    return [step.call, list(step.made), [_ref(each, constants) for each in step.read], given]


def _ref(read: Operand, constants: Mapping[object, str]) -> Any:
    """A value by its number, a constant by its name, or a plain number."""
    match read:
        case ComputedValue():
            return read.number
        case KnownValue():
            return constants[read.origin]
    return {"number": _number(read.number)}


def _number(number: float | bool) -> float | bool | str:
    """A number as JSON has it; those that are none as text."""
    return number if isinstance(number, int) or math.isfinite(number) else str(number)


def _plain(given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in given.items():
        yield name, _number(value) if isinstance(value, float) else value


def description_arrays(found: Description) -> Mapping[str, _Array]:
    """A description as arrays alone, as one process hands them to another."""
    said = {each.name: getattr(found, each.name) for each in fields(found) if each.name != "state"}
    return {"": np.frombuffer(json.dumps(said).encode(), dtype=np.uint8), **found.state}


def description_from(arrays: Mapping[str, _Array]) -> Description:
    """The reverse of `description_arrays`."""
    said = json.loads(arrays[""].tobytes())
    work = tuple((str(name), int(values), int(products)) for name, values, products in said["work"])
    state = {name: values for name, values in arrays.items() if name}
    named = {name: tuple(said[name]) for name in ("from_codes", "left_out")}
    said |= {"work": work, "state": state, **named}
    return Description(**said)
