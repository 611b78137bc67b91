"""The model as loaded, as far as the methods of a training ask for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from compress_core.network.copied_tree import copied_tree
from compress_core.network.input_guard import guarded
from compress_core.subject.split import BATCH, Split
from compress_core.subject.subject import Subject
from compress_core.training.answer_scores import scores_of, scores_of_all
from compress_core.training.saliency_maps import SaliencyMaps, refuse_no_maps

_TRIED = 8
"""Items on which maps are tried before a training begins."""


@dataclass(frozen=True, eq=False)
class Teacher:
    """Its scores of all training items [N, classes], and its network; None where no method asks for them."""

    subject: Subject
    scores: Tensor | None = None
    network: nn.Module | None = None

    @classmethod
    def of(cls, subject: Subject, items: Split, *, answers: bool, explains: bool) -> Teacher:
        """answers: whether it is asked for scores of all items; explains: whether it is for maps."""
        if not answers and not explains:
            return cls(subject)
        network = guarded(copied_tree(subject.network, {})).eval().requires_grad_(requires_grad=False)
        scores = scores_of_all(network, items.inputs, subject.answers, BATCH) if answers else None
        return cls(subject, scores, network if explains else None)

    def maps(self, learner: Callable[[Tensor], Any], inputs: Tensor) -> SaliencyMaps | None:
        """What both networks look at in inputs [n, ...]; nothing is worked out before it is asked for."""
        network, kind = self.network, self.subject.answers
        if network is None:
            return None
        return SaliencyMaps(
            inputs,
            lambda given: scores_of(network(given), kind),
            lambda given: scores_of(learner(given), kind),
            self.subject.input.baseline,
        )

    def refuse_no_maps(self, learner: Callable[[Tensor], Any], items: Split, method: str) -> None:
        """Raises Refused, by the name of the method that asks, where a map of these items cannot be made."""
        maps = self.maps(learner, items.inputs[:_TRIED])
        assert maps is not None, "there is a network to ask"
        refuse_no_maps(maps, method, self.subject.title)
