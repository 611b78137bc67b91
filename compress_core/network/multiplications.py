"""How many multiplications with an addition (MACs) a pass takes, operation by operation as torch runs them.

Counted are products of matrices and vectors, convolutions, attention's two products and the gates of
recurrent cells, wherever they stand: in a module, in a function, or with a weight that is read by hand. Each
is counted as often as it runs, zeros like other weights. What works value by value (activation functions,
norms, sums, look-ups, resampling) is not counted. An operation that hides a number of products which cannot
be told makes the whole not countable, rather than too small.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from compress_core.network.address_index import AddressRange
from compress_core.network.forward import Example, run_network, running_on
from compress_core.network.living_memory import own_buffers

_Count = Callable[[tuple[Any, ...], Tensor], int]


@dataclass(frozen=True)
class Product:
    """One operation that multiplies: how often, and the memory of what it read, as addresses from and to."""

    macs: int
    read: tuple[AddressRange, ...]

    def macs_within(self, span: AddressRange) -> int:
        """Those of them whose weight lies within a memory, which may be a part of what was read."""
        return max((self._share(own, span) for own in self.read), default=0)

    def _share(self, own: AddressRange, span: AddressRange) -> int:
        common = min(own[1], span[1]) - max(own[0], span[0])
        return self.macs * common // (own[1] - own[0]) if common > 0 else 0


@dataclass(frozen=True)
class Multiplications:
    """What one pass multiplied, and the first operation whose products cannot be counted, else empty."""

    products: tuple[Product, ...]
    uncounted: str

    @property
    def total(self) -> int | None:
        """MACs of the pass; None where they cannot be counted."""
        return None if self.uncounted else sum(product.macs for product in self.products)


def multiplications(network: nn.Module, example: Example) -> Multiplications:
    """Watch one pass of an example [1, ...]; the caller owns the network."""
    counter = _Counter()
    watching = running_on(example) if isinstance(example, Tensor) else nullcontext()
    with torch.no_grad(), own_buffers(network), watching, counter:
        run_network(network, example)
    return counter.found


def span_of(tensor: Tensor) -> AddressRange:
    """From and to which address a tensor of any shape reaches; nowhere where it has no plain memory."""
    if tensor.layout is not torch.strided or not tensor.numel():
        return (0, 0)
    reach = 1 + sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride(), strict=True))
    return tensor.data_ptr(), tensor.data_ptr() + reach * tensor.element_size()


def _product(left: int, right: int) -> _Count:
    """Of arguments at these places: rows of the left one times the size of the right one."""

    def count(args: tuple[Any, ...], _made: Tensor) -> int:
        rows = args[left].shape[-2] if args[left].dim() > 1 else 1
        return int(rows * args[right].numel())

    return count


def _convolution(args: tuple[Any, ...], made: Tensor) -> int:
    given, weight, transposed = args[0], args[1], args[6]
    return int((given if transposed else made).numel() * math.prod(weight.shape[1:]))


def _attention(args: tuple[Any, ...], _made: Tensor) -> int:
    query, key, value = args[:3]
    return int(query.shape[:-1].numel() * key.shape[-2] * (query.shape[-1] + value.shape[-1]))


def _recurrent(args: tuple[Any, ...], _made: Tensor) -> int:
    given, entering, returning = args[:3]
    return int(given.shape[:-1].numel() * (entering.numel() + returning.numel()))


_COUNTED: Mapping[str, _Count] = MappingProxyType(
    {
        "aten::mm": _product(0, 1),
        "aten::bmm": _product(0, 1),
        "aten::mv": lambda args, _made: args[0].numel(),
        "aten::dot": lambda args, _made: args[0].numel(),
        "aten::vdot": lambda args, _made: args[0].numel(),
        "aten::addmm": _product(1, 2),
        "aten::_addmm_activation": _product(1, 2),
        "aten::baddbmm": _product(1, 2),
        "aten::addbmm": _product(1, 2),
        "aten::addmv": lambda args, _made: args[1].numel(),
        "aten::convolution": _convolution,
        "aten::_scaled_dot_product_flash_attention_for_cpu": _attention,
        "aten::mkldnn_rnn_layer": _recurrent,
    }
)
_HIDES_PRODUCTS = (
    "_trilinear", "_cdist", "cdist", "linalg_", "_linalg_", "fft_", "_fft_", "_scaled_dot_product",
    "_native_multi_head", "_transformer_encoder", "_flash_attention", "_efficient_attention", "_int_mm",
    "_weight_int", "_scaled_mm", "_grouped_mm", "_sparse", "sparse_", "_thnn_fused", "_cudnn_rnn",
    "miopen", "mkldnn_", "cholesky", "lu_", "ormqr", "geqrf", "triangular_solve", "_pdist", "hspmm",
    "sspaddmm", "_convert_weight", "_dyn_quant", "fbgemm_", "histogramdd",
)  # fmt: skip
_ONE_EACH = ("linalg_vector_norm",)


def _is_hidden(func: Any) -> bool:
    """Whether an operation may multiply more often than its arguments tell."""
    if not isinstance(func, torch._ops.OpOverload):  # noqa: SLF001 - the type of every plain operation
        return True
    space, _, name = func._schema.name.partition("::")  # noqa: SLF001 - its full name
    if space not in ("aten", "prim", "prims"):
        return True
    return name.startswith(_HIDES_PRODUCTS) and name not in _ONE_EACH


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch gives it no types
    """Notes every product while a network runs."""

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch gives it no types
        self._products: list[Product] = []
        self._uncounted = ""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: keeping the compiler away from a pass imports it first, 800 modules and 70 MB."""
        return False

    @property
    def found(self) -> Multiplications:
        return Multiplications(tuple(self._products), self._uncounted)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        given = tuple(_tensors_of((*args, *(kwargs or {}).values())))
        count = None if _has_other_layout(given) else _COUNTED.get(_name_of(func))
        if count is not None:
            first = made[0] if isinstance(made, tuple | list) else made
            self._products.append(Product(int(count(args, first)), tuple(map(span_of, given))))
        elif not self._uncounted and (_has_other_layout(given) or _is_hidden(func)):
            self._uncounted = _name_of(func)
        return made


def _tensors_of(values: tuple[Any, ...]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors_of(tuple(value))


def _has_other_layout(given: tuple[Tensor, ...]) -> bool:
    """Whether a tensor is sparse or nested: it holds other numbers than its shape says."""
    return any(tensor.layout is not torch.strided or tensor.is_nested for tensor in given)


def _name_of(func: Any) -> str:
    return func._schema.name if isinstance(func, torch._ops.OpOverload) else str(func)  # noqa: SLF001 - its full name
