"""The pickle of a checkpoint: what it declares, read without running any of it.

A pickle is a program. This reader knows the instructions that torch.save writes and the few names that a
tensor needs; each of those stands for a note of ours ("a tensor of this shape, there"), never for the
function it is called after. Whatever else is called, named or made becomes an `Opaque`, which knows its name
and nothing more. So `torch.load` is not needed, and two readers cannot disagree.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from compress_core.foundation.errors import Refused
from compress_core.loading.stored import BF16, BOOL, F16, F32, F64, I8, I16, I32, I64, U8, Element

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
_MOST_HASHED_APART = 2**60
_KNOWN = frozenset({_TENSOR, _PARAMETER, _ORDERED_DICT, *_STORAGES})


class _MalformedError(Exception):
    """The pickle is not one that torch.save writes."""


@dataclass(frozen=True)
class _Name:
    text: str


@dataclass(frozen=True)
class Opaque:
    """Something that the pickle would have made; `name` is what it would have called for that, with dots."""

    name: str


class _OtherKey:
    """The key of an entry that is called by neither a text nor a whole number."""


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


@dataclass(frozen=True, eq=False)
class Unpickled:
    """What a pickle declares: dicts, lists, numbers, texts, `TensorView`s, and an `Opaque` for all else.

    opaque: the names of those, in the order in which they were met.
    """

    root: object
    opaque: tuple[str, ...]


def unpickled(program: bytes, most: int) -> Unpickled:
    """What a pickle of at most so many instructions declares; nothing of it is run, built or allocated.

    Raises Refused where it is none that torch.save writes.
    """
    machine = _Machine()
    try:
        root = _run(machine, program, most)
    except Refused:
        raise
    except (_MalformedError, ValueError, IndexError, KeyError, TypeError, OverflowError) as broken:
        raise Refused(
            "The pickle in the file is not one that torch.save writes for a state dict. "
            "Save it anew with torch.save(model.state_dict(), path) or as safetensors."
        ) from broken
    return Unpickled(root, tuple(machine.opaque))


@dataclass
class _Machine:
    """The stack of a pickle; `outer` keeps the stacks below each open mark, `opaque` the names met."""

    stack: list[object] = field(default_factory=list)
    outer: list[list[object]] = field(default_factory=list)
    memo: dict[int, object] = field(default_factory=dict)
    opaque: dict[str, None] = field(default_factory=dict)

    def since_mark(self) -> list[object]:
        """The values pushed since the last mark, taken off with it."""
        taken, self.stack = self.stack, self.outer.pop()
        return taken

    def put(self, index: int) -> None:
        """Remember the top of the stack."""
        self.memo[index] = self.stack[-1]

    def made(self, name: str) -> Opaque:
        """Put something on the stack that is not made here."""
        thing = Opaque(name.replace(" ", "."))
        self.opaque.setdefault(thing.name)
        self.stack.append(thing)
        return thing


def _run(machine: _Machine, program: bytes, most: int) -> object:
    for done, (opcode, argument, _) in enumerate(pickletools.genops(program)):
        if opcode.name == "STOP":
            break
        if done > most:
            raise Refused(
                "The pickle in the file has more than {most:,} instructions. Upload the state dict alone: "
                "torch.save(model.state_dict(), path).",
                most=most,
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


def _pop(machine: _Machine, _: object) -> None:
    machine.stack.pop()


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
    match machine.stack[-1]:
        case list() as target:
            target.extend(values)
        case Opaque():
            pass  # a list of some other kind, as a deque: what it would hold is left aside
        case _:
            raise _MalformedError


def _set_item(machine: _Machine, _: object) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    _update(machine, [key, value])


def _set_items(machine: _Machine, _: object) -> None:
    _update(machine, machine.since_mark())


def _update(machine: _Machine, values: list[object]) -> None:
    target = machine.stack[-1]
    for key, value in zip(values[::2], values[1::2], strict=True):
        match target:
            case dict():
                name = _key(key)
                if name in target:
                    raise _MalformedError
                target[name] = value
            case Opaque():
                pass  # a dict of some other kind, as a Namespace or an AttributeDict
            case _:
                raise _MalformedError


def _key(key: object) -> object:
    """Only what is hashed in constant time, and to places of its own: large numbers are not."""
    plain = isinstance(key, str) or (type(key) is int and abs(key) < _MOST_HASHED_APART)
    return key if plain else _OtherKey()


def _build(machine: _Machine, _: object) -> None:
    """Attributes are left aside: those of an ordered dict (PyTorch's `_metadata`), and those of others."""
    machine.stack.pop()
    if not isinstance(machine.stack[-1], dict | Opaque):
        raise _MalformedError


def _add_items(machine: _Machine, _: object) -> None:
    machine.since_mark()
    if not isinstance(machine.stack[-1], Opaque):
        raise _MalformedError


def _frozen_set(machine: _Machine, _: object) -> None:
    machine.since_mark()
    machine.made("builtins frozenset")


def _empty_set(machine: _Machine, _: object) -> None:
    machine.made("builtins set")


def _global(machine: _Machine, argument: str) -> None:
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
        case ("storage", _Name(text), *_) if text not in _KNOWN:
            machine.made(text)
        case _:
            raise _MalformedError


def _reduce(machine: _Machine, _: object) -> None:
    arguments, called = machine.stack.pop(), machine.stack.pop()
    match called, arguments:
        case (_Name(text), (Opaque() as values, *_)) if text in {_TENSOR, _PARAMETER}:
            machine.stack.append(values)  # a tensor of a kind that is not read
        case _Name("collections OrderedDict"), ():
            machine.stack.append({})
        case _Name("torch._utils _rebuild_tensor_v2"), tuple():
            machine.stack.append(_view(arguments))
        case _Name("torch._utils _rebuild_parameter"), (TensorView() as view, bool(), dict()):
            machine.stack.append(view)
        case (_Name(text), tuple()) if text not in _KNOWN:
            machine.made(text)
        case Opaque(text), tuple():
            machine.made(text)
        case _:
            raise _MalformedError


def _new_object(taken: int) -> Callable[[_Machine, object], None]:
    """Where an instance of a class would be made from so many values, the class first."""

    def action(machine: _Machine, _: object) -> None:
        called = machine.stack[-taken]
        del machine.stack[-taken:]
        if not isinstance(called, _Name) or called.text in _KNOWN:
            raise _MalformedError
        machine.made(called.text)

    return action


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
        "BINUNICODE": _push, "SHORT_BINUNICODE": _push, "BINUNICODE8": _push,
        "BINBYTES": _push, "SHORT_BINBYTES": _push, "BINBYTES8": _push, "BYTEARRAY8": _push,
        "EMPTY_TUPLE": _tuple_of(0), "TUPLE1": _tuple_of(1), "TUPLE2": _tuple_of(2), "TUPLE3": _tuple_of(3),
        "TUPLE": _tuple, "EMPTY_LIST": _empty_list, "APPEND": _append, "APPENDS": _appends,
        "EMPTY_DICT": _empty_dict, "SETITEM": _set_item, "SETITEMS": _set_items, "BUILD": _build,
        "EMPTY_SET": _empty_set, "ADDITEMS": _add_items, "FROZENSET": _frozen_set, "POP": _pop,
        "NEWOBJ": _new_object(2), "NEWOBJ_EX": _new_object(3),
        "BINPUT": _put, "LONG_BINPUT": _put, "MEMOIZE": _memoize, "BINGET": _get, "LONG_BINGET": _get,
        "GLOBAL": _global, "STACK_GLOBAL": _stack_global, "BINPERSID": _persistent, "REDUCE": _reduce,
    }
)  # fmt: skip
