"""The lines of a forward method, from a graph."""

from __future__ import annotations

import keyword
import math
import operator
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, count
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from compress_core.foundation.errors import Refused, shortened

_INFIX: dict[object, str] = {
    operator.add: "+",
    operator.sub: "-",
    operator.mul: "*",
    operator.truediv: "/",
    operator.floordiv: "//",
    operator.mod: "%",
    operator.pow: "**",
    operator.matmul: "@",
    operator.and_: "&",
    operator.or_: "|",
    operator.eq: "==",
    operator.ne: "!=",
    operator.lt: "<",
    operator.le: "<=",
    operator.gt: ">",
    operator.ge: ">=",
}
_TAKEN = frozenset({"self", "torch", "nn", "aten", "F", "operator", "float", "slice", "Network", "load"})
_VARIABLES = ("x", "y", "z", "w", "v", "u")
_TYPES_OF_TORCH = (torch.dtype, torch.memory_format, torch.layout)


def identifier(name: str, taken: set[str]) -> str:
    """A name for Python that is not taken yet, and is then taken; a file may call its layers anything."""
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)
    if not plain.strip("_") or plain[0].isdigit() or plain.startswith("__"):
        plain = f"layer_{plain.strip('_')}"
    if keyword.iskeyword(plain) or plain in _TAKEN or hasattr(nn.Module, plain):
        plain += "_"
    free = next(n for n in chain([plain], (f"{plain}_{i}" for i in count(2))) if n not in taken)
    taken.add(free)
    return free


class ForwardWriter:
    """Writes the body of forward; goes through the nodes once, knowing which variable holds which value.

    attributes: name in the network -> name in the class. A variable's name is used again once nobody needs
    its value, so that memory is freed as the lines run.
    """

    def __init__(self, graph: fx.Graph, attributes: Mapping[str, str]) -> None:
        self._graph, self._attributes = graph, attributes
        self._text: dict[fx.Node, str] = {}
        self._variables: dict[fx.Node, str] = {}
        self._waiting = Counter(base for node in graph.nodes if not _is_inline(node) for base in _bases(node))
        taken: set[str] = set()
        for node in graph.nodes:
            if node.op == "placeholder":
                self._text[node] = identifier(str(node.target), taken)
        self.inputs = tuple(self._text.values())

    def lines(self) -> Iterator[str]:
        """The lines; raises Refused at a call that is not torch's."""
        for node in self._graph.nodes:
            if node.op == "placeholder":
                continue
            if node.op == "get_attr":
                self._text[node] = f"self.{self._attributes[str(node.target)]}"
            elif node.op == "output":
                yield f"return {self._value(node.args[0])}"
            elif _is_inline(node):
                self._text[node] = self._call(node)
            else:
                yield self._assigned(node)

    def _assigned(self, node: fx.Node) -> str:
        call, freed = self._call(node), self._released(node)
        if not self._waiting[node]:
            return call
        held = {*self._variables.values(), *self.inputs}
        name = next(n for n in chain(freed, _VARIABLES, (f"x{i}" for i in count(2))) if n not in held)
        self._variables[node] = self._text[node] = name
        return f"{name} = {call}"

    def _released(self, node: fx.Node) -> list[str]:
        """The variables that nobody needs after this node."""
        freed = []
        for base in _bases(node):
            self._waiting[base] -= 1
            if not self._waiting[base] and base in self._variables:
                freed.append(self._variables.pop(base))
        return freed

    def _call(self, node: fx.Node) -> str:
        match node.op, node.target, node.args:
            case "call_function", operator.getitem, (base, index):
                return f"{self._value(base)}[{self._index(index)}]"
            case "call_function", _, (base, str() as name) if node.target is getattr and name.isidentifier():
                return f"{self._value(base)}.{name}"
            case "call_function", _, (left, right) if node.target in _INFIX and not node.kwargs:
                return f"{self._operand(left)} {_INFIX[node.target]} {self._operand(right)}"
            case "call_function", _, _:
                return f"{_name_of(node.target)}({self._arguments(node.args, node.kwargs)})"
            case "call_method", str() as name, (base, *rest) if name.isidentifier():
                return f"{self._operand(base)}.{name}({self._arguments(rest, node.kwargs)})"
            case _:
                return f"self.{self._attributes[str(node.target)]}({self._arguments(node.args, node.kwargs)})"

    def _arguments(self, unnamed: Any, named: Mapping[str, Any]) -> str:
        return ", ".join([*map(self._value, unnamed), *(f"{k}={self._value(v)}" for k, v in named.items())])

    def _operand(self, value: Any) -> str:
        text = self._value(value)
        return f"({text})" if text.startswith("-") else text

    def _index(self, index: Any) -> str:
        if isinstance(index, tuple) and index:
            return ", ".join(self._index(one) for one in index) + ("," if len(index) == 1 else "")
        if isinstance(index, slice):
            ends = ["" if end is None else self._value(end) for end in (index.start, index.stop, index.step)]
            return ":".join(ends if ends[2] else ends[:2])
        return self._value(index)

    def _value(self, value: Any) -> str:
        return self._text[value] if isinstance(value, fx.Node) else value_text(value, self._value)


