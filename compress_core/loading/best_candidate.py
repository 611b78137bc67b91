"""Labeled items tell which of the networks that fit the same weights is the right one."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import N_, Phrase
from compress_core.loading.infer import InferredNetwork
from compress_core.subject.answer_kind import AnswerKind
from compress_core.subject.reading_remarks import ReadingRemarks

_BATCH_VALUES = 4_000_000  # of inputs at once
MOST_MULTIPLICATIONS = 20_000_000_000
"""What choosing among candidates may take: a second or two of one processor."""
LEAST_ITEMS = 8
_TOO_GOOD = N_(
    "The validation items themselves chose the arrangement: what is measured on them may look too good. To "
    "be sure, load the network by its code."
)


def best_candidate(
    network_candidates: Sequence[InferredNetwork],
    inputs: Tensor,
    labels: Tensor,
    answers: AnswerKind = AnswerKind.SCORES,
) -> InferredNetwork:
    """The candidate that gets most of the labeled items right, or comes nearest; among equals the likeliest.

    inputs [N, *input_shape], prepared as the networks take them; labels [N], or [N, C] as the answers have
    it. As many items are used as `MOST_MULTIPLICATIONS` allow; where that is fewer than a few, the likeliest
    is taken. The result has memory of its own. Raises Refused where no candidate takes items of this shape.
    """
    assert len(inputs) == len(labels) > 0
    taking = [one for one in network_candidates if _takes(one, tuple(inputs.shape[1:]))]
    if not taking:
        raise Refused(
            "The items have shape {got}; the network takes {expected}. Upload items of that shape.",
            got=list(inputs.shape[1:]),
            expected=" or ".join(str(list(one.input_shape)) for one in network_candidates),
        )
    count = min(len(labels), MOST_MULTIPLICATIONS // sum(one.multiplications for one in taking))
    if len(taking) == 1 or count < min(LEAST_ITEMS, len(labels)):
        return _owned(taking[0])
    inputs, labels = inputs[:count], labels[:count]
    if answers is AnswerKind.VALUES:
        return _nearest(taking, inputs, labels.reshape(len(labels), -1))
    right = [_right(one.network, inputs, labels) for one in taking]
    return _chosen(taking, right.index(max(right)), _why_right(right, labels.numel()))


def _why_right(right: Sequence[int], labels: int) -> tuple[Phrase, bool]:
    """Why one of them is taken, and whether the labels chose it."""
    most, arrangements = max(right), len(right)
    equals = right.count(most)
    if equals == arrangements:
        return Phrase(
            "The labels do not tell the {arrangements} arrangements apart, each of which gets {right} of "
            "{labels} right: the likeliest is taken.",
            arrangements=arrangements,
            right=most,
            labels=labels,
        ), False
    if equals > 1:
        return Phrase(
            "{equals} of {arrangements} arrangements get most labels right, {right} of {labels} each: the "
            "likeliest of them is taken.",
            equals=equals,
            arrangements=arrangements,
            right=most,
            labels=labels,
        ), True
    return Phrase(
        "Chosen among {arrangements} arrangements because it gets most labels right: {right} of {labels}; "
        "the next best gets {next}.",
        arrangements=arrangements,
        right=most,
        labels=labels,
        next=sorted(right)[-2],
    ), True


def _nearest(taking: Sequence[InferredNetwork], inputs: Tensor, wanted: Tensor) -> InferredNetwork:
    """The candidate whose real numbers come nearest to the wanted ones [N, C]."""
    errors = [
        float((answers - wanted).abs().mean())
        for answers in (torch.cat(list(_answers_of(one.network, inputs))) for one in taking)
    ]
    least = min(errors)
    if least == max(errors):
        why = Phrase(
            "The labels do not tell the {arrangements} arrangements apart, each of which is {error} off on "
            "average over {labels} items: the likeliest is taken.",
            arrangements=len(taking),
            error=f"{least:.4g}",
            labels=len(wanted),
        )
        return _chosen(taking, 0, (why, False))
    why = Phrase(
        "Chosen among {arrangements} arrangements because its answers come nearest to the labels: {error} "
        "off on average over {labels} items.",
        arrangements=len(taking),
        error=f"{least:.4g}",
        labels=len(wanted),
    )
    return _chosen(taking, errors.index(least), (why, True))


def _chosen(taking: Sequence[InferredNetwork], place: int, why: tuple[Phrase, bool]) -> InferredNetwork:
    """One of them in memory of its own, which says why it is taken, and who chose."""
    said, labels_chose = why
    too_good = (_TOO_GOOD,) if labels_chose else ()
    best = _owned(taking[place])
    return replace(best, remarks=best.remarks + ReadingRemarks((said,), too_good))


def _owned(inferred: InferredNetwork) -> InferredNetwork:
    return replace(inferred, network=copy.deepcopy(inferred.network))


def _takes(inferred: InferredNetwork, shape: tuple[int, ...]) -> bool:
    if inferred.arrangement is None:
        return math.prod(shape) == math.prod(inferred.input_shape)
    return shape == inferred.input_shape


def _right(network: nn.Module, inputs: Tensor, labels: Tensor) -> int:
    """How many decisions are right: of several labels [N, C] each is one."""
    answers = torch.cat(list(_answers_of(network, inputs)))
    chosen = answers.argmax(1) if labels.ndim == 1 else answers > 0
    return int((chosen == labels).sum())


def _answers_of(network: nn.Module, inputs: Tensor) -> Iterator[Tensor]:
    size = max(1, min(250, _BATCH_VALUES // inputs[0].numel()))
    with torch.inference_mode():
        for batch in torch.split(inputs, size):
            yield network(batch)
