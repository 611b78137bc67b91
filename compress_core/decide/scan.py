"""How much each place of a network bears, measured by really compressing it alone.

Each point is first measured on a sample. Where its interval does not say one word (`scan_words`), it is
measured on all items. Each point is kept at once under the key of its content, so a scan that was
interrupted goes on, and the parts of a scan that several processes make come to the same rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, partial

from compress_core.apply.kept_forms import ground_of
from compress_core.apply.model import Model
from compress_core.apply.run import compressed_further
from compress_core.apply.views.weight_view import read_together
from compress_core.decide.family import Family
from compress_core.decide.scan_counts import ModelCounts
from compress_core.decide.scan_pass import (
    ItemAnswers,
    ParentPass,
    change_of,
    changed_by,
    item_parts,
    kl_of,
    places_changed,
)
from compress_core.decide.scan_plan import ScanPlan
from compress_core.decide.scan_table import ScanTable, curves_of
from compress_core.decide.scan_trials import ScanTrial, trials_of, trials_of_shard
from compress_core.decide.scan_words import is_decided
from compress_core.decide.sensitivity import ScanPoint, Sensitivity
from compress_core.foundation.errors import Refused
from compress_core.foundation.memory_budget import memory_budget
from compress_core.foundation.number import Number
from compress_core.foundation.progress import Progress
from compress_core.foundation.refusal_json import refusal_as_json, refusal_from_json
from compress_core.foundation.release import lasting_key
from compress_core.foundation.store import Store, digest
from compress_core.foundation.texts import N_, Phrase
from compress_core.measure.behavior.evaluate import predict
from compress_core.subject.answer_kind import AnswerKind
from compress_core.subject.split import Split

VALIDATION = "validation"
AT_ONCE = 500  # items whose noted passes are held at a time, where all of them are asked for
_ANSWERS = "answers of a scan"
FIRST, SECOND = N_("first pass, {what}"), N_("second pass, {what}")
"""Over the sample, and over all items; each counts for itself what there is to do."""
NOT_YET = N_("Not measured yet: scan again, and it goes on from here.")


def scan(
    parent: Model,
    plan: ScanPlan,
    store: Store,
    clock: Callable[[], float] = time.monotonic,
    *,
    not_kept: Callable[[Refused], None] | None = None,
) -> Generator[Progress, None, Sensitivity]:
    """Measure what every place bears on top of a model; yields how far it is.

    What the workspace knows is not measured again. not_kept is told of each point that it does not take;
    without it such a point ends the scan. Raises Refused without validation items, for a
    technique that a family cannot be scanned with, and where a layer of the parent was factored.
    """
    split = parent.subject.split(VALIDATION)
    yield Progress(0, 1, N_("what can be compressed"))
    trials = trials_of(parent, plan, store)
    parts = item_parts(split, min(plan.sample, len(split)), AT_ONCE)
    table, places = ScanTable.of(parent, store), places_changed(trials, parent)
    scanning = _Scanning(parent, split, parts, store, table, _clock_of(plan, clock), places, not_kept)
    mine = sorted(trials_of_shard(trials, plan.shard), key=lambda trial: trial.family is not plan.first)
    sampled = yield from scanning.on_sample(mine)
    yield from scanning.on_all(sampled)
    points = [scanning.known(trial) for trial in trials]
    return Sensitivity(
        parent.key, parent.subject.key, split.name, split.digest, len(split), curves_of(points)
    )


def _clock_of(plan: ScanPlan, clock: Callable[[], float]) -> Callable[[], bool]:
    """Whether the time that a plan allows is over."""
    began = clock()
    return lambda: plan.seconds is not None and clock() - began >= plan.seconds


@dataclass(eq=False)
class _Scanning:
    """A scan under way; kept: the answers on the sample of points that need all items.

    places: where passes of any of its trials begin, whichever part of it this is.
    """

    parent: Model
    split: Split
    parts: tuple[Split, ...]
    store: Store
    table: ScanTable
    is_over: Callable[[], bool]
    places: tuple[str, ...]
    not_kept: Callable[[Refused], None] | None = None
    kept: dict[ScanTrial, ItemAnswers] = field(default_factory=dict)

    @property
    def sample(self) -> Split:
        return self.parts[0]

    def known(self, trial: ScanTrial) -> ScanPoint:
        """The best that is known of a trial; not measured where nothing is."""
        found = self.table.find(trial, self.split) or self.table.find(trial, self.sample)
        return found or self._missing(trial, Phrase(NOT_YET))

    def on_sample(self, trials: Sequence[ScanTrial]) -> Generator[Progress, None, list[ScanTrial]]:
        """Measure on the sample what is not known; the trials of which something is known then."""
        begun = cache(partial(self._pass_over, self.sample))
        known = {trial for trial in trials if self.table.find(trial, self.sample) is not None}
        for number, trial in enumerate(trials):
            if trial in known or self.is_over():
                continue
            yield Progress(len(known), len(trials), self._note(trial, FIRST))
            self._read_together(trial, trials[number:])
            self._keep(trial, self.sample, self._measured(trial, begun))
            known.add(trial)
        return [trial for trial in trials if trial in known]

    def _keep(self, trial: ScanTrial, items: Split, point: ScanPoint) -> None:
        """Keep a point, here at least where the workspace does not take it and somebody wants to know."""
        try:
            self.table.keep(trial, items, point)
        except Refused as refused:
            if self.not_kept is None:
                raise
            self.not_kept(refused)

    def _read_together(self, trial: ScanTrial, coming: Sequence[ScanTrial]) -> None:
        """What a technique asks of a layer's inputs it will ask of those of the layers to come as well."""
        if trial.refused is None and trial.family is not Family.STRUCTURE:
            places = [each.place for each in coming if each.family is trial.family and not each.refused]
            ground = ground_of(self.parent, self.store)
            read_together(ground, trial.place, trial.steps[0], self.store, places)

    def _pass_over(self, part: Split) -> ParentPass:
        """The parent's pass over a part; that over the sample stays for other parts of the same scan.

        Real numbers are measured in their spread over all items, which is the same for every part.
        """

        def make() -> ParentPass:
            of_values = self.parent.subject.answers is AnswerKind.VALUES
            spread = predict(self.parent, self.split, self.store).spread if of_values else None
            return replace(ParentPass.over(self.parent, part, self.places), spread=spread)

        if part is not self.sample:
            return make()
        key = digest("parent pass", self.parent.key, part.digest, memory_budget(), *self.places)
        return self.store.get(key, make, lambda passed: passed.recording.nbytes)

    def _measured(self, trial: ScanTrial, begun: Callable[[], ParentPass]) -> ScanPoint:
        if trial.refused is not None:
            return self._missing(trial, _reason(trial.refused))
        passed = begun()
        try:
            model = compressed_further(self.parent, trial.recipe, self.store)
        except Refused as refused:
            return self._missing(trial, _reason(refused))
        found = passed.answers(model, changed_by(trial, self.parent, self.store))
        point = self._point(trial, model, found)
        if self._needs_all(point):
            self.kept[trial] = found
        return point

    def _point(self, trial: ScanTrial, model: Model, found: ItemAnswers) -> ScanPoint:
        counts = ModelCounts.of(model, self.store)
        return ScanPoint(
            trial.place,
            trial.family,
            trial.value,
            trial.steps,
            model.key,
            kl_of([found], self.parent.subject.answers),
            change_of([found], self.parent.subject.answers),
            counts.packed_bytes,
            counts.parameters,
            counts.macs,
        )

    def _missing(self, trial: ScanTrial, reason: Phrase) -> ScanPoint:
        counts = ModelCounts.of(self.parent, self.store)
        kl, change = Number.missing("nat", reason), Number.missing("points", reason)
        at = (trial.place, trial.family, trial.value, trial.steps, self.parent.key)
        return ScanPoint(*at, kl, change, counts.packed_bytes, counts.parameters, counts.macs)

    def _needs_all(self, point: ScanPoint | None) -> bool:
        decided = point is None or not point.is_measured or is_decided(point.kl)
        return len(self.parts) > 1 and not decided

    def on_all(self, trials: Sequence[ScanTrial]) -> Generator[Progress, None, None]:
        """Measure on all items what the sample did not decide, part by part; what is done of it is kept."""
        undecided = [
            trial
            for trial in trials
            if self.table.find(trial, self.split) is None
            and self._needs_all(self.table.find(trial, self.sample))
        ]
        found: dict[ScanTrial, list[ItemAnswers]] = {trial: [] for trial in undecided}
        known = {
            (trial, part.digest)
            for part in self.parts
            for trial in undecided
            if self._is_answered(trial, part)
        }
        done, total = len(known), len(undecided) * len(self.parts)
        for part in self.parts:
            begun = cache(partial(self._pass_over, part))
            for trial in undecided:
                if self.is_over():
                    return
                if (trial, part.digest) not in known:
                    yield Progress(done, total, self._note(trial, SECOND))
                    done += 1
                found[trial].append(self._answers(trial, part, begun))
        for trial, answers in found.items():
            self._keep_whole(trial, answers)

    def _answers(self, trial: ScanTrial, part: Split, begun: Callable[[], ParentPass]) -> ItemAnswers:
        if part is self.sample and trial in self.kept:
            return self.kept.pop(trial)

        def make() -> ItemAnswers:
            model = compressed_further(self.parent, trial.recipe, self.store)
            return begun().answers(model, changed_by(trial, self.parent, self.store))

        return self.store.lasting(_ANSWERS, self._answers_key(trial, part), make)

    def _is_answered(self, trial: ScanTrial, part: Split) -> bool:
        """Whether a part need not be run: the sample was, or a scan that ended got so far."""
        in_memory = part is self.sample and trial in self.kept
        return in_memory or self.store.lasts(self._answers_key(trial, part))

    def _answers_key(self, trial: ScanTrial, part: Split) -> str:
        steps = (step.as_json() for step in trial.steps)
        return digest(_ANSWERS, self.parent.key, trial.place, trial.family.value, *steps, part.digest)

    def _keep_whole(self, trial: ScanTrial, answers: Sequence[ItemAnswers]) -> None:
        """One row of all items in the place of the pieces."""
        sampled = self.table.find(trial, self.sample)
        assert sampled is not None, "it was measured on the sample first"
        kind = self.parent.subject.answers
        kl, change = kl_of(answers, kind), change_of(answers, kind)
        self._keep(trial, self.split, replace(sampled, kl=kl, accuracy_change=change))
        for part in self.parts:
            if self.store.workspace is not None:
                with suppress(Refused):  # a disk that is full is no reason to stop: it goes in its turn
                    self.store.workspace.results.forget(lasting_key(self._answers_key(trial, part)))

    def _note(self, trial: ScanTrial, which: str) -> Phrase:
        """What is being done; in which pass, where there are two."""
        said = Phrase("{place}: {family}", place=trial.place, family=trial.family.label)
        return said if len(self.parts) == 1 else Phrase(which, what=said)


def _reason(refused: Refused) -> Phrase:
    said = refusal_from_json(refusal_as_json(refused))
    return Phrase(said.text, **said.values)
