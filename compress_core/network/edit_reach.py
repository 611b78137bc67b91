"""Whether an edit of a layer's weight reaches what a copy of the network answers.

A copy that has run once gets new weights, equal ones, in every layer. One more run notes which memory is
read, and a gradient tells which weights an answer follows. Where neither settles it, the weight is changed
for good measure. What still reads the memory of the original would go on without the edit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from compress_core.foundation.cached import cached_property
from compress_core.foundation.texts import N_
from compress_core.network.address_index import AddressIndex, AddressRange
from compress_core.network.copied_tree import copied_tree, own_tensor
from compress_core.network.forward import RAISED_BY_OTHERS, run_network, tensors_in
from compress_core.network.layers.kinds import Layer
from compress_core.network.layers.places import matrix_within, read_matrix, stored_at, write_matrix
from compress_core.numerics.drawing import draw_from

READ_ELSEWHERE = N_(
    "the network also reads this weight past its place (from an attribute, a buffer or a module outside of "
    "it), where an edit would not arrive"
)
KEPT_ASIDE = N_(
    "the network computes with a copy of this weight that it keeps elsewhere, where an edit does not arrive"
)
KEPT_FROM_BEFORE = N_(
    "the network keeps what it computed from this weight in its first run, where a later edit does not arrive"
)
THROWN_AWAY = N_("no answer depends on it: what it computes is thrown away")
NOT_USED = N_("no answer depends on it: the network does not use it")

_SEED = 7


def out_of_reach(network: nn.Module, layers: Sequence[Layer], probes: Sequence[Tensor]) -> Mapping[str, str]:
    """The layers of which an edit would not be seen in all answers, with the reason.

    probes: items [N, ...] on which it runs; those after the first are asked only for layers in doubt.
    """
    asked = tuple(layer for layer in layers if layer.weights)
    found: dict[str, str] = {}
    for probe in probes:
        if not asked:
            break
        found |= _Question(network, asked, probe).reasons()
        asked = tuple(layer for layer in asked if found[layer.name] in {NOT_USED, THROWN_AWAY})
    return {name: reason for name, reason in found.items() if reason}


@dataclass(frozen=True, eq=False)
class _Question:
    """Some layers of a network, and items [N, ...] that it is run on."""

    network: nn.Module
    layers: tuple[Layer, ...]
    probe: Tensor

    def reasons(self) -> dict[str, str]:
        """Why an edit of each layer is not seen, empty where it is."""
        warm = self._copy()
        _answer(warm, self.probe)
        self._replace(warm)
        follows = self._followed(warm)
        reads = self._read(warm)
        doubtful = [x for x in self.layers if not reads.old(x) and x.name not in follows]
        unmoved = {layer.name for layer in doubtful if not self._moves(warm, layer)}
        fresh = self._read(self._replace(self._copy())) if unmoved else reads
        return {layer.name: self._reason(layer, layer.name in unmoved, reads, fresh) for layer in self.layers}

    def _reason(self, layer: Layer, is_unmoved: bool, reads: _Reads, fresh: _Reads) -> str:
        if reads.old(layer):
            return READ_ELSEWHERE
        if not is_unmoved:
            return ""
        if reads.new(layer):
            return THROWN_AWAY
        if fresh.new(layer):
            return KEPT_FROM_BEFORE
        return KEPT_ASIDE if reads.alike(read_matrix(self.network, layer)) else NOT_USED

    def _copy(self) -> nn.Module:
        """A copy in which whatever lies in the memory of a weight still lies there."""
        old = AddressIndex(span for layer in self.layers for span in _spans(self.network, layer))
        held = {id(parameter): parameter for parameter in self.network.parameters()}

        def own(tensor: Tensor) -> Tensor:
            return tensor if old.meets(_span_of(tensor)) else own_tensor(tensor)

        with _Kept(own):
            return copied_tree(self.network, held, own)

    def _replace(self, copy: nn.Module) -> nn.Module:
        """The copy with new weights, equal ones."""
        for layer in self.layers:
            write_matrix(copy, layer, read_matrix(self.network, layer).clone())
        return copy

    def _read(self, copy: nn.Module) -> _Reads:
        reads = _Reads(self.network, copy, self.layers)
        with reads:
            _answer(copy, self.probe)
        return reads

    def _followed(self, copy: nn.Module) -> set[str]:
        """The layers whose weights an answer follows smoothly: that of one item, since all of it is held."""
        places = [(layer, place) for layer in self.layers for place in layer.places]
        held = [getattr(copy.get_submodule(p.module), p.parameter).requires_grad_() for _, p in places]
        found: set[str] = set()

        def look(weight: Tensor) -> None:
            gradient, weight.grad = weight.grad, None
            assert gradient is not None
            here = (pair for pair, one in zip(places, held, strict=True) if one is weight)
            found.update(layer.name for layer, p in here if _is_moving(matrix_within(gradient, layer, p)))

        hooks = [
            weight.register_post_accumulate_grad_hook(look) for weight in {id(w): w for w in held}.values()
        ]
        try:
            _send_back(copy, self.probe[:1], held)
        except RAISED_BY_OTHERS:  # it writes to its weights, or has no gradient
            return set()
        finally:
            for hook in hooks:
                hook.remove()
            for weight in held:
                weight.grad = None
                weight.requires_grad_(requires_grad=False)
        return found

    def _moves(self, copy: nn.Module, layer: Layer) -> bool:
        """Whether any of some strong edits changes an answer."""
        matrix = read_matrix(copy, layer)
        before = _answer(copy, self.probe)
        try:
            for edited in _edits(matrix):
                write_matrix(copy, layer, edited)
                if not _is_same(before, _answer(copy, self.probe)):
                    return True
        except RAISED_BY_OTHERS:
            return True  # it was read, or nothing would have been raised
        finally:
            write_matrix(copy, layer, matrix)
        return False


def _edits(matrix: Tensor) -> Iterator[Tensor]:
    """Strong changes of a weight [out, in], the likeliest to be seen first."""
    generator = torch.Generator().manual_seed(_SEED)
    noise = torch.randn(matrix.shape, generator=generator, dtype=matrix.dtype)
    yield noise * (matrix.square().mean().sqrt() + 1)
    yield -matrix - 1
    yield 100 * noise.abs()
    yield -100 * noise.abs()


def _is_moving(gradient: Tensor) -> bool:
    largest = float(gradient.abs().max()) if gradient.numel() else 0.0
    return largest > 0 if math.isfinite(largest) else bool((gradient.isfinite() & (gradient != 0)).any())


def _answer(network: nn.Module, probe: Tensor) -> list[Tensor]:
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        draw_from(_SEED)
        return [t.detach().clone() for t in tensors_in(run_network(network, probe))]


@torch.inference_mode(mode=False)
def _send_back(network: nn.Module, probe: Tensor, held: Sequence[Tensor]) -> None:
    """Bring to each of these weights how a mixture of all answers follows it, where it does.

    One after the other: who looks at each as it arrives, and lets it go, needs room for one of them.
    """
    generator = torch.Generator().manual_seed(_SEED)
    with torch.enable_grad(), torch.random.fork_rng(devices=[]):
        draw_from(_SEED)
        answers = [t for t in tensors_in(run_network(network, probe)) if t.requires_grad]
        mixed = [(t * torch.randn(t.shape, generator=generator, dtype=t.dtype)).sum() for t in answers]
        if mixed:
            torch.autograd.backward(torch.stack(mixed).sum(), inputs=list(held))


def _is_same(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    return len(one) == len(other) and all(
        a.shape == b.shape and torch.allclose(a, b, rtol=0, atol=0, equal_nan=True)
        for a, b in zip(one, other, strict=True)
    )


# What is read -----------------------------------------------------------------------------------------------


def _span_of(tensor: Tensor) -> AddressRange:
    """Where a tensor [...] begins and ends in memory; empty where it has no plain one."""
    if tensor.layout is not torch.strided or tensor.is_nested or not tensor.numel():
        return 0, 0
    last = sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride(), strict=True))
    return tensor.data_ptr(), tensor.data_ptr() + (last + 1) * tensor.element_size()


def _spans(network: nn.Module, layer: Layer) -> list[AddressRange]:
    return [_span_of(stored_at(network, place)) for place in layer.places]


class _Kept(TorchFunctionMode):
    """Tensors that Python copies deep inside of other things are copied by the same rule as all others."""

    def __init__(self, own: Any) -> None:
        super().__init__()
        self._own = own

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self._own(args[0]) if func is Tensor.__deepcopy__ else func(*args, **(kwargs or {}))


@dataclass
class _Noted:
    """Memory that was read, and constants of the size of a weight."""

    spans: set[AddressRange] = field(default_factory=set)
    constants: dict[int, Tensor] = field(default_factory=dict)
    made: set[int] = field(default_factory=set)


class _Reads(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch gives it no types
    """Notes which memory the operations of a run read, in the original and in its copy."""

    def __init__(self, network: nn.Module, copy: nn.Module, layers: Sequence[Layer]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch gives it no types
        self._old = {layer.name: _spans(network, layer) for layer in layers}
        self._new = {layer.name: _spans(copy, layer) for layer in layers}
        self._sizes = {layer.weights for layer in layers}
        self._noted = _Noted()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Else torch imports its compiler, 800 modules, before it calls us for the first time."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for tensor in tensors_in((args, kwargs or {})):
            self._noted.spans.add(_span_of(tensor))
            if tensor.numel() in self._sizes and tensor.data_ptr() not in self._noted.made:
                self._noted.constants[id(tensor)] = tensor
        result = func(*args, **(kwargs or {}))
        self._noted.made |= {tensor.data_ptr() for tensor in tensors_in(result)}
        return result

    @cached_property
    def _read(self) -> AddressIndex:
        """What was read; asked once the run is over."""
        return AddressIndex(self._noted.spans)

    def old(self, layer: Layer) -> bool:
        """Whether the original's memory was read, in which the layer's weight lies."""
        return any(map(self._read.meets, self._old[layer.name]))

    def new(self, layer: Layer) -> bool:
        """Whether the weight was read that stands in the copy."""
        return any(map(self._read.meets, self._new[layer.name]))

    def alike(self, matrix: Tensor) -> bool:
        """Whether something was read that holds the same values [out, in], in any order."""
        if matrix.is_complex():
            return False  # complex numbers have no order
        wanted = matrix.flatten().sort()[0]
        same = (t for t in self._noted.constants.values() if t.numel() == wanted.numel())
        return any(torch.equal(t.detach().flatten().to(wanted.dtype).sort()[0], wanted) for t in same)
