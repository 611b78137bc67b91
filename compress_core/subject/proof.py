"""Whether a network really computes the same without some channels: tried with numbers, in float64.

What a library says of a network is a guess. A cut is offered only after the smaller network and the
full-size one with muted inputs gave the same outputs.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from compress_core.errors import Refused
from compress_core.subject.shrink import Cut, kept_by_side, preview, shrink, side_of
from compress_core.texts import N_, Phrase

Example = Tensor | tuple[Any, ...] | Mapping[str, Any]
CLOSE = 1e-9
_SEED = 11
_DECIDING = frozenset({"__bool__", "__int__", "__float__", "__index__", "item", "tolist", "numpy"})


def run(network: nn.Module, example: Example) -> object:
    """What a network answers: a mapping is its keywords, a tuple its arguments, a tensor the only one."""
    if isinstance(example, Tensor):
        return network(example)
    return network(**example) if isinstance(example, Mapping) else network(*example)


def tensors_in(value: object) -> Iterator[Tensor]:
    """All tensors in nested lists, tuples, mappings and plain objects, in their order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors_in(item)
    elif hasattr(value, "__dict__"):
        yield from tensors_in(vars(value))


def in_double(network: nn.Module) -> nn.Module:
    """A copy with tensors of its own, in float64."""
    return copy.deepcopy(network).double().eval()


def doubled(example: Any) -> Any:
    """The example in float64, whole numbers as they are."""
    if isinstance(example, Tensor):
        return example.double() if example.is_floating_point() else example
    if isinstance(example, Mapping):
        return {name: doubled(item) for name, item in example.items()}
    return tuple(doubled(item) for item in example) if isinstance(example, tuple | list) else example


def shuffled(example: Any, generator: torch.Generator) -> Any:
    """Another input of the same form: random numbers, whole numbers in another order."""
    if isinstance(example, Tensor):
        if example.is_floating_point():
            return torch.randn(example.shape, generator=generator, dtype=example.dtype)
        return example.flatten()[torch.randperm(example.numel(), generator=generator)].view(example.shape)
    if isinstance(example, Mapping):
        return {name: shuffled(item, generator) for name, item in example.items()}
    return tuple(shuffled(i, generator) for i in example) if isinstance(example, tuple) else example


def scramble(network: nn.Module) -> nn.Module:
    """The network with random weights in place of its own, written into it.

    A dead or tiny trained channel would hide a wrong answer; random ones do not.
    """
    generator = torch.Generator().manual_seed(_SEED)
    with torch.no_grad():
        for values in network.parameters():
            if values.is_floating_point():
                noise = torch.randn(values.shape, generator=generator, dtype=values.dtype)
                fan = values[0].numel() if values.dim() > 1 else 25
                values.copy_(noise * fan**-0.5 + (0.5 if values.dim() == 1 else 0))
        for name, statistic in network.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                statistic.copy_(0.5 + torch.rand(statistic.shape, generator=generator, dtype=statistic.dtype))
    return network


@dataclass(frozen=True, eq=False)
class Proof:
    """A network with inputs on which cuts are tried."""

    network: nn.Module
    example: Example

    def failure(self, cuts: Sequence[Cut], dropped: Sequence[str] = ()) -> str | None:
        """Why the smaller network is not the muted one; None where they are equal."""
        try:
            small = shrink(self.network, cuts, dropped)
        except Refused as refused:
            return Phrase("{module}: {reason}", module=refused.values["layer"], reason=_reason_of(refused))
        for module, sides in kept_by_side(cuts).items():
            if any(side_of(small, module, side) != len(kept) for side, kept in sides.items()):
                return Phrase("{module}: did not get smaller", module=module)
        try:
            got = self._outputs(small)
        except Exception as error:  # noqa: BLE001 - a forward that is not ours may raise anything
            return Phrase(
                "the network counts on what is here and fails without it ({error})", error=in_short(error)
            )
        if [t.shape for t in got] != self._shapes:
            return N_("output layer: its channels are what the network answers")
        return _difference(got, self._outputs(preview(self.network, cuts, dropped)))

    def _outputs(self, network: nn.Module) -> list[Tensor]:
        with torch.inference_mode():
            return list(tensors_in(run(network, self.example)))

    @cached_property
    def _shapes(self) -> list[torch.Size]:
        return [t.shape for t in self._outputs(self.network)]


def _difference(got: Sequence[Tensor], want: Sequence[Tensor]) -> str | None:
    if not all(bool(t.isfinite().all()) for t in want):
        return N_("what it answers is not finite, so that nothing can be compared")
    if all(_close(a, b) for a, b in zip(got, want, strict=True)):
        return None
    return N_("fewer channels change more than their own part: something reckons across them")


def proof_of(network: nn.Module, *examples: Example) -> Proof:
    """A proof on the first example that the network takes, the last in any case."""
    return Proof(network, next((e for e in examples[:-1] if _takes(network, e)), examples[-1]))


def _takes(network: nn.Module, example: Example) -> bool:
    try:
        with torch.inference_mode():
            return all(bool(t.isfinite().all()) for t in tensors_in(run(network, example)))
    except Exception:  # noqa: BLE001 - random numbers may be none that this network takes
        return False


def _reason_of(refused: Refused) -> object:
    return refused.values.get("reason", str(refused))


def in_short(error: Exception) -> str:
    """The first line of an error, as a sentence shows it."""
    return (str(error) or type(error).__name__).split("\n", 1)[0][:200]


def _close(got: Tensor, want: Tensor) -> bool:
    if not want.is_floating_point():
        return torch.equal(got, want)
    scale = max(1.0, float(want.abs().max())) if want.numel() else 1.0
    return torch.allclose(got, want, rtol=0, atol=CLOSE * scale)


class _Watch(TorchFunctionMode):
    """Notes whether a value decides what is computed."""

    decided = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in _DECIDING:
            self.decided = True
        return func(*args, **(kwargs or {}))


@dataclass(frozen=True)
class Course:
    """What one pass showed: how often each module ran, and whether values chose the way."""

    calls: Mapping[str, int]
    depends_on_values: bool


def watch(network: nn.Module, example: Example) -> Course:
    """Run once and note which modules take part."""
    calls: Counter[str] = Counter()
    hooks = [
        module.register_forward_pre_hook(lambda _, __, name=name: calls.update([name]))
        for name, module in network.named_modules()
    ]
    try:
        with torch.no_grad(), _Watch() as mode:
            run(network, example)
    finally:
        for hook in hooks:
            hook.remove()
    return Course(calls, mode.decided)
