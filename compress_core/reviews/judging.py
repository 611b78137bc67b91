"""A review: gates judged on items that were held back, and everything that an audit asks for beside them."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from compress_core.apply.lineage import lineage_as_json
from compress_core.apply.model import Model
from compress_core.foundation.number import Number
from compress_core.foundation.progress import Progress
from compress_core.foundation.store import Store
from compress_core.foundation.texts import N_, Phrase
from compress_core.measure.behavior.class_changes import class_changes
from compress_core.measure.behavior.compare import Comparison
from compress_core.measure.behavior.evaluate import REPORTING
from compress_core.measure.behavior.metric import told_metrics
from compress_core.reviews.evidence import Evidence
from compress_core.reviews.findings import (
    BeforeAfter,
    Circumstances,
    ClassChange,
    Decision,
    FlipCell,
    FlippedItem,
    Review,
    ReviewedModel,
)
from compress_core.reviews.gate import Gates
from compress_core.reviews.gate_verdict import JudgedGate, Outcome, judged_gate, overall
from compress_core.reviews.looks_at_test import look_at
from compress_core.reviews.measure import review_measures
from compress_core.reviews.model_costs import sizes_of, times_of
from compress_core.reviews.model_files import files_of
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject

SURE = 0.05


@dataclass(frozen=True, eq=False)
class Asked:
    """What a review is made of beside model and gates.

    labels [n]: right answers of the items on which both models disagree, in their order. groups [N]: the
    subgroup of each item. known: numbers that are taken over, not measured, as `verify` does with times.
    """

    split: str = REPORTING
    labels: NDArray[np.int64] | None = None
    groups: NDArray[np.str_] | None = None
    known: Mapping[str, Number] = field(default_factory=dict)
    decision: Decision = field(default_factory=Decision)


def last_split(subject: Subject) -> str:
    """Test items where the model has some; items of somebody's own are called validation."""
    return REPORTING if REPORTING in subject.splits else "validation"


def reviewed(
    model: Model, gates: Gates, asked: Asked, circumstances: Circumstances, store: Store
) -> Generator[Progress, None, Review]:
    """Judge every gate and gather the evidence; the look at the items is noted first.

    Raises Refused where there are no such items, or labels that do not fit.
    """
    split = model.subject.split(asked.split)
    total = len(gates.gates) + 5
    yield Progress(0, total, N_("predictions"))
    looks = look_at(model, split, gates, store)
    evidence = evidence_of(model, split, gates, asked, store)
    judged: list[JudgedGate] = []
    for done, gate in enumerate(gates.gates, 1):
        measure = review_measures()[gate.measure]
        yield Progress(done, total, measure.title)
        known = asked.known.get(gate.measure)
        judged.append(judged_gate(gate, measure(evidence) if known is None else known))
    yield Progress(total - 4, total, N_("attribution of the items that changed"))
    alike_flips = evidence.alike_flips
    yield Progress(total - 3, total, N_("attribution of a sample"))
    alike_sample = evidence.alike_sample
    yield Progress(total - 2, total, N_("sizes"))
    sizes = sizes_of(model, store)
    yield Progress(total - 1, total, N_("files"))
    files = files_of(model)
    classes, choices = tuple(_classes(evidence.comparison, model.subject.classes)), model.subject.choices
    return Review(
        verdict=overall(judged),
        model=_told(model, split, gates, asked),
        gates=gates,
        judged=tuple(judged),
        worst_class=classes[0].name if classes else None,
        classes=classes,
        numbers=tuple(_numbers(evidence)),
        cells=tuple(_cells(evidence.comparison, choices)),
        flips=tuple(_flips(evidence, choices)),
        alike_flips=alike_flips,
        alike_sample=alike_sample,
        sizes=sizes,
        times=times_of(model, judged, evidence, store, asked.known),
        not_tested=tuple(_not_tested(judged, split, asked, circumstances)),
        looks=looks,
        circumstances=circumstances,
        decision=asked.decision,
        files=files,
    )


def evidence_of(model: Model, split: Split, gates: Gates, asked: Asked, store: Store) -> Evidence:
    """Both models on the items, under the conditions of the gates."""
    how = gates.conditions
    return Evidence(
        model=model,
        split=split,
        store=store,
        attribution=how.attribution,
        attribution_items=how.attribution_items,
        noise=how.noise,
        batch=how.batch,
        seed=how.seed,
        labels=asked.labels,
        groups=asked.groups,
    )


