"""One node of an ONNX file while it is understood: what it asks of its attributes and inputs is checked.

An attribute that nobody asked for is refused, and so is an output that nobody makes: what is not honored is
not opened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from compress_core.foundation.texts import N_, Phrase
from compress_core.loading.onnx_file.file_parts import OnnxNode, OnnxTensor
from compress_core.loading.onnx_file.network_plan import FLOAT, ComputedValue, GraphValue, KnownValue
from compress_core.loading.onnx_file.sizes_per_item import Shape, is_per_item
from compress_core.loading.stored import shown

CODES = "codes of "
"""Before the type of whole numbers that stand for others: nothing but a DequantizeLinear reads them."""
MIXES_ITEMS = N_("it mixes the items of a batch")


class NotOpenedError(ValueError):
    """Why a node is not opened; the walk says which one it is."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(eq=False)
class NodeCall:
    """A node with the values of its inputs, None where one is left out.

    version: of the operator set. read_once: whether nothing but one other node reads the first output of the
    node that made a value. wanted: how many of its outputs somebody reads.
    """

    node: OnnxNode
    given: tuple[GraphValue | None, ...]
    version: int
    wanted: int
    read_once: Callable[[GraphValue], bool]
    _asked: set[str] = field(default_factory=set)

    @property
    def names(self) -> tuple[str, str]:
        """What a layer made of it may be called: after the node, or after what it does."""
        return self.node.scope or self.node.name, self.node.operator.lower()

    def value(self, at: int) -> GraphValue:
        """An input; raises NotOpenedError where it is left out."""
        found = self.optional(at)
        if found is None:
            raise NotOpenedError(Phrase("it has no input {number}", number=at + 1))
        if found.kind.startswith(CODES):
            raise NotOpenedError(N_("it works on codes before they are turned back into numbers"))
        return found

    def computed_codes(self) -> ComputedValue:
        """The first input, which a QuantizeLinear made."""
        found = self.optional(0)
        if not isinstance(found, ComputedValue) or not found.kind.startswith(CODES):
            raise NotOpenedError(N_("it does not stand behind a QuantizeLinear"))
        return found

    def optional(self, at: int) -> GraphValue | None:
        """An input, or None where it is left out."""
        return self.given[at] if at < len(self.given) else None

    def computed(self, at: int = 0) -> ComputedValue:
        """An input that depends on the items, in float32."""
        found = self.value(at)
        if isinstance(found, KnownValue):
            raise NotOpenedError(Phrase("its input {number} must depend on the items", number=at + 1))
        return found

    def real(self, at: int = 0) -> ComputedValue:
        """An input of real numbers that depends on the items."""
        found = self.computed(at)
        if found.kind != FLOAT:
            raise NotOpenedError(
                Phrase("its input {number} is of type {kind}, not float32", number=at + 1, kind=found.kind)
            )
        return found

    def known(self, at: int) -> KnownValue:
        """An input that is constant; raises NotOpenedError for another."""
        found = self.value(at)
        if isinstance(found, ComputedValue):
            raise NotOpenedError(Phrase("its input {number} must be a constant", number=at + 1))
        return found

    def known_or_none(self, at: int) -> KnownValue | None:
        return None if self.optional(at) is None else self.known(at)

    def weights(self, at: int, shape: Sequence[int] | None = None) -> KnownValue:
        """A constant of float32, of this shape."""
        found = self.known(at)
        if found.kind != FLOAT or (shape is not None and found.shape != tuple(shape)):
            raise NotOpenedError(
                Phrase(
                    "its input {number} is {kind} of shape {shape}",
                    number=at + 1,
                    kind=found.kind,
                    shape=list(found.shape),
                )
            )
        return found

    def numbers(self, at: int) -> list[Any] | None:
        """The whole numbers [n] of a constant input, some of them per item; None where it is left out."""
        found = self.known_or_none(at)
        if found is None:
            return None
        if found.kind not in {"int64", "int32"} or len(found.shape) > 1:
            raise NotOpenedError(Phrase("its input {number} must be whole numbers", number=at + 1))
        return list(found.values.reshape(-1).tolist())

    # attributes ---------------------------------------------------------------------------------------------

    def whole(self, name: str, default: int | None = None) -> int:
        return int(self._attribute(name, default, int))

    def real_number(self, name: str, default: float | None = None) -> float:
        return float(self._attribute(name, default, (int, float)))

    def text(self, name: str, default: str) -> str:
        found = self._attribute(name, default.encode(), bytes)
        return shown(bytes(found).decode("utf-8", "replace"))

    def wholes(self, name: str, default: Sequence[int] | None = None) -> list[int]:
        found = self._attribute(name, None if default is None else tuple(default), tuple)
        if not all(type(each) is int for each in found):
            raise self.other(name)
        return list(found)

    def reals(self, name: str) -> list[float]:
        found = self._attribute(name, None, tuple)
        if not all(type(each) is float for each in found):
            raise self.other(name)
        return list(found)

    def wholes_or_none(self, name: str) -> list[int] | None:
        self._asked.add(name)
        return self.wholes(name) if name in self.node.attributes else None

    def tensor(self, name: str) -> OnnxTensor | None:
        self._asked.add(name)
        found = self.node.attributes.get(name)
        return found if isinstance(found, OnnxTensor) else None

    def holds(self, name: str) -> bool:
        return name in self.node.attributes

    def only(self, name: str, *honored: float | str, default: float | str | None = None) -> None:
        """Refuse an attribute with any value but those that are honored; left out, it has its default."""
        default = honored[0] if default is None else default
        kind: Any = self.text if isinstance(default, str) else self.real_number
        if kind(name, default) not in honored:
            raise self.other(name)

    def other(self, name: str) -> NotOpenedError:
        """An attribute has a value that is not honored."""
        value = self.node.attributes.get(name, "")
        told = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        return NotOpenedError(Phrase("its attribute {name} is {value}", name=shown(name), value=shown(told)))

    def _attribute(self, name: str, default: Any, kind: Any) -> Any:
        self._asked.add(name)
        found: Any = self.node.attributes.get(name, default)
        if found is None:
            raise NotOpenedError(Phrase("it has no attribute {name}", name=shown(name)))
        if not isinstance(found, kind):
            raise self.other(name)
        return found

    def check_all_asked(self, made: int) -> None:
        """Refuse what was not looked at: attributes, further inputs that are there, outputs that are read."""
        left = sorted(self.node.attributes.keys() - self._asked)
        if left:
            raise self.other(left[0])
        if self.wanted > made:
            raise NotOpenedError(Phrase("its output {number} is read", number=self.wanted))


