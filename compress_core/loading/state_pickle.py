"""The pickle of a plain state dict: what it declares, read without running any of it.

A pickle is a program. This reader knows the few instructions that a state dict needs, and the five names
such a program may mention; each name stands for a note of ours ("a tensor of this shape, there"), never for
the function it is called after. So `torch.load` is not needed, and two readers cannot disagree.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from compress_core.foundation.errors import Refused
from compress_core.loading.stored import BF16, BOOL, F16, F32, F64, I8, I16, I32, I64, U8, Element, shown

MAX_INSTRUCTIONS = 200_000  # a tensor takes about 40
_WRAPPERS = ("state_dict", "model_state_dict", "model")
_STORAGES: Mapping[str, Element] = MappingProxyType(
    {
        "torch DoubleStorage": F64, "torch FloatStorage": F32, "torch HalfStorage": F16,
        "torch BFloat16Storage": BF16, "torch LongStorage": I64, "torch IntStorage": I32,
        "torch ShortStorage": I16, "torch CharStorage": I8, "torch ByteStorage": U8,
        "torch BoolStorage": BOOL,
    }
)  # fmt: skip
_TENSOR = "torch._utils _rebuild_tensor_v2"
_PARAMETER = "torch._utils _rebuild_parameter"
_ORDERED_DICT = "collections OrderedDict"
_OTHER_TENSORS = (
    "torch._utils _rebuild_sparse",
    "torch._utils _rebuild_qtensor",
    "torch._utils _rebuild_nested",
)


class _MalformedError(Exception):
    """The pickle is not one that torch.save writes."""


@dataclass(frozen=True)
class _Name:
    text: str


@dataclass(frozen=True)
class Storage:
    """A run of values in the file: the member that holds them, their type and how many are claimed."""

    element: Element
    key: str
    count: int


@dataclass(frozen=True)
class TensorView:
    """A tensor as a look into a storage; offset and stride in values. Nothing here has been checked yet."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def read_views(program: bytes) -> dict[str, TensorView]:
    """The tensors a pickled state dict declares, by name and in its order; nothing is run or allocated.

    Raises Refused where the pickle mentions or makes anything but plain tensors in a dict.
    """
    return _without_wrapper(_interpreted(program))


def _without_wrapper(found: object) -> dict[str, TensorView]:
    if isinstance(found, dict):
        found = next((found[key] for key in _WRAPPERS if isinstance(found.get(key), dict)), found)
    if not isinstance(found, dict):
        raise Refused(
            "The file must hold a state dict, names with tensors, and holds something else. "
            "Upload torch.save(model.state_dict(), path)."
        )
    for name, value in found.items():
        if not isinstance(name, str) or not isinstance(value, TensorView):
            raise Refused(
                "The entry '{entry}' of the file is no tensor; a state dict holds nothing but tensors "
                "by name. Upload torch.save(model.state_dict(), path).",
                entry=shown(name) if isinstance(name, str) else "?",
            )
    return found


def _interpreted(program: bytes) -> object:
    try:
        return _run(program)
    except Refused:
        raise
    except (_MalformedError, ValueError, IndexError, KeyError, TypeError, OverflowError) as broken:
        raise Refused(
            "The pickle in the file is not one that torch.save writes for a state dict. "
            "Save it anew with torch.save(model.state_dict(), path) or as safetensors."
        ) from broken


@dataclass
class _Machine:
    """The stack of a pickle; `outer` keeps the stacks below each open mark."""

    stack: list[object] = field(default_factory=list)
    outer: list[list[object]] = field(default_factory=list)
    memo: dict[int, object] = field(default_factory=dict)

    def since_mark(self) -> list[object]:
        """The values pushed since the last mark, taken off with it."""
        taken, self.stack = self.stack, self.outer.pop()
        return taken

    def put(self, index: int) -> None:
        """Remember the top of the stack."""
        self.memo[index] = self.stack[-1]

    def filled_list(self) -> list[object]:
        """The list on top of the stack, which is being filled."""
        if not isinstance(self.stack[-1], list):
            raise _MalformedError
        return self.stack[-1]

    def filled_dict(self) -> dict[object, object]:
        """The dict on top of the stack, which is being filled."""
        if not isinstance(self.stack[-1], dict):
            raise _MalformedError
        return self.stack[-1]


def _run(program: bytes) -> object:
    machine = _Machine()
    for done, (opcode, argument, _) in enumerate(pickletools.genops(program)):
        if opcode.name == "STOP":
            break
        if done > MAX_INSTRUCTIONS:
            raise Refused(
                "The pickle in the file has more than {most:,} instructions. Upload the state dict alone: "
                "torch.save(model.state_dict(), path).",
                most=MAX_INSTRUCTIONS,
            )
        action = _ACTIONS.get(opcode.name)
        if action is None:
            raise Refused(
                "The file holds pickled objects (instruction {instruction}), not just tensors. "
                "Upload torch.save(model.state_dict(), path) or safetensors.",
                instruction=opcode.name,
            )
        action(machine, argument)
    return machine.stack.pop()


def _push(machine: _Machine, argument: object) -> None:
    machine.stack.append(argument)


def _constant(value: bool) -> Callable[[_Machine, object], None]:
    def action(machine: _Machine, _: object) -> None:
        machine.stack.append(value)

    return action


