"""What each place of a network bears: really compressed, alone, resumable, the same however it was made."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from compress_core.apply.groups_found import groups_in
from compress_core.apply.model import Model
from compress_core.apply.run import compress, compressed_further
from compress_core.decide.degrees import bits, ranks, shares_of_units, shares_pruned
from compress_core.decide.family import Family
from compress_core.decide.scan import scan
from compress_core.decide.scan_pass import ParentPass
from compress_core.decide.scan_plan import ScanPlan
from compress_core.decide.scan_table import known_curves, point_as_json, point_from_json
from compress_core.decide.scan_trials import ScanTrial, degrees_tried, trials_of, trials_of_shard
from compress_core.decide.scan_words import Level, by_hurt, is_decided, level_of, middle_of, notes_on
from compress_core.decide.sensitivity import Curve, ScanPoint, Sensitivity
from compress_core.deliver.packed_file import pack_bytes
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.progress import Progress, result_of
from compress_core.foundation.store import Store
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.recipe.values import Step
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject
from compress_core.tasks.scan_layers import shards_for
from tests.subjects import Mlp, mlp_subject, rules, seeded, tiny_subject

PLAN = ScanPlan(points=2, sample=8)
FEW = ScanPlan(points=2, sample=8, families=(Family.PRUNE,))


@pytest.fixture(autouse=True)
def _counted_not_packed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packing takes most of a scan of a tiny network, and one test asks for it."""
    if request.node.get_closest_marker("slow") is None:
        monkeypatch.setattr(
            "compress_core.decide.scan_counts.packed_size",
            lambda model, _store: Number(float(model.file_bytes), "byte", "exact"),
        )