Operator = Callable[[NodeCall, Any], "GraphValue | tuple[GraphValue, ...]"]
Fold = Callable[[NodeCall, Any], NDArray[Any]]


@dataclass(frozen=True)
class OperatorEntry:
    """What becomes of an operator: of the items it makes steps and layers (`opened`), of constants values.

    becomes: what it is in torch, in a few words, for the table of operators.
    """

    name: str
    becomes: str
    opened: Operator | None = None
    folded: Fold | None = None
    most_inputs: int = 1


_TABLE: dict[str, OperatorEntry] = {}


def operator_table() -> Mapping[str, OperatorEntry]:
    """What was registered so far, by the name of the operator."""
    return _TABLE


def entry(
    *names: str, becomes: str, inputs: int, folded: Fold | None = None
) -> Callable[[Operator], Operator]:
    """Register what opens the operators of these names, which take so many inputs at most."""

    def register(opened: Operator) -> Operator:
        for name in names:
            _TABLE[name] = OperatorEntry(name, becomes, opened, folded, inputs)
        return opened

    return register


def folded_entry(*names: str, becomes: str, inputs: int) -> Callable[[Fold], Fold]:
    """Register what works out operators that are opened for constants only."""

    def register(folded: Fold) -> Fold:
        for name in names:
            _TABLE[name] = OperatorEntry(name, becomes, None, folded, inputs)
        return folded

    return register


def axis_from_front(axis: int, rank: int) -> int:
    """An axis counted from the front; raises NotOpenedError for one that is not there."""
    if not -rank <= axis < rank:
        raise NotOpenedError(Phrase("it works on axis {axis} of {rank}", axis=axis, rank=rank))
    return axis % rank


def axes_from_front(axes: Sequence[int], rank: int) -> list[int]:
    """Axes counted from the front, in order; raises NotOpenedError for one that is not there, or twice."""
    found = sorted(axis_from_front(axis, rank) for axis in axes)
    if len(set(found)) != len(found):
        raise NotOpenedError(N_("it names one axis twice"))
    return found


def one_item(shape: Shape, axis: int) -> int:
    """The size of an axis that is not that of the items; raises NotOpenedError for that one."""
    size = shape[axis]
    if is_per_item(size):
        raise NotOpenedError(MIXES_ITEMS)
    assert isinstance(size, int), "not per item"
    return size
