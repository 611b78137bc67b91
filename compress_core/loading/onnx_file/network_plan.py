"""The network that a file describes, while it is put together: layers, constants, and steps in order.

Nothing here is a tensor of torch: the result is JSON values and arrays of numpy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_core.foundation.errors import Refused
from compress_core.loading.onnx_file.layer_names import LayerNames
from compress_core.loading.onnx_file.sizes_per_item import BatchSizeError, Shape, is_per_item, values_for_one
from compress_core.loading.stored import Caps

_Array = NDArray[Any]
_Given = Mapping[str, Any]
FLOAT = "float32"
LAYER = "layer"
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
    def key(self) -> object:
        """Equal for the same layer that is called twice; None for one without tensors."""
        if not self.tensors:
            return None
        held = tuple((name, known.origin) for name, known in self.tensors.items())
        return self.kind, tuple(sorted((k, repr(v)) for k, v in self.given.items())), held


@dataclass(frozen=True)
class PlainNumber:
    """A plain number among what a step reads."""

    number: float | int | bool


StepRef = int | str | PlainNumber
Operand = GraphValue | PlainNumber


@dataclass(frozen=True)
class GraphStep:
    """One call: of a function in the table of calls, or of a layer.

    made and read: values by number; what is read may also be a constant by its name, or a plain number.
    """

    call: str
    made: tuple[int, ...]
    read: tuple[StepRef, ...]
    given: _Given
    layer: LayerDraft | None = None


@dataclass(eq=False)
class NetworkPlan:
    """What was understood so far.

    items: the network's input; fixed: the one number of items for which the file was written, None where it
    takes any. work: values and multiplications of each step for one item.
    """

    names: LayerNames
    caps: Caps
    items: ComputedValue
    fixed: int | None = None
    steps: list[GraphStep] = field(default_factory=list)
    layers: list[LayerDraft] = field(default_factory=list)
    constants: dict[str, KnownValue] = field(default_factory=dict)
    work: list[tuple[str | LayerDraft, int, int]] = field(default_factory=list)
    made: int = 1
    spent: int = 0
    _kept: dict[object, str] = field(default_factory=dict)

    def step(
        self,
        call: str,
        read: Sequence[Operand],
        shape: Shape,
        kind: str = FLOAT,
        **given: Any,
    ) -> ComputedValue:
        """The result of one more call."""
        (only,) = self.several(call, read, [shape], kind, **given)
        return only

    def several(
        self,
        call: str,
        read: Sequence[Operand],
        shapes: Sequence[Shape],
        kind: str = FLOAT,
        **given: Any,
    ) -> tuple[ComputedValue, ...]:
        """The results of a call that gives several."""
        if any(sum(map(is_per_item, shape)) > 1 for shape in shapes):
            raise BatchSizeError
        numbers = tuple(range(self.made, self.made + len(shapes)))
        self.made += len(shapes)
        self.steps.append(GraphStep(call, numbers, tuple(map(self._ref, read)), given))
        self.work.append((call, sum(map(values_for_one, shapes)), 0))
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
        same = [one for one in self.layers if draft.key is not None and one.key == draft.key]
        if same:
            draft = same[0]
        else:
            self.layers.append(draft)
        draft.calls += 1
        result = self.step(LAYER, [read], shape, made)
        self.steps[-1] = replace(self.steps[-1], layer=draft)
        self.work[-1] = (draft, values_for_one(shape), multiplications)
        return replace(result, layer=draft if kind == "Linear" and "bias" not in held else None)

    def name_layers(self) -> None:
        """Give each layer its path: after its tensors, else after its node, else after what it does."""
        for draft in sorted(self.layers, key=lambda one: not one.tensors):
            sources = [known.source for known in draft.tensors.values() if known.source]
            draft.path = self.names.for_layer(sources, draft.named)

    def _ref(self, value: GraphValue | PlainNumber) -> StepRef:
        match value:
            case ComputedValue():
                return value.number
            case KnownValue():
                return self._constant(value)
        return value

    def _constant(self, known: KnownValue) -> str:
        """The name under which a value is kept, once for each."""
        if known.origin not in self._kept:
            path = self.names.for_constant(known.source)
            self._kept[known.origin] = path
            self.constants[path] = known
        return self._kept[known.origin]

    def give_bias(self, computed: ComputedValue, bias: KnownValue) -> None:
        """Let the linear layer that made a value alone add this [out] too."""
        draft = computed.layer
        assert draft is not None, "asked before"
        draft.tensors["bias"] = bias
        draft.given = {**draft.given, "bias": True}
        same = [one for one in self.layers if one is not draft and one.key == draft.key]
        if same:
            self.layers.remove(draft)
            same[0].calls += 1
            (at,) = (n for n, step in enumerate(self.steps) if step.made == (computed.number,))
            self.steps[at] = replace(self.steps[at], layer=same[0])

    def spend(self, values: int) -> None:
        """Note that so many values are about to be computed here; raises Refused where that is too much."""
        self.spent += values
        if values < 0 or self.spent > 2 * self.caps.elements:
            raise Refused(
                "The constants of the ONNX file become more than {most:,} values when they are worked out: "
                "export it with its constants folded.",
                most=2 * self.caps.elements,
            )


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
