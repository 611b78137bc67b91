"""What answers hang on while a network trains: how input values move what the teacher answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from compress_core.foundation.cached import cached_property
from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import Phrase
from compress_core.measure.explain.similarity import support_of
from compress_core.training.objective import TrainingObjective

ASKED = ("saliency", "teacher_saliency", "support")
"""By these names a method asks for what is made here."""
Answered = Callable[[Tensor], Tensor]
"""Inputs [n, ...] -> answers [n, classes], labels or values."""


@dataclass(frozen=True, eq=False)
class SaliencyMaps:
    """The maps of one batch, inputs [n, ...], by the model as loaded and by the network that learns.

    Both are of the class that the teacher answers with, the label that it is surest of or a value, as the
    objective says, and of networks in evaluation mode; channels are
    summed, as Explain shows them. Each is made when it is first asked for, so that none is kept between
    batches. baseline [1, ...]: the input that says nothing.
    """

    inputs: Tensor
    teacher: Answered
    learner: Answered
    objective: TrainingObjective
    baseline: Tensor

    @cached_property
    def support(self) -> Tensor:
        """Where an input differs from the baseline [n, *size], bool."""
        return torch.from_numpy(support_of(self.inputs, self.baseline))

    @cached_property
    def of_teacher(self) -> Tensor:
        """The teacher's maps [n, *size]."""
        return self._of_teacher[0]

    @cached_property
    def of_learner(self) -> Tensor:
        """The maps of the network that learns [n, *size], differentiable in what learns."""
        given = self._given()
        with _twice_differentiable():
            return _slopes(self.learner(given), self._of_teacher[1], given, again=True)

    @cached_property
    def _of_teacher(self) -> tuple[Tensor, Tensor]:
        """The teacher's maps [n, *size], and of which of its answers they are [n]."""
        given = self._given()
        with _twice_differentiable():
            answers = self.teacher(given)
            explained = self.objective.explained(answers.detach())
            return _slopes(answers, explained, given, again=False), explained

    def _given(self) -> Tensor:
        return self.inputs.detach().clone().requires_grad_()


@contextmanager
def _twice_differentiable() -> Iterator[None]:
    """Attention in the form of which torch knows the second derivative."""
    with sdpa_kernel(SDPBackend.MATH):
        yield


def _slopes(answers: Tensor, explained: Tensor, given: Tensor, *, again: bool) -> Tensor:
    """How one of its answers changes with each value of an item: given [n, ...] -> [n, *size]."""
    chosen = answers.gather(1, explained.unsqueeze(1)).sum()
    (slopes,) = torch.autograd.grad(chosen, given, create_graph=again)
    return slopes if slopes.ndim == 2 else slopes.sum(dim=1)


@torch.inference_mode(mode=False)
@torch.enable_grad()
def refuse_no_maps(maps: SaliencyMaps, method: str, model: str) -> None:
    """Raises Refused where these maps, of some items, cannot be made or nothing can be learned from them."""
    reason = _why_no_maps(maps)
    if reason is not None:
        raise Refused(
            "{method} compares how much each input value matters, and of {model} that cannot be learned: "
            "{reason}. Take the method out, or distill instead.",
            method=method,
            model=model,
            reason=reason,
        )


def _why_no_maps(maps: SaliencyMaps) -> Phrase | None:
    without = maps.objective.why_no_maps()
    if without is not None:
        return without
    if not maps.inputs.is_floating_point() or maps.inputs.ndim < 2:
        kind = str(maps.inputs.dtype).removeprefix("torch.")
        return Phrase("its inputs are {kind} of {shape}", kind=kind, shape=list(maps.inputs.shape[1:]))
    try:
        found = maps.of_teacher, maps.of_learner
        if found[1].requires_grad:
            torch.autograd.backward(found[1].square().sum())
    except RuntimeError as error:  # torch says so when it has no derivative of an operation
        return Phrase("torch cannot differentiate it twice ({error})", error=str(error).split("\n")[0][:200])
    if not bool(found[0].any()):
        return Phrase("its answers to the first items stay the same when a value changes a little")
    return None