def _ignore(machine: _Machine, argument: object) -> None:
    """Protocol and frame marks say nothing about the content."""


def _mark(machine: _Machine, _: object) -> None:
    machine.outer.append(machine.stack)
    machine.stack = []


def _put(machine: _Machine, argument: int) -> None:
    machine.put(argument)


def _memoize(machine: _Machine, _: object) -> None:
    machine.put(len(machine.memo))


def _get(machine: _Machine, argument: int) -> None:
    machine.stack.append(machine.memo[argument])


def _tuple_of(count: int) -> Callable[[_Machine, object], None]:
    def action(machine: _Machine, _: object) -> None:
        values = tuple(machine.stack[len(machine.stack) - count :])
        if len(values) < count:
            raise _MalformedError
        del machine.stack[len(machine.stack) - count :]
        machine.stack.append(values)

    return action


def _empty_list(machine: _Machine, _: object) -> None:
    machine.stack.append([])


def _empty_dict(machine: _Machine, _: object) -> None:
    machine.stack.append({})


def _tuple(machine: _Machine, _: object) -> None:
    values = tuple(machine.since_mark())
    machine.stack.append(values)


def _append(machine: _Machine, _: object) -> None:
    _extend(machine, [machine.stack.pop()])


def _appends(machine: _Machine, _: object) -> None:
    _extend(machine, machine.since_mark())


def _extend(machine: _Machine, values: Iterable[object]) -> None:
    machine.filled_list().extend(values)


def _set_item(machine: _Machine, _: object) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    _update(machine, [key, value])


def _set_items(machine: _Machine, _: object) -> None:
    _update(machine, machine.since_mark())


def _update(machine: _Machine, values: list[object]) -> None:
    target = machine.filled_dict()
    for key, value in zip(values[::2], values[1::2], strict=True):
        if type(key) not in {str, int} or (key in target):  # only what hashes in constant time
            raise _MalformedError
        target[key] = value


def _build(machine: _Machine, _: object) -> None:
    """An ordered dict's attributes (PyTorch's `_metadata`) are left aside."""
    machine.stack.pop()
    machine.filled_dict()


def _global(machine: _Machine, argument: str) -> None:
    if argument.startswith(_OTHER_TENSORS):
        raise Refused(
            "The file holds sparse, nested or quantized tensors; only plain dense tensors are read. "
            "Convert them with .to_dense() or .dequantize() and save again."
        )
    if argument not in {_TENSOR, _PARAMETER, _ORDERED_DICT} and argument not in _STORAGES:
        raise Refused(
            "The file holds a pickled object that needs '{name}', which could run code; nothing was run. "
            "Upload torch.save(model.state_dict(), path) or safetensors.",
            name=shown(argument.replace(" ", ".")),
        )
    machine.stack.append(_Name(argument))


def _stack_global(machine: _Machine, _: object) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise _MalformedError
    _global(machine, f"{module} {name}")


def _persistent(machine: _Machine, _: object) -> None:
    match machine.stack.pop():
        case ("storage", _Name(text), str(key), str(), int(count)) if text in _STORAGES and count >= 0:
            machine.stack.append(Storage(_STORAGES[text], key, count))
        case _:
            raise _MalformedError


def _reduce(machine: _Machine, _: object) -> None:
    arguments, called = machine.stack.pop(), machine.stack.pop()
    match called, arguments:
        case _Name("collections OrderedDict"), ():
            machine.stack.append({})
        case _Name("torch._utils _rebuild_tensor_v2"), tuple():
            machine.stack.append(_view(arguments))
        case _Name("torch._utils _rebuild_parameter"), (TensorView() as view, bool(), dict()):
            machine.stack.append(view)
        case _:
            raise _MalformedError


def _view(arguments: tuple[object, ...]) -> TensorView:
    match arguments:
        case (Storage() as storage, int(offset), tuple(shape), tuple(stride), bool(), dict(), *metadata):
            whole = all(type(number) is int for number in (*shape, *stride))
            if whole and len(shape) == len(stride) and metadata in ([], [None], [{}]):
                return TensorView(storage, offset, shape, stride)
    raise _MalformedError


_ACTIONS: Mapping[str, Callable[[_Machine, Any], None]] = MappingProxyType(
    {
        "PROTO": _ignore, "FRAME": _ignore, "MARK": _mark,
        "NONE": _push, "NEWTRUE": _constant(True), "NEWFALSE": _constant(False),
        "BININT": _push, "BININT1": _push, "BININT2": _push, "LONG1": _push, "BINFLOAT": _push,
        "BINUNICODE": _push, "SHORT_BINUNICODE": _push,
        "EMPTY_TUPLE": _tuple_of(0), "TUPLE1": _tuple_of(1), "TUPLE2": _tuple_of(2), "TUPLE3": _tuple_of(3),
        "TUPLE": _tuple, "EMPTY_LIST": _empty_list, "APPEND": _append, "APPENDS": _appends,
        "EMPTY_DICT": _empty_dict, "SETITEM": _set_item, "SETITEMS": _set_items, "BUILD": _build,
        "BINPUT": _put, "LONG_BINPUT": _put, "MEMOIZE": _memoize, "BINGET": _get, "LONG_BINGET": _get,
        "GLOBAL": _global, "STACK_GLOBAL": _stack_global, "BINPERSID": _persistent, "REDUCE": _reduce,
    }
)  # fmt: skip