class Convolutions(nn.Module):
    """Two convolutions and a linear layer: inputs [N, 1, 4, 4] -> logits [N, 3]."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.last = nn.Linear(64, 3)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x).relu()
        return self.last((self.second(hidden) + hidden).relu().flatten(1))


def convolutions() -> Subject:
    return tiny_subject(seeded(Convolutions()), (1, 4, 4))


def scanned(parent: Model, plan: ScanPlan = PLAN, store: Store | None = None) -> Sensitivity:
    return result_of(scan(parent, plan, store or Store()))


def points(found: Sensitivity) -> list[ScanPoint]:
    return [point for curve in found.curves for point in curve.points]


def answers(network: nn.Module, inputs: Tensor) -> Tensor:
    with torch.no_grad():
        return network(inputs).double().log_softmax(1)


def naive_kl(parent: Model, point: ScanPoint) -> float:
    """A copy, compressed from the start, and a full forward."""
    subject = parent.subject
    trial = ScanTrial(point.place, point.family, point.value, point.steps)
    model = compressed_further(parent, trial.recipe, Store())
    split = subject.split("validation")
    before, after = (answers(copy.deepcopy(m.network()), split.inputs) for m in (parent, model))
    return float((before.exp() * (before - after)).sum(1).clamp(min=0).mean())


def _at(what: object) -> tuple[object, ...]:
    return tuple(getattr(what, name) for name in ("place", "family", "value"))


@pytest.mark.parametrize("subject", [mlp_subject(), convolutions()], ids=["linear", "convolutions"])
def test_each_point_has_the_divergence_of_a_copy_compressed_and_run_in_full(subject: Subject) -> None:
    parent = Model.original(subject)
    measured = [point for point in points(scanned(parent)) if point.is_measured]
    assert {point.family for point in measured} == set(Family)
    for point in measured:
        assert point.kl.n == 12
        assert point.kl.value == pytest.approx(naive_kl(parent, point), abs=1e-6), _at(point)


@pytest.mark.slow
def test_a_compressed_model_is_scanned_on_top_of_what_it_is() -> None:
    subject, store = mlp_subject(), Store()
    parent = compress(subject, rules(fc1=Step.of("magnitude", sparsity=0.5), fc3=Step.of("uniform")), store)
    found = scanned(parent, store=store)
    assert found.parent == parent.key
    for point in (point for point in points(found) if point.is_measured):
        assert point.kl.value == pytest.approx(naive_kl(parent, point), abs=1e-6), _at(point)


@pytest.mark.slow
def test_a_parent_with_rules_at_inputs_is_run_with_them() -> None:
    subject, store = mlp_subject(), Store()
    parent = compress(subject, rules(fc2=Step.of("top_k", share_kept=0.5)), store)
    measured = [p for p in points(scanned(parent, store=store)) if p.is_measured]
    assert measured
    for point in measured:
        assert point.kl.value == pytest.approx(naive_kl(parent, point), abs=1e-6), _at(point)


def test_accuracy_changes_and_counts_are_those_of_the_model_itself() -> None:
    subject = mlp_subject()
    parent, split = Model.original(subject), subject.split("validation")
    point = next(p for p in points(scanned(parent)) if p.family is Family.PRUNE and p.place == "fc2")
    model = compress(subject, rules(fc2=point.steps[0]), Store())
    right = [(answers(m.network(), split.inputs).argmax(1) == split.labels).sum() for m in (parent, model)]
    assert point.model == model.key
    assert point.accuracy_change.value == pytest.approx(100 * float(right[1] - right[0]) / 12)
    assert point.parameters == 6 * 8 + 8 * 7 + 7 * 3 - round(56 * point.value)


@pytest.mark.slow
def test_packed_bytes_are_those_of_the_whole_file() -> None:
    subject = mlp_subject()
    for found in points(scanned(Model.original(subject), FEW)):
        model = compress(subject, rules(**{found.place: found.steps}), Store())
        assert found.packed_bytes == len(pack_bytes(model))


def test_without_labels_the_divergence_is_measured_and_accuracy_is_not() -> None:
    subject = mlp_subject()
    split = replace(subject.split("validation"), labels=None)
    found = scanned(Model.original(replace(subject, splits={"validation": split})))
    measured = [point for point in points(found) if point.is_measured]
    assert measured
    assert all(point.accuracy_change.reason for point in measured)


def test_the_output_layer_says_why_its_channels_stay() -> None:
    found = scanned(Model.original(mlp_subject()))
    (point,) = next(c.points for c in found.curves if (c.place, c.family) == ("fc3", Family.STRUCTURE))
    assert "fc3 is locked" in str(point.kl.reason)


def test_a_place_that_somebody_locked_says_so_and_so_do_groups_with_it() -> None:
    plan = PLAN.model_copy(update={"locked": ("fc2",)})
    found = scanned(Model.original(mlp_subject()), plan)
    said = {c.place: str(c.points[0].kl.reason) for c in found.curves if c.family is Family.STRUCTURE}
    assert "unlock it" in said["fc1"]
    assert all("unlock it" in str(c.points[0].kl.reason) for c in found.curves if c.place == "fc2")


def test_a_step_that_is_refused_is_a_point_with_the_reason() -> None:
    network = seeded(Mlp())
    with torch.no_grad():
        network.get_parameter("fc2.weight")[0, 0] = float("nan")
    found = scanned(Model.original(tiny_subject(network, (6,))), PLAN)
    refused = [p for p in points(found) if p.place == "fc2" and p.family is Family.RANK]
    assert refused
    assert all(p.kl.reason for p in refused)


@pytest.mark.parametrize(
    ("family", "technique"),
    [("prune", "uniform"), ("structure", "sparsegpt"), ("rank", "magnitude"), ("bits", "power_of_two_no")],
)
def test_a_technique_without_the_knob_of_its_family_is_refused(family: str, technique: str) -> None:
    with pytest.raises(Refused):
        trials_of(Model.original(mlp_subject()), PLAN.model_copy(update={family: technique}), Store())


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("subject", [mlp_subject(), convolutions()], ids=["linear", "convolutions"])
def test_the_degrees_of_a_place_are_those_that_a_scan_tries(subject: Subject, family: Family) -> None:
    store, tried = Store(), defaultdict[str, list[float]](list)
    for trial in trials_of(Model.original(subject), PLAN, store):
        if trial.family is family and trial.refused is None:
            tried[trial.place].append(trial.value)
    found = degrees_tried(family, PLAN, subject.layers, groups_in(subject, store).values())
    assert tried
    assert {place: list(found[place]) for place in tried} == tried


def test_a_part_that_is_not_there_is_refused() -> None:
    with pytest.raises(Refused, match="no part 3/2"):
        trials_of_shard((), "3/2")


def rows(folder: Path) -> dict[str, object]:
    workspace = Workspace.at(folder)
    found = workspace.scans.of_parent(Model.original(mlp_subject()).key)
    workspace.close()
    return found


def in_folder(folder: Path, plan: ScanPlan = FEW, steps: int | None = None) -> None:
    """A scan in a process's own workspace, which ends after so many steps as if it was killed."""
    workspace = Workspace.at(folder)
    work: Iterator[object] = scan(Model.original(mlp_subject()), plan, Store(workspace=workspace))
    for _ in islice(work, steps):
        pass
    workspace.close()