def _told(model: Model, split: Split, gates: Gates, asked: Asked) -> ReviewedModel:
    labels = "items" if split.labels is not None else "file" if asked.labels is not None else "none"
    return ReviewedModel(
        name=model.subject.name,
        title=model.subject.title,
        network=model.subject.key,
        model=model.key,
        split=split.name,
        items=split.digest,
        n=len(split),
        has_labels=labels,
        recipe_sha=model.recipe.sha,
        recipe=model.recipe.yaml,
        lineage=tuple(lineage_as_json(model.lineage)),
        gates_sha=gates.sha,
        remarks=model.subject.remarks.sentences,
    )


def _numbers(evidence: Evidence) -> Iterator[BeforeAfter]:
    """Every metric of what is asked; of the original only those that need no comparison."""
    before, task = evidence.numbers_before, evidence.model.subject.task
    for name, metric in told_metrics(task).items():
        if task not in metric.tasks:
            continue
        missing = Number.missing(metric.unit, N_("It compares the two models."), len(evidence.split))
        alone = missing if "before" in metric.needs else before[name]
        yield BeforeAfter(name, metric.title, alone, evidence.numbers[name])


def _classes(comparison: Comparison, names: tuple[str, ...]) -> Iterator[ClassChange]:
    """Each class with items, the worst change first; none without labels."""
    for row in class_changes(comparison):
        change, p = row.change.value, row.p_holm.value
        assert change is not None, "a class with items has a change"
        yield ClassChange(
            name=names[row.index],
            before=row.before,
            after=row.after,
            change=row.change,
            p_holm=p,
            got_worse=p is not None and change < 0 and p <= SURE,
        )


def _cells(comparison: Comparison, names: tuple[str, ...]) -> Iterator[FlipCell]:
    """From which class to which, the most frequent first; nothing where answers are no classes."""
    if not comparison.before.kind.has_classes:
        return
    table = comparison.flips()
    counts, classes = table.to_numpy(), table.index.to_numpy()
    found = [
        (int(counts[i, j]), int(classes[i]), int(classes[j]))
        for i, j in zip(*np.nonzero(counts), strict=True)
        if i != j
    ]
    for count, before, after in sorted(found, key=lambda cell: (-cell[0], cell[1], cell[2])):
        yield FlipCell(_named(names, before), _named(names, after), count)


def _flips(evidence: Evidence, names: tuple[str, ...]) -> Iterator[FlippedItem]:
    """The items that changed, the biggest drop of confidence first; none where answers are no classes."""
    if not evidence.comparison.before.kind.has_classes:
        return
    for row in evidence.changed_items.to_dict("records"):
        yield FlippedItem(
            item=int(row["item"]),
            kind=str(row["kind"]),
            label=None if pd.isna(row["label"]) else names[int(row["label"])],
            before=_named(names, int(row["before"])),
            after=_named(names, int(row["after"])),
            confidence_before=_finite(row["confidence_before"]),
            confidence_after=_finite(row["confidence_after"]),
        )


def _named(names: tuple[str, ...], index: int) -> str:
    return Phrase("no answer") if index < 0 else names[index]


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _not_tested(
    judged: list[JudgedGate], split: Split, asked: Asked, circumstances: Circumstances
) -> Iterator[Phrase]:
    """What a reader may not take for granted, most of it because nobody asked for it."""
    gated = {each.gate.measure for each in judged}
    for each in judged:
        if each.outcome is Outcome.NOT_MEASURED:
            title = Phrase(review_measures()[each.gate.measure].title)
            why = each.number.reason or each.number.no_interval or N_("It is estimated.")
            yield Phrase("{title}: {why}", title=title, why=why)
    if split.name != REPORTING:
        yield Phrase(
            "These are {split} items: whoever chose the recipe on them finds it too good here.",
            split=split.name,
        )
    if "latency_ms" not in gated:
        yield Phrase("How long it takes: no gate asks for it.")
    if "noise_robustness" not in gated:
        yield Phrase("Inputs with noise: no gate asks for it.")
    if asked.groups is None:
        yield Phrase("Subgroups: no group column was given.")
    if not (circumstances.target_device or circumstances.target_runtime):
        yield Phrase("The device and the runtime where it will run: none was named.")
    else:
        yield Phrase("The model on its target: everything here was computed in torch on this machine.")
    yield Phrase("Items unlike these: another source, another time, attacks.")
