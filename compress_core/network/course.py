"""Which way one pass took: what ran how often, what it cost, and whether the items chose the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

from compress_core.network.forward import tensors_in

_DECIDING = frozenset({"__bool__", "__int__", "__float__", "__index__", "item", "tolist", "numpy"})
_DRAWING = ("rand", "normal", "uniform", "bernoulli", "multinomial", "poisson", "exponential", "dropout")


@dataclass
class Course:
    """What one pass showed; filled while it runs.

    calls: how often each module ran; products: multiplications of each module with a weight matrix or
    kernel; largest: values of the largest output of a module; depends_on_values: whether the values of the
    items chose the way.
    """

    calls: Counter[str] = field(default_factory=Counter)
    products: Counter[str] = field(default_factory=Counter)
    largest: int = 0
    depends_on_values: bool = False

    def cost(self, module: str = "") -> int:
        """The multiplications of a module and all in it; of the whole network without a name."""
        return sum(
            n for name, n in self.products.items() if not module or f"{name}.".startswith(f"{module}.")
        )


@contextmanager
def watching(network: nn.Module) -> Iterator[Course]:
    """Note what the passes within show of a network."""
    course = Course()
    hooks = [module.register_forward_hook(_noting(course, name)) for name, module in network.named_modules()]
    try:
        with _Watch(network) as mode:
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

    What is made of parameters, buffers and constants alone is the same for all items. A tensor counts as
    made of those as long as nobody else writes into it, which its version tells.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.decided = False
        self._same_for_all: Any = WeakIdKeyDictionary()
        for values in chain(network.parameters(), network.buffers()):
            self._note(values)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given, name = list(_tensors((args, kwargs or {}))), getattr(func, "__name__", "")
        same = all(map(self._is_same, given)) and not any(word in name for word in _DRAWING)
        self.decided |= name in _DECIDING and not same
        answer = func(*args, **(kwargs or {}))
        for tensor in (*_tensors(answer), *(given[:1] if name == "__setitem__" else ())):
            if same:
                self._note(tensor)
            else:
                self._same_for_all.pop(tensor, None)
        return answer

    def _note(self, tensor: Tensor) -> None:
        if not tensor.is_inference():
            self._same_for_all[tensor] = tensor._version  # noqa: SLF001 - torch offers no other reader

    def _is_same(self, tensor: Tensor) -> bool:
        noted = self._same_for_all.get(tensor)
        return noted is not None and bool(noted == tensor._version)  # noqa: SLF001


def _tensors(value: Any) -> Iterator[Tensor]:
    """The tensors in nested tuples, lists and mappings."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from _tensors(tuple(value.values()))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _tensors(item)
