"""On which inputs a rewrite of a network is tried, in float64, and whether the answers stay the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from compress_core.apply.context import examples_of
from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import N_
from compress_core.network.double_casts import casts_as_in, try_network
from compress_core.network.forward import doubled, in_short, takes, tensors_in
from compress_core.network.shared_copy import shared_copy
from compress_core.subject.subject import Subject

_CLOSE = 1e-9
_PROBES = 8
Place = TypeVar("Place")


@dataclass(frozen=True, eq=False)
class Tried:
    """A network with some inputs [n, ...] and what it answers to them, in one row each."""

    network: nn.Module
    examples: tuple[Tensor, ...]
    answers: tuple[Tensor, ...]

    @classmethod
    def of(cls, network: nn.Module, examples: Iterable[Tensor]) -> Tried:
        """With the examples [n, ...] to which it gives a finite answer."""
        given = [(example, outputs_in_one_row(network, example)) for example in examples]
        finite = [(example, result) for example, result in given if result.isfinite().all()]
        return cls(network, tuple(e for e, _ in finite), tuple(a for _, a in finite))

    def stays(self, rewrite: Callable[[nn.Module, Place], None], places: Sequence[Place]) -> bool:
        """Whether the answers stay the same to rounding."""
        network = shared_copy(self.network)
        for place in places:
            rewrite(network, place)
        return all(
            stays_close(outputs_in_one_row(network, example), result)
            for example, result in zip(self.examples, self.answers, strict=True)
        )


def outputs_in_one_row(network: nn.Module, example: Tensor) -> Tensor:
    """All that a network answers to an example [n, ...], in one row of numbers."""
    with torch.no_grad():
        return torch.cat([t.flatten().double() for t in tensors_in(try_network(network, example))])


def stays_close(got: Tensor, want: Tensor) -> bool:
    """Whether two rows of numbers [n] are equal but for rounding in float64."""
    scale = max(1.0, float(want.abs().max()))
    return got.shape == want.shape and torch.allclose(got, want, rtol=0, atol=_CLOSE * scale)


def trial_inputs(subject: Subject, network: nn.Module) -> tuple[Tensor, ...]:
    """Inputs [n, ...] on which rewrites are tried: real, random both small and large, the empty one.

    Those that the network does not take are left out: random numbers are no words.
    """
    baseline = doubled(subject.input.baseline)
    drawn = _drawn(subject, torch.Generator().manual_seed(0))
    real = (doubled(examples_of(subject)),) if subject.splits else ()
    with casts_as_in(network):
        telling = tuple(x for x in (*real, *drawn) if takes(network, x))
        is_empty_taken = takes(network, baseline)
    if not telling:
        raise _cannot_try(subject.title, _reason_against(network, (*real, *drawn)[0]))
    return (*telling, baseline) if is_empty_taken else telling


def _drawn(subject: Subject, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Random inputs, small and large ones where there are any between whole numbers."""
    if subject.input.fields:
        return (doubled(subject.input.drawn(_PROBES, generator)),)
    drawn = torch.randn(_PROBES, *subject.input.shape, generator=generator, dtype=torch.float64)
    return drawn, 100 * drawn


def _reason_against(network: nn.Module, example: Tensor) -> str:
    """Why nothing can be tried on an input."""
    try:
        outputs_in_one_row(network, example)
    except Exception as error:  # noqa: BLE001 - a forward that is not ours may raise anything
        return in_short(error)
    return N_("its answers are not finite")


def _cannot_try(title: str, reason: str) -> Refused:
    return Refused(
        "{model} does not run in float64 ({reason}), so that nothing shows whether it stays the same: "
        "take the preparations out.",
        model=title,
        reason=reason,
    )