def value_text(value: Any, inner: Callable[[Any], str] | None = None) -> str:
    """A constant as Python reads it back; raises Refused at one that cannot be written."""
    inner = inner or value_text
    match value:
        case tuple():
            return f"({', '.join(map(inner, value))}{',' if len(value) == 1 else ''})"
        case list():
            return f"[{', '.join(map(inner, value))}]"
        case dict():
            return f"{{{', '.join(f'{inner(k)}: {inner(v)}' for k, v in value.items())}}}"
        case slice():
            return f"slice({inner(value.start)}, {inner(value.stop)}, {inner(value.step)})"
        case _:
            return _single_text(value)


def _single_text(value: Any) -> str:
    match value:
        case float() if not math.isfinite(value):
            return f'float("{value}")'
        case torch.device():
            return f'torch.device("{value}")'
        case _ if value is Ellipsis:
            return "..."
        case _ if isinstance(value, _TYPES_OF_TORCH):
            return str(value)
        case bool() | int() | float() | str() | None:
            return repr(value)
        case _:
            raise _not_torch(value)


def _is_inline(node: fx.Node) -> bool:
    """A shape and its numbers are written where they are used."""
    if node.op != "call_function":
        return False
    if node.target is getattr:
        return node.args[1] == "shape"
    base = node.args[0] if node.args else None
    return node.target is operator.getitem and isinstance(base, fx.Node) and _is_inline(base)


def _bases(node: fx.Node) -> tuple[fx.Node, ...]:
    """The nodes whose variables the line of a node reads."""
    found: dict[fx.Node, None] = {}
    for base in node.all_input_nodes:
        found |= dict.fromkeys(_bases(base) if _is_inline(base) else [base])
    return tuple(found)


def _name_of(function: Any) -> str:
    """The public name of a function of torch; raises Refused at any other."""
    if isinstance(function, torch._ops.OpOverload) and function.namespace == "aten":  # noqa: SLF001 - no other name
        return str(function)
    name = getattr(function, "__name__", "")
    for module, prefix in (
        (F, "F"),
        (torch, "torch"),
        (torch.special, "torch.special"),
        (operator, "operator"),
    ):
        if getattr(module, name, None) is function:
            return f"{prefix}.{name}"
    if getattr(torch.Tensor, name, None) is function:
        return f"torch.Tensor.{name}"
    raise _not_torch(function)


def _not_torch(value: Any) -> Refused:
    return Refused(
        "The network uses {value} while it answers, which a file that needs torch alone cannot hold: "
        "write that step with functions of torch.",
        value=getattr(value, "__name__", "") or shortened(value),
    )
