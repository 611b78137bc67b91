"""A copy of a module tree in which everything that led to a module of the tree leads to its copy.

`copy.deepcopy` follows attributes and bound methods, but shares functions and weak references: a closure
over `self`, or a hook that stores a feature there, would go on reading and writing the original.
"""

from __future__ import annotations

import copy
import functools
import types
import weakref
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

_ATOMS = frozenset(
    {type(None), bool, int, float, complex, str, bytes, type, torch.Size, torch.dtype, torch.device,
     types.BuiltinFunctionType, types.ModuleType, torch.jit.ScriptFunction}
)  # fmt: skip
_OFTEN_EMPTY = frozenset({dict, OrderedDict, list, set})
_COMPILED_CALL = "_compiled_call_impl"
"""What `module.compile()` leaves in a module: compiled code runs past whoever watches the layers."""
_OWN_WAYS = ("__deepcopy__", "__reduce__", "__reduce_ex__", "__getstate__")


def own_tensor(tensor: Tensor) -> Tensor:
    """The same values, of any shape, in memory of their own; nobody can write to an expanded tensor's."""
    expanded = tensor.layout is torch.strided and 0 in tensor.stride() and tensor.numel() > 1
    return tensor.detach() if expanded else tensor.detach().clone()


@torch.inference_mode(mode=False)
@torch.no_grad()
def copied_tree(
    network: nn.Module,
    tensors: Mapping[int, Tensor],
    own: Callable[[Tensor], Tensor] = own_tensor,
    inside: Callable[[nn.Module], nn.Module | None] = lambda _: None,
) -> nn.Module:
    """The network's modules copied; tensors as they are given by their `id`, all others by `own`.

    What modules hold beside tensors and modules is copied as copy.deepcopy does, and in the same way so are
    the closures of functions, weak references and partial calls that lead to a module. Where there is
    something inside of a module, the copy has that in its place.
    """
    copied: nn.Module = _TreeCopy(dict(tensors), own, inside).module(network)
    return copied


