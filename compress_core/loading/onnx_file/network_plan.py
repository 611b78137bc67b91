"""The network that a file describes, while it is put together: layers, constants, and steps in order.

Nothing here is a tensor of torch: the result is JSON values and arrays of numpy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from compress_core.foundation.errors import Refused
from compress_core.loading.onnx_file.sizes_per_item import BatchSizeError, Shape, is_per_item, values_for_one
from compress_core.loading.stored import Caps

_Array = NDArray[Any]
_Given = Mapping[str, Any]
FLOAT = "float32"
LAYER, ROUNDED = "layer", "RoundedValues"
_TURNED = "turned"


@dataclass(frozen=True, eq=False)
class KnownValue:
    """A value that is the same whatever the items are.

    source: the tensor of the file that it was made of; ways: how, None where that is not told, so that it may
    be any. is_coded: it came as whole numbers with a scale.
    """

    values: _Array
    source: str = ""
    ways: tuple[object, ...] | None = None
    is_coded: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.values.shape)

    @property
    def kind(self) -> str:
        return "int64" if self.values.dtype == object else str(self.values.dtype)

    @property
    def origin(self) -> object:
        """What tells the values apart from others: equal where they are the same tensor of the file."""
        return id(self.values) if self.ways is None else (self.source, *self.ways)

    def turned(self) -> KnownValue:
        """The same values [m, n] as [n, m]."""
        ways = self.ways
        if ways is not None:
            ways = ways[:-1] if ways[-1:] == (_TURNED,) else (*ways, _TURNED)
        return replace(self, values=self.values.T, ways=ways)

    def reshaped(self, shape: Sequence[int]) -> KnownValue:
        """The same values in another shape."""
        if self.shape == tuple(shape):
            return self
        ways = None if self.ways is None else (*self.ways, tuple(shape))
        return replace(self, values=self.values.reshape(shape), ways=ways)

    def changed(self, values: _Array) -> KnownValue:
        """Other values that were made of these."""
        return KnownValue(values, self.source, None, self.is_coded)


@dataclass(frozen=True, eq=False)
class ComputedValue:
    """A value that depends on the items: what a step makes.

    layer: the linear layer without a bias that made it, or the one that rounds.
    """

    number: int
    shape: Shape
    kind: str
    layer: LayerDraft | None = None


GraphValue = KnownValue | ComputedValue


@dataclass(eq=False)
class LayerDraft:
    """A module of torch to be: its class, its arguments, and its tensors by their names in it.

    named: what it may be called where its tensors do not tell; path: what it is called, in the end.
    """

    kind: str
    given: _Given
    tensors: dict[str, KnownValue]
    named: tuple[str, ...] = ()
    calls: int = 0
    path: str = ""

    @property
    def sources(self) -> list[str]:
        """The tensors of the file that it holds, those first that nothing else could hold."""
        held = sorted(self.tensors.values(), key=lambda known: len(known.shape) < 2)
        return [known.source for known in held if known.source]

    @property
    def key(self) -> object:
        """Equal for the same layer that is called twice; one without a matrix is like no other.

        Exporters keep tensors of equal values once: two new norms read the same ones and the same zeros.
        """
        if not any(len(known.shape) > 1 for known in self.tensors.values()):
            return id(self)
        held = tuple((name, known.origin) for name, known in self.tensors.items())
        return self.kind, tuple(sorted((k, repr(v)) for k, v in self.given.items())), held


@dataclass(frozen=True)
class PlainNumber:
    """A plain number among what a step reads."""

    number: float | int | bool


Operand = GraphValue | PlainNumber


@dataclass(frozen=True, eq=False)
class GraphStep:
    """One call: of a function in the table of calls, or of a layer.

    made: values by number. values and multiplications: of one item.
    """

    call: str
    made: tuple[int, ...]
    read: tuple[Operand, ...]
    given: _Given
    layer: LayerDraft | None = None
    values: int = 0
    multiplications: int = 0


@dataclass(eq=False)
class NetworkPlan:
    """What was understood so far: steps in order, none of which is in the way where nothing reads it.

    items: the network's input; fixed: the one number of items for which the file was written, None where it
    takes any.
    """

    caps: Caps
    items: ComputedValue
    fixed: int | None = None
    steps: list[GraphStep] = field(default_factory=list)
    made: int = 1
    spent: int = 0
    _layers: dict[object, LayerDraft] = field(default_factory=dict)
    _places: dict[int, int] = field(default_factory=dict)

    def step(
        self, call: str, read: Sequence[Operand], shape: Shape, kind: str = FLOAT, **given: Any
    ) -> ComputedValue:
        """The result of one more call."""
        (only,) = self.several(call, read, [shape], kind, **given)
        return only

    def several(
        self, call: str, read: Sequence[Operand], shapes: Sequence[Shape], kind: str = FLOAT, **given: Any
    ) -> tuple[ComputedValue, ...]:
        """The results of a call that gives several."""
        return self._added(GraphStep(call, (), tuple(read), given), shapes, kind)

    def multiplied(self, one: GraphValue, other: GraphValue, shape: Shape, products: int) -> ComputedValue:
        """The product of two matrices, with so many multiplications for an item."""
        step = GraphStep("matmul", (), (one, other), {}, multiplications=products)
        (only,) = self._added(step, [shape], FLOAT)
        return only

    def _added(self, step: GraphStep, shapes: Sequence[Shape], kind: str) -> tuple[ComputedValue, ...]:
        if any(sum(map(is_per_item, shape)) > 1 for shape in shapes):
            raise BatchSizeError
        numbers = tuple(range(self.made, self.made + len(shapes)))
        self.made += len(shapes)
        self._places |= dict.fromkeys(numbers, len(self.steps))
        self.steps.append(replace(step, made=numbers, values=sum(map(values_for_one, shapes))))
        return tuple(ComputedValue(n, shape, kind) for n, shape in zip(numbers, shapes, strict=True))

    def layer(
        self,
        kind: str,
        given: _Given,
        read: GraphValue,
        shape: Shape,
        *,
        tensors: Mapping[str, KnownValue | None] | None = None,
        named: Sequence[str] = (),
        multiplications: int = 0,
        made: str = FLOAT,
    ) -> ComputedValue:
        """The result of a layer; the same layer where these very tensors stood in one before."""
        held = {name: known for name, known in (tensors or {}).items() if known is not None}
        draft = LayerDraft(kind, given, held, tuple(named))
        draft = self._layers.setdefault(draft.key, draft)
        draft.calls += 1
        step = GraphStep(LAYER, (), (read,), {}, draft, multiplications=multiplications)
        (result,) = self._added(step, [shape], made)
        keeps = kind == ROUNDED or (kind == "Linear" and "bias" not in held)
        return replace(result, layer=draft) if keeps else result

    def maker(self, value: Operand) -> GraphStep | None:
        """The step that made a value."""
        return self.steps[self._places[value.number]] if self._is_made(value) else None

    def _is_made(self, value: Operand) -> TypeGuard[ComputedValue]:
        return isinstance(value, ComputedValue) and value.number in self._places

    def give_bias(self, computed: ComputedValue, bias: KnownValue) -> None:
        """Let the linear layer that made a value alone add this [out] too."""
        draft = computed.layer
        assert draft is not None, "asked before"
        del self._layers[draft.key]
        draft.tensors["bias"] = bias
        draft.given = {**draft.given, "bias": True}
        kept = self._layers.setdefault(draft.key, draft)
        if kept is not draft:
            kept.calls += 1
            at = self._places[computed.number]
            self.steps[at] = replace(self.steps[at], layer=kept)

    def spend(self, values: int) -> None:
        """Note that so many values are about to be computed here; raises Refused where that is too much."""
        self.spent += values
        if values < 0 or self.spent > 2 * self.caps.elements:
            raise Refused(
                "The constants of the ONNX file become more than {most:,} values when they are worked out: "
                "export it with its constants folded.",
                most=2 * self.caps.elements,
            )

    def needed(self, output: int) -> list[GraphStep]:
        """The steps that a value depends on, in their order."""
        wanted, kept = {output}, list[GraphStep]()
        for step in reversed(self.steps):
            if wanted.intersection(step.made):
                kept.append(step)
                wanted.update(each.number for each in step.read if isinstance(each, ComputedValue))
        return kept[::-1]


def is_number(known: KnownValue) -> bool:
    """Whether a value is a single plain number."""
    return known.values.dtype != object and known.values.size == 1


def literal(known: KnownValue) -> PlainNumber:
    """That number."""
    return PlainNumber(known.values.reshape(()).item())


def in_short_digits(value: float) -> float:
    """A number of 32 bits as people write it: 0.01, not 0.009999999776482582."""
    if not math.isfinite(value):
        return value
    short = float(str(np.float32(value)))
    return short if np.float32(short) == np.float32(value) else value
