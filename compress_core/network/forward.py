"""One forward pass of a network that is not ours: what to give it, what it answers, which way it took."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.network.copied_tree import copied_tree, own_tensor
from compress_core.network.input_guard import fresh
from compress_core.network.named_inputs import Border, inputs_by_name
from compress_core.network.shared_copy import shared_copy

RAISED_BY_OTHERS = (Exception, SystemExit)
"""What code that is not ours may raise when it is imported, called or run: anything, sys.exit too."""

Example = Tensor | tuple[Any, ...] | Mapping[str, Any]
_SEED = 11


def run_network(network: nn.Module, example: Example) -> Any:
    """What a network answers: a mapping is its keywords, a tuple its arguments, a tensor the only one.

    It may write to what it is given, so it is given a copy: this is where items enter a network.
    """
    given = fresh(example)
    if isinstance(given, Tensor):
        return network(given)
    return network(**given) if isinstance(given, Mapping) else network(*given)


def tensors_in(value: object) -> Iterator[Tensor]:
    """All tensors, of any shape, in nested lists, tuples, mappings and plain objects, in their order."""
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


def some_items(example: Example, which: slice) -> Example:
    """Some of the items of an example, where all of its tensors hold equally many; else all of them."""
    counts = {len(t) if t.dim() else 0 for t in tensors_in(example)}
    return mapped_example(example, lambda t: t[which]) if len(counts) == 1 and counts != {0} else example


def mapped_example(example: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """The example with something else in the place of each of its tensors."""
    if isinstance(example, Tensor):
        return change(example)
    if isinstance(example, Mapping):
        return {name: mapped_example(item, change) for name, item in example.items()}
    return tuple(mapped_example(i, change) for i in example) if isinstance(example, tuple | list) else example


def in_double(network: nn.Module) -> nn.Module:
    """A copy with tensors of its own, in float64, those that no module has registered as well."""
    return copied_tree(network, {}, lambda tensor: doubled(own_tensor(tensor))).double().eval()


def doubled(example: Any) -> Any:
    """The example in float64, whole numbers as they are."""
    return mapped_example(example, lambda t: t.double() if t.is_floating_point() else t)


def takes(network: nn.Module, example: Example) -> bool:
    """Whether a network answers an input, with finite numbers: one that reads words takes no random ones."""
    try:
        with torch.inference_mode():
            answer = run_network(shared_copy(network), example)
            return all(bool(t.isfinite().all()) for t in tensors_in(answer))
    except Exception:  # noqa: BLE001 - a forward that is not ours may raise anything
        return False


def _are_words(values: Tensor) -> bool:
    """Whether numbers may be those of words: whole and of several kinds, whatever their type says."""
    if not values.is_floating_point():
        return True
    return bool((values == values.round()).all()) and bool((values != values.flatten()[:1]).any())


def shuffled_example(example: Any, generator: torch.Generator, border: Border | None = None) -> Any:
    """Another input of the same form: random numbers, whole numbers in another order.

    border: of a network that takes rows, in which every input is shuffled by itself.
    """
    if isinstance(example, Tensor) and border is not None and border.fields and border.fields[0].name:
        inputs = inputs_by_name(border.fields, example)
        parts = [shuffled_example(one, generator).flatten(1).to(example.dtype) for one in inputs.values()]
        return torch.cat(parts, dim=1)
    if isinstance(example, Tensor):
        if not _are_words(example):
            return torch.randn(example.shape, generator=generator, dtype=example.dtype)
        return example.flatten()[torch.randperm(example.numel(), generator=generator)].view(example.shape)
    if isinstance(example, Mapping):
        return {name: shuffled_example(item, generator) for name, item in example.items()}
    return tuple(shuffled_example(i, generator) for i in example) if isinstance(example, tuple) else example


def scramble(network: nn.Module) -> nn.Module:
    """The network with random weights in place of its own, written into it.

    A dead or tiny trained channel would hide a wrong answer; random ones do not.
    """
    generator = torch.Generator().manual_seed(_SEED)
    with torch.no_grad():
        for values in network.parameters():
            if values.is_floating_point():
                noise = torch.randn(values.shape, generator=generator, dtype=values.dtype)
                fan = max(1, values.shape[1:].numel()) if values.dim() > 1 else 25
                values.copy_(noise * fan**-0.5 + (0.5 if values.dim() == 1 else 0))
        for name, statistic in network.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                statistic.copy_(0.5 + torch.rand(statistic.shape, generator=generator, dtype=statistic.dtype))
    return network


def in_short(error: BaseException) -> str:
    """The first line of an error, as a sentence shows it."""
    return (str(error) or type(error).__name__).split("\n", 1)[0][:200]


@contextmanager
def running_on(batch: Tensor) -> Iterator[None]:
    """Turn what a network raises on a batch [n, ...] into one sentence: it was tried on two items only."""
    try:
        yield
    except Refused:
        raise
    except RAISED_BY_OTHERS as error:
        raise Refused(
            "The network raised {kind} on {count} items of shape {shape} ({reason}): it must run on any "
            "number of such items at once. Correct its forward, or the items.",
            kind=type(error).__name__,
            count=len(batch),
            shape=list(batch.shape[1:]),
            reason=in_short(error),
        ) from error