def test_a_scan_that_ended_twice_in_between_comes_to_the_same_table(tmp_path: Path) -> None:
    in_folder(tmp_path / "whole")
    for steps in (3, 9, None):
        in_folder(tmp_path / "ended", steps=steps)
    assert rows(tmp_path / "ended") == rows(tmp_path / "whole") != {}


def test_what_is_known_is_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_folder(tmp_path)

    def refuse(*_args: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr("compress_core.decide.scan.ParentPass.over", refuse)
    in_folder(tmp_path)


def told(folder: Path, plan: ScanPlan, steps: int | None = None) -> list[Progress]:
    """What a scan in this folder says of itself, of so many steps; without what comes before its trials."""
    workspace = Workspace.at(folder)
    work = scan(Model.original(mlp_subject()), plan, Store(workspace=workspace))
    found = list(islice(work, steps))
    workspace.close()
    return found[1:]


def test_each_pass_of_a_scan_counts_for_itself_and_goes_on_where_an_ended_one_was(tmp_path: Path) -> None:
    whole = told(tmp_path / "whole", FEW)
    first = [step for step in whole if step.note.startswith("first pass, ")]
    second = whole[len(first) :]
    assert first
    assert second
    assert all(step.note.startswith("second pass, ") for step in second)
    for steps in (first, second):
        assert [step.done for step in steps] == list(range(steps[0].done, steps[-1].total))
    undecided = second[0].done
    assert second[0].total % undecided == 0, "what the sample said is done"
    ended = told(tmp_path / "ended", FEW, len(first) + 1 + len(second) // 2)
    again = told(tmp_path / "ended", FEW)
    assert all(step.note.startswith("second pass, ") for step in again)
    left = ended[-1].total - ended[-1].done
    assert len(again) == left + undecided, "answers on the sample are not kept beyond a process"
    assert [step.done for step in again] == list(range(again[0].done, again[0].total))


def test_a_family_that_comes_first_leads_to_the_same_table(tmp_path: Path) -> None:
    plan = PLAN.model_copy(update={"first": Family.BITS})
    in_folder(tmp_path / "usual", PLAN)
    notes = [step.note for step in told(tmp_path / "bits", plan) if step.note.startswith("first pass")]
    of_bits = [note.endswith("Fewer bits") for note in notes]
    assert of_bits == sorted(of_bits, reverse=True)
    assert 0 < sum(of_bits) < len(of_bits)
    assert rows(tmp_path / "bits") == rows(tmp_path / "usual")
    results = [scanned(Model.original(mlp_subject()), each) for each in (PLAN, plan)]
    assert points(results[0]) == points(results[1])


def test_a_scan_that_goes_on_with_another_family_first_counts_on_from_what_was_known(tmp_path: Path) -> None:
    prune, of_bits = (PLAN.model_copy(update={"first": family}) for family in (Family.PRUNE, Family.BITS))
    ended = [step for step in told(tmp_path, prune, 12) if step.note.startswith("first pass")]
    again = [step for step in told(tmp_path, of_bits) if step.note.startswith("first pass")]
    assert ended[0].done == 0
    assert again[0].note.endswith("Fewer bits")
    known = again[0].done
    assert known == ended[-1].done, "the last one that was told was not kept"
    assert [step.done for step in again] == list(range(known, again[0].total))


def test_two_parts_of_a_scan_merge_to_the_same_table(tmp_path: Path) -> None:
    in_folder(tmp_path / "whole")
    for part in ("1/2", "2/2"):
        in_folder(tmp_path / part[0], FEW.model_copy(update={"shard": part}))
    first, second = Workspace.at(tmp_path / "1"), Workspace.at(tmp_path / "2")
    assert first.scans.take_from(second.scans) == len(rows(tmp_path / "2"))
    assert first.scans.take_from(second.scans) == 0
    first.close()
    second.close()
    assert rows(tmp_path / "1") == rows(tmp_path / "whole")


@pytest.mark.parametrize("processors", [1, 2, 3, 40])
def test_shards_for_processors_hold_every_point_once_and_end_small(processors: int) -> None:
    trials = range(1000)
    parts = [trials_of_shard(trials, shard) for shard in shards_for(processors)]  # type: ignore[arg-type]
    assert sorted(point for part in parts for point in part) == list(trials)
    sizes = [len(part) for part in parts]
    assert all(later <= earlier + 1 for earlier, later in pairwise(sizes))
    assert max(sizes[-processors:]) <= max(sizes) / 8 + 1


def test_parts_of_a_scan_in_one_process_run_the_parent_over_the_sample_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Split] = []
    over = ParentPass.over

    def counted(parent: Model, part: Split, places: tuple[str, ...]) -> ParentPass:
        made.append(part)
        return over(parent, part, places)

    in_folder(tmp_path / "whole")
    monkeypatch.setattr("compress_core.decide.scan.ParentPass.over", counted)
    workspace = Workspace.at(tmp_path / "parts")
    store = Store(workspace=workspace)
    for shard in shards_for(1):
        result_of(scan(Model.original(mlp_subject()), FEW.model_copy(update={"shard": shard}), store))
    assert [len(part) for part in made].count(FEW.sample) == 1
    workspace.close()
    assert rows(tmp_path / "parts") == rows(tmp_path / "whole")


def test_a_scan_of_some_layers_notes_what_passes_from_these_read(monkeypatch: pytest.MonkeyPatch) -> None:
    noted: list[ParentPass] = []
    over = ParentPass.over

    def spy(*args: Any) -> ParentPass:
        noted.append(over(*args))
        return noted[-1]

    monkeypatch.setattr("compress_core.decide.scan.ParentPass.over", spy)
    parent = Model.original(mlp_subject())
    plan = FEW.model_copy(update={"sample": 12})
    scanned(parent, plan.model_copy(update={"locked": ("fc1", "fc3")}))
    scanned(parent, plan)
    some, all_layers = (passed.recording for passed in noted)
    assert (len(some.cuts), len(all_layers.cuts)) == (1, 3)
    assert 0 < some.kept_bytes < all_layers.kept_bytes
    assert some.cuts[0].moment == all_layers.cuts[1].moment


def test_a_scan_whose_time_is_over_gives_what_it_has_and_says_what_is_missing() -> None:
    ticks = iter(range(1000))
    plan = PLAN.model_copy(update={"seconds": 4.0})
    parent = Model.original(mlp_subject())
    found = result_of(scan(parent, plan, Store(), lambda: float(next(ticks))))
    reasons = [str(point.kl.reason) for point in points(found) if not point.is_measured]
    assert any(point.is_measured for point in points(found))
    assert any("Not measured yet" in reason for reason in reasons)


def test_known_curves_hold_all_points_of_several_scans_in_order(tmp_path: Path) -> None:
    in_folder(tmp_path)
    in_folder(tmp_path, FEW.model_copy(update={"points": 3}))
    store = Store(workspace=Workspace.at(tmp_path))
    curve = next(c for c in known_curves(Model.original(mlp_subject()), PLAN, store) if c.place == "fc1")
    values = [point.value for point in curve.points]
    assert values == sorted(set(values))
    assert len(values) >= 3


def test_a_point_comes_back_from_its_row_as_it_was() -> None:
    for point in points(scanned(Model.original(mlp_subject()))):
        assert point_from_json(point_as_json(point)) == point  # type: ignore[arg-type]


def number(value: float, low: float | None = None, high: float | None = None) -> Number:
    return Number(value, "nat", "measured", low, high, 500)


def point(kl: Number, change: Number | None = None, value: float = 0.5) -> ScanPoint:
    change = change or Number(0.0, "points", "measured", -1.0, 1.0, 500)
    return ScanPoint("fc1", Family.PRUNE, value, (), "key", kl, change, 1, 1, 1)


@pytest.mark.parametrize(
    ("kl", "decided"),
    [
        (number(0.005, 0.004, 0.0099), True),
        (number(0.005, 0.004, 0.011), False),
        (number(0.05, 0.02, 0.2), False),
        (number(0.2, 0.1, 0.4), True),
        (number(0.0), False),
    ],
)
def test_a_word_is_decided_where_the_whole_interval_says_it(kl: Number, decided: bool) -> None:
    assert is_decided(kl) is decided


def test_the_borders_belong_to_the_higher_word() -> None:
    assert [level_of(kl) for kl in (0.0099, 0.01, 0.0999, 0.1)] == [
        Level.LOW,
        Level.MEDIUM,
        Level.MEDIUM,
        Level.HIGH,
    ]


def test_curves_are_sorted_by_their_middle_degree_and_unmeasured_ones_stand_last() -> None:
    nothing = Number.missing("nat", "refused")
    curves = [
        Curve("a", Family.PRUNE, (point(nothing),)),
        Curve("b", Family.PRUNE, (point(number(0.0)), point(number(0.1)), point(number(9.0)))),
        Curve("c", Family.PRUNE, (point(number(0.0)), point(number(0.3)), point(number(0.4)))),
    ]
    assert [curve.place for curve in by_hurt(curves)] == ["c", "b", "a"]
    middle = middle_of(Curve("d", Family.PRUNE, (point(number(0.2)), point(nothing), point(number(0.4)))))
    assert middle is not None
    assert middle.kl.value == 0.2, "the milder of two that are as near"


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ((point(number(0.1), Number(0.4, "points", "measured", -0.2, 1.0, 500)),), "by chance"),
        ((point(number(0.1), Number(0.4, "points", "measured", 0.1, 1.0, 500)),), "by heart"),
        ((point(number(0.2, 0.1, 0.3)), point(number(0.15, 0.1, 0.2))), "this is noise"),
        ((point(number(0.2, 0.19, 0.21)), point(number(0.1, 0.09, 0.11))), "beyond the intervals"),
    ],
)
def test_gains_and_falls_are_explained(made: tuple[ScanPoint, ...], said: str) -> None:
    (note,) = notes_on(Curve("fc1", Family.PRUNE, made))
    assert said in note


def test_degrees_go_from_the_mildest_to_the_hardest() -> None:
    layer = mlp_subject().layer("fc2")
    assert list(shares_pruned(5)) == sorted(shares_pruned(5)) == [0.3, 0.682, 0.855, 0.934, 0.97]
    assert bits(5) == (8, 6, 4, 3, 2)
    assert bits(20) == (8, 7, 6, 5, 4, 3, 2)
    assert ranks(5, layer) == tuple(sorted(set(ranks(5, layer)), reverse=True))
    assert max(ranks(5, layer)) * (8 + 7) < 56
    assert shares_of_units(5, 1) == ()
    assert all(
        np.isclose(share * 7 % 1, 0, atol=1e-4) or np.isclose(share * 7 % 1, 1, atol=1e-4)
        for share in shares_of_units(5, 7)
    )