class _TreeCopy:
    """One copy that is being made. made: what stands for an original, by its `id`."""

    def __init__(
        self,
        made: dict[int, Any],
        own: Callable[[Tensor], Tensor],
        inside: Callable[[nn.Module], nn.Module | None],
    ) -> None:
        self._made = made
        self._own = own
        self._inside = inside
        self._alive: list[object] = []  # or an `id` could come back as another thing's

    def module(self, network: nn.Module) -> Any:
        """A module with all below it."""
        if id(network) in self._made:
            return self._made[id(network)]
        below = [module for module in network.modules() if id(module) not in self._made]
        around = [(module, inner) for module in below if (inner := self._inside(module)) is not None]
        left = {id(module) for module, _ in around}
        plain = [m for m in below if id(m) not in left and not _copies_itself(type(m))]
        for module in plain:
            self._made[id(module)] = type(module).__new__(type(module))
        for module, inner in reversed(around):  # the innermost first
            self._made[id(module)] = self.module(inner)
        for module in plain:
            self._hold_the_same(vars(self._made[id(module)]), vars(module))
        return self._made[id(network)] if id(network) in self._made else self._as_python_does(network)

    def _hold_the_same(self, state: dict[str, Any], original: dict[str, Any]) -> None:
        """Fill the state of a module's copy; of twenty things that a module holds most are empty or atoms."""
        made = self._made
        for name, held in original.items():
            kind = type(held)
            if kind in _ATOMS:
                state[name] = held
            elif kind in _OFTEN_EMPTY and not held and id(held) not in made:
                state[name] = made[id(held)] = kind()
            elif name != _COMPILED_CALL:
                state[name] = self.value(held)

    def value(self, original: Any) -> Any:
        """Whatever a module may hold."""
        kind = type(original)
        if kind in _ATOMS:
            return original
        if id(original) in self._made:
            return self._made[id(original)]
        if kind in _OFTEN_EMPTY and not original:
            return self._keep(original, kind())
        if kind in _WAYS:
            return _WAYS[kind](self, original)
        if issubclass(kind, nn.Module):
            return self.module(original)
        return self._object(original) if _is_plain(kind) else self._as_python_does(original)

    def _keep(self, original: Any, made: Any) -> Any:
        self._made[id(original)] = made
        return made

    def _as_python_does(self, original: Any) -> Any:
        return self._keep(original, copy.deepcopy(original, self._made))

    def tensor(self, original: Tensor) -> Any:
        made = self._own(original)
        if type(original) is nn.Parameter and made is not original:
            made = nn.Parameter(made, requires_grad=original.requires_grad)
        return self._keep(original, made)

    def mapping(self, original: Any) -> Any:
        empty = defaultdict(original.default_factory) if type(original) is defaultdict else type(original)()
        made = self._keep(original, empty)
        for name, held in original.items():
            made[name if type(name) is str else self.value(name)] = self.value(held)
        return made

    def sequence(self, original: Any) -> Any:
        if type(original) in {tuple, frozenset}:
            return self._keep(original, type(original)(map(self.value, original)))
        made = deque(maxlen=original.maxlen) if type(original) is deque else type(original)()
        self._keep(original, made)
        (made.update if isinstance(made, set) else made.extend)(map(self.value, original))
        return made

    def _object(self, original: Any) -> Any:
        """An object of a class that leaves copying to Python, by its state."""
        state = original.__getstate__()
        if type(state) is not dict and not hasattr(original, "__setstate__"):
            return self._as_python_does(original)
        self._alive.append(state)
        kind: Any = type(original)
        made = self._keep(original, kind.__new__(kind))
        if hasattr(made, "__setstate__"):
            made.__setstate__(self.value(state))
        else:
            vars(made).update({name: self.value(held) for name, held in state.items()})
        return made

    def partial(self, original: functools.partial[Any]) -> functools.partial[Any]:
        given = [self.value(each) for each in original.args]
        named = {name: self.value(each) for name, each in original.keywords.items()}
        made = functools.partial(self.value(original.func), *given, **named)
        self._keep(original, made)
        return made

    def reference(self, original: weakref.ReferenceType[Any]) -> Any:
        """A weak reference to a module, or to a method of one; any other leads where it led."""
        there = original()
        owner = there.__self__ if isinstance(there, types.MethodType) else there
        return type(original)(self.value(there)) if isinstance(owner, nn.Module) else original

    def proxy(self, original: Any) -> Any:
        return weakref.proxy(self.value(original.__init__.__self__))

    def method(self, original: types.MethodType) -> types.MethodType:
        return types.MethodType(original.__func__, self.value(original.__self__))

    def function(self, original: types.FunctionType) -> Any:
        """A function with cells of its own, where it has any that may lead somewhere.

        A compiled one is copied as what it was made of.
        """
        if "_torchdynamo_orig_callable" in vars(original):
            return self._keep(original, self.value(vars(original)["_torchdynamo_orig_callable"]))
        cells, beside = original.__closure__ or (), (original.__defaults__, original.__kwdefaults__)
        if not cells and not any(beside) and not vars(original):
            return original
        fresh = tuple(types.CellType() for _ in cells)
        made = types.FunctionType(original.__code__, original.__globals__, original.__name__, None, fresh)
        self._keep(original, made)
        functools.update_wrapper(made, original, updated=())
        for old, new in zip(cells, fresh, strict=True):
            if _is_filled(old):
                new.cell_contents = self._enclosed(old.cell_contents)
        made.__defaults__, made.__kwdefaults__ = (self._enclosed(each) for each in beside)
        vars(made).update({name: self._enclosed(held) for name, held in vars(original).items()})
        return made

    def _enclosed(self, original: Any) -> Any:
        """What a function holds on to. A thing that cannot be copied is shared: a lock, a file, a stream."""
        try:
            return self.value(original)
        except Exception:  # noqa: BLE001 - whatever a class that is not ours raises when it is copied
            return original


_WAYS: Mapping[type, Callable[[_TreeCopy, Any], Any]] = {
    **dict.fromkeys((dict, OrderedDict, defaultdict), _TreeCopy.mapping),
    **dict.fromkeys((list, tuple, set, frozenset, deque), _TreeCopy.sequence),
    **dict.fromkeys((Tensor, nn.Parameter), _TreeCopy.tensor),
    **dict.fromkeys((weakref.ReferenceType, weakref.WeakMethod), _TreeCopy.reference),
    **dict.fromkeys((weakref.ProxyType, weakref.CallableProxyType), _TreeCopy.proxy),
    types.FunctionType: _TreeCopy.function,
    types.MethodType: _TreeCopy.method,
    functools.partial: _TreeCopy.partial,
}


def _is_filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _is_plain(kind: type) -> bool:
    """Whether objects of a class are no more than their state."""
    own = any(hasattr(kind, way) for way in ("__deepcopy__", "__getnewargs__", "__getnewargs_ex__"))
    usual = (getattr(kind, way) is getattr(object, way) for way in ("__reduce__", "__reduce_ex__", "__new__"))
    return not own and all(usual)


def _copies_itself(kind: type[nn.Module]) -> bool:
    """Whether a class says in its own way how it is copied (parametrized modules, traced graphs)."""
    return any(getattr(kind, way, None) is not getattr(nn.Module, way, None) for way in _OWN_WAYS)
