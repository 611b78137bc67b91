"""Which way one pass took: what ran how often, what it cost, and whether the items chose the way."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

from compress_core.network.forward import Example, tensors_in

_DECIDING = frozenset({"__bool__", "__int__", "__float__", "__index__", "item", "tolist", "numpy"})
_DRAWING = ("rand", "normal", "uniform", "bernoulli", "multinomial", "poisson", "exponential", "dropout")


@dataclass
class Course:
    """What one pass showed; filled while it runs.

    calls: how often each module ran; products: multiplications of each module with a weight matrix or
    kernel; largest: values of the largest output of a module; depends_on_values: whether values chose the
    way that are made of the items by weights; decisions: what was read of values that are made of the items
    alone, which no cut of the network changes.
    """

    calls: Counter[str] = field(default_factory=Counter)
    products: Counter[str] = field(default_factory=Counter)
    largest: int = 0
    depends_on_values: bool = False
    decisions: list[str] = field(default_factory=list)

    def is_as(self, other: Course) -> bool:
        """Whether the same modules ran, and the items chose the same way."""
        return self.calls == other.calls and self.decisions == other.decisions

    def cost(self, module: str = "") -> int:
        """The multiplications of a module and all in it; of the whole network without a name."""
        return sum(
            n for name, n in self.products.items() if not module or f"{name}.".startswith(f"{module}.")
        )


@contextmanager
def watching(network: nn.Module, example: Example = ()) -> Iterator[Course]:
    """Note what the passes within show of a network; example: what it is given, as far as that is known."""
    course = Course()
    hooks = [module.register_forward_hook(_noting(course, name)) for name, module in network.named_modules()]
    try:
        with _Watch(network, example, course) as mode:
            yield course
    finally:
        course.depends_on_values = mode.decided
        for hook in hooks:
            hook.remove()


def _noting(course: Course, name: str) -> Any:
    def note(module: nn.Module, _: object, output: object) -> None:
        course.calls[name] += 1
        sizes = (
            [tensor.numel() for tensor in tensors_in(output)] if isinstance(output, Tensor | tuple) else []
        )
        course.largest = max(course.largest, *sizes, 0)
        weights = (weight for weight in module.parameters(recurse=False) if weight.dim() > 1)
        course.products[name] += sum(sum(sizes) * weight.shape[1:].numel() for weight in weights)

    return note


class _Watch(TorchFunctionMode):
    """Notes whether a value that comes from the items decides what is computed.

    What is made of parameters, buffers and constants alone is the same for all items. What is made of the
    example and of whole numbers alone is so whatever the weights are. A tensor counts as made of those as
    long as nobody else writes into it, which its version tells.
    """

    def __init__(self, network: nn.Module, example: Example, course: Course) -> None:
        super().__init__()
        self.decided = False
        self._course = course
        self._same_for_all, self._of_items = _Known(), _Known()
        for values in chain(network.parameters(), network.buffers()):
            self._same_for_all.note(values)
            if not (values.is_floating_point() or values.is_complex()):
                self._of_items.note(values)
        for values in _tensors(example):
            self._of_items.note(values)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given, name = list(_tensors((args, kwargs or {}))), getattr(func, "__name__", "")
        by_chance = any(word in name for word in _DRAWING)
        known = {
            known: not by_chance and all(map(known.holds, given))
            for known in (self._same_for_all, self._of_items)
        }
        answer = func(*args, **(kwargs or {}))
        if name in _DECIDING and not known[self._same_for_all]:
            self.decided |= not known[self._of_items]
            self._course.decisions.append(f"{name} {_told(answer)}")
        for tensor in (*_tensors(answer), *(given[:1] if name == "__setitem__" else ())):
            for of, is_known in known.items():
                of.put(tensor, is_known)
        return answer


class _Known:
    """Tensors of which something is known, as long as they are what they were when it was noted."""

    def __init__(self) -> None:
        self._versions: Any = WeakIdKeyDictionary()

    def note(self, tensor: Tensor) -> None:
        if not tensor.is_inference():
            self._versions[tensor] = tensor._version  # noqa: SLF001 - torch offers no other reader

    def put(self, tensor: Tensor, is_known: bool) -> None:
        if is_known:
            self.note(tensor)
        else:
            self._versions.pop(tensor, None)

    def holds(self, tensor: Tensor) -> bool:
        noted = self._versions.get(tensor)
        return noted is not None and bool(noted == tensor._version)  # noqa: SLF001


def _told(answer: Any) -> str:
    """What was read, in a few words: an array or a list by its digest."""
    content = answer.tobytes() if isinstance(answer, np.ndarray) else repr(answer).encode()
    return hashlib.sha256(content).hexdigest()[:16]


def _tensors(value: Any) -> Iterator[Tensor]:
    """The tensors in nested tuples, lists and mappings."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from _tensors(tuple(value.values()))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _tensors(item)
