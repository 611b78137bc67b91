"""What a parent answers on some items, and from there what models answer that differ from it in one place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compress_core.apply.base import base_of
from compress_core.apply.kept_forms import ground_of
from compress_core.apply.model import Model, parameters_under
from compress_core.decide.family import Family
from compress_core.decide.scan_trials import ScanTrial
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store, digest
from compress_core.measure.behavior.evaluate import logits_of, parameters_of, predictions_of, recorded
from compress_core.measure.behavior.metric import NO_CLASSES_HERE, NO_LABELS
from compress_core.measure.behavior.metrics.accuracy_change import change_in_parts, change_of_counts
from compress_core.measure.behavior.metrics.kl import NO_DISTRIBUTION, kl_by_item, mean_kl
from compress_core.measure.behavior.predictions import Predictions, values_by_item
from compress_core.measure.behavior.replay import Recording, replay
from compress_core.numerics.arrays import Floats
from compress_core.subject.answer_kind import AnswerKind
from compress_core.subject.split import Split


@dataclass(frozen=True, eq=False)
class ItemAnswers:
    """What a model did to the answers [n]: divergence float64 in nats; which turned right (1) or wrong (-1).

    change is None without labels, item where each item is one decision.
    """

    divergence: Tensor
    change: Tensor | None
    item: Tensor | None


@dataclass(frozen=True, eq=False)
class ParentPass:
    """One noted pass of a parent over some items; later passes begin where something changed.

    spread [values]: that of the parent's answers on all items, where these may be a part of them.
    """

    parent: Model
    part: Split
    recording: Recording
    before: Predictions
    spread: Floats | None = None

    @classmethod
    def over(cls, parent: Model, part: Split, places: tuple[str, ...]) -> ParentPass:
        """Run the parent over these items; noted is what later passes need in which these layers changed."""
        parameters = parameters_of(parent.base, places)
        recording = recorded(parent.network(), parameters, part)
        outputs = logits_of(recording.outputs, parent.subject.answers)
        before = predictions_of(outputs, part, parent.key, parent.subject.answers)
        return cls(parent, part, recording, before)

    def answers(self, model: Model, changed: tuple[str, ...] | None) -> ItemAnswers:
        """What a model answers in which only these parameters changed; None: anything may have."""
        kind = model.subject.answers
        outputs = logits_of(replay(model.network(), self.recording, changed), kind)
        after = predictions_of(outputs, self.part, model.key, kind)
        divergence = torch.from_numpy(np.array(kl_by_item(self.before, after, self.spread)))
        change = None
        if self.before.correct is not None and after.correct is not None:
            change = torch.from_numpy(after.correct.astype(np.int8) - self.before.correct.astype(np.int8))
        item = None if after.item_of is None else torch.from_numpy(np.array(after.item_of))
        return ItemAnswers(divergence, change, item)


def changed_by(trial: ScanTrial, parent: Model, store: Store) -> tuple[str, ...] | None:
    """The parameters of the parent's network where the course of a trial may change first; None: anywhere."""
    ground = ground_of(parent, store)
    if trial.family is not Family.STRUCTURE:
        return parameters_of(ground, (trial.place,))
    names: set[str] = set()
    for module in base_of(ground, trial.recipe, store).structure.touched:
        own = parameters_under(ground.network, module)
        if not own:
            return None
        names.update(own)
    return tuple(sorted(names))


def places_changed(trials: Iterable[ScanTrial], parent: Model) -> tuple[str, ...]:
    """The layers from which passes of these trials begin; all of them where units go, whatever reads them."""
    asked = [trial for trial in trials if trial.refused is None]
    if any(trial.family is Family.STRUCTURE for trial in asked):
        return tuple(parent.base.by_name)
    return tuple(dict.fromkeys(trial.place for trial in asked))


def item_parts(split: Split, sample: int, at_once: int) -> tuple[Split, ...]:
    """A split in parts: the sample first, then so many items at a time."""
    starts = [0, *range(sample, len(split), at_once)]
    return tuple(_part(split, a, b) for a, b in zip(starts, [*starts[1:], len(split)], strict=True))


def _part(split: Split, start: int, end: int) -> Split:
    if start == 0:
        return split.first(end)
    labels = None if split.labels is None else split.labels[start:end]
    return Split(split.name, split.inputs[start:end], labels, digest(split.digest, start, end))


def kl_of(answers: Sequence[ItemAnswers], kind: AnswerKind) -> Number:
    """The mean divergence over all parts, with its interval."""
    divergence = torch.cat([found.divergence for found in answers]).numpy()
    if kind is AnswerKind.SHARES:
        return Number.missing("nat", NO_DISTRIBUTION, divergence.size)
    return mean_kl(values_by_item(divergence, _items_of(answers)), kind)


def change_of(answers: Sequence[ItemAnswers], kind: AnswerKind) -> Number:
    """The change of accuracy over all parts, in points, with its paired interval."""
    n = sum(len(found.divergence) for found in answers)
    changes = [found.change for found in answers if found.change is not None]
    if len(changes) < len(answers):
        return Number.missing("points", NO_LABELS if kind.has_classes else NO_CLASSES_HERE, n)
    change, items = torch.cat(changes).numpy(), _items_of(answers)
    if items is None:
        return change_of_counts(int((change > 0).sum()), int((change < 0).sum()), n)
    return change_in_parts(change, items)


def _items_of(answers: Sequence[ItemAnswers]) -> NDArray[np.int64] | None:
    """Whose each decision of all parts is, where an item holds several."""
    found, first = [], 0
    for part in answers:
        if part.item is None:
            return None
        found.append(part.item + first)
        first += int(part.item.max()) + 1 if len(part.item) else 0
    return torch.cat(found).numpy()
