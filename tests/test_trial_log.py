"""The log of what was tried: a line at the release, completed once, never a number that was not measured."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import Any

import pytest
import streamlit as st

import dashboard.visitor
from compress_core.apply.lineage import Lineage, compressed_by
from compress_core.apply.model import Model
from compress_core.apply.run import model_of
from compress_core.foundation.csv_table import as_csv
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.recipe.difference import changes
from compress_core.recipe.values import ResolvedRecipe, Step
from compress_core.subject.subject import Subject
from dashboard import engine, page_address, saved_work, state, trial_log
from dashboard.tune import two_trials
from dashboard.tune.recipe_words import in_short
from dashboard.tune.trial_words import TriedLine, csv_frame, described
from dashboard.undo import redone, undone
from dashboard.view import View
from tests.subjects import mlp_subject

ANN, BEN = "a" * 32, "b" * 32
NUMBERS = {"accuracy_change": Number(-1.5, "points", "measured", -2.5, -0.5, 40)}


def pruned(sparsity: float, *layers: str) -> ResolvedRecipe:
    step = Step.of("magnitude", sparsity=sparsity)
    return ResolvedRecipe(tuple((layer, (step,)) for layer in layers or ("fc1",)))


@pytest.fixture
def subject(monkeypatch: pytest.MonkeyPatch) -> Subject:
    """A model that Ann works on, in a workspace and a session of their own."""
    place, made, found = Workspace.in_memory(), Store(2**24), mlp_subject()
    monkeypatch.setattr(engine, "workspace", lambda: place)
    monkeypatch.setattr(engine, "store", lambda: made)
    monkeypatch.setattr(engine, "sample", lambda _name: found)
    monkeypatch.setattr(engine, "warm", lambda: None)
    monkeypatch.setattr(dashboard.visitor, "_from_cookie", lambda: ANN)
    monkeypatch.setattr(st, "session_state", {})
    return found


def made(subject: Subject, lineage: Lineage) -> Model:
    return model_of(subject, lineage, engine.store())


def moved(view: View, recipe: ResolvedRecipe) -> View:
    state.keep(state.edited(view, recipe))
    return state.required()


def start() -> View:
    view = View("mlp", (), "fc1")
    state.keep(view)
    return view


def test_a_release_is_a_line_and_undo_redo_and_a_return_are_none(subject: Subject) -> None:
    view = moved(moved(start(), pruned(0.5)), pruned(0.8))
    for way in (undone, undone, redone):
        view = way(view)
        state.keep(view)
    first, *_ = trial_log.lines(subject)[::-1]
    state.keep(state.returned(view, first.model))
    assert [line.model for line in trial_log.lines(subject)] == [
        made(subject, compressed_by(pruned(share))).key for share in (0.8, 0.5)
    ]
    moved(state.required(), pruned(0.8))
    assert len(trial_log.lines(subject)) == 3, "tried again is a line again"


def test_returning_is_undoable(subject: Subject) -> None:
    view = moved(moved(start(), pruned(0.5)), pruned(0.8))
    back = state.returned(view, trial_log.lines(subject)[1].model)
    assert back.recipe == pruned(0.5)
    assert undone(back).recipe == view.recipe


def test_a_line_has_its_bytes_at_once_and_its_accuracy_once_it_is_measured(subject: Subject) -> None:
    view = moved(start(), pruned(0.5))
    (line,) = described(subject, trial_log.lines(subject))
    assert line.bytes == state.model(view).file_bytes
    assert (line.change.value, line.change.n, line.said) == (None, None, "not measured yet")
    trial_log.complete(state.model(view), NUMBERS)
    trial_log.complete(state.model(view), {"accuracy_change": replace(NUMBERS["accuracy_change"], value=0.0)})
    (line,) = described(subject, trial_log.lines(subject))
    assert line.change == NUMBERS["accuracy_change"], "what was measured is never changed"
    assert line.said == "[-2.50, -0.50]"


def test_what_was_measured_after_the_page_had_moved_on_is_found(subject: Subject) -> None:
    view = moved(moved(start(), pruned(0.5)), pruned(0.8))
    key, split = trial_log.lines(subject)[1].model, subject.split("validation")
    said = {name: number.as_json() for name, number in NUMBERS.items()}
    engine.workspace().evaluations.keep(key, "validation", split.digest, 40, said)
    trial_log.complete_from_evaluations(subject, split, [line.model for line in trial_log.lines(subject)])
    assert [line.split for line in trial_log.lines(subject)] == ["", "validation"]
    assert view.recipe == pruned(0.8)


def test_lines_belong_to_a_visitor_and_to_a_model_with_its_items(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved(start(), pruned(0.5))
    assert not trial_log.lines(replace(subject, title="the same weights under another title"))
    monkeypatch.setattr(dashboard.visitor, "_from_cookie", lambda: BEN)
    assert not trial_log.lines(subject)


def test_a_name_is_of_one_line_and_can_be_taken_away(subject: Subject) -> None:
    view = moved(moved(start(), pruned(0.5)), pruned(0.8))
    newest, oldest = trial_log.lines(subject)
    trial_log.give_name(subject, oldest.number, "mine")
    trial_log.name_current(state.model(view), "mine")
    assert [line.number for line in trial_log.named(subject)] == [newest.number]
    trial_log.give_name(subject, newest.number, "")
    assert not trial_log.named(subject)


def test_what_was_never_let_go_gets_a_line_when_it_is_named(subject: Subject) -> None:
    start()
    trial_log.name_current(made(subject, ()), "as loaded")
    (line,) = trial_log.named(subject)
    assert state.returned(View("mlp", compressed_by(pruned(0.5)), "fc1"), line.model).lineage == ()


def test_a_line_says_what_changed_and_from_which_recipe_where_it_is_not_the_line_before(
    subject: Subject,
) -> None:
    view = moved(moved(start(), pruned(0.5)), pruned(0.8))
    state.keep(undone(view))
    moved(state.required(), pruned(0.5, "fc1", "fc2"))
    lines = described(subject, trial_log.lines(subject))
    sha = pruned(0.5).sha[:8]
    assert [line.what for line in lines] == [
        f"from {sha}: fc2 + Magnitude (Sparsity 0.5)",
        "fc1 Magnitude: Sparsity 0.5 → 0.8",
        "fc1 + Magnitude (Sparsity 0.5)",
    ]


def test_a_model_of_which_nothing_was_tried_has_no_lines(subject: Subject) -> None:
    start()
    assert described(subject, trial_log.lines(subject)) == []


def test_layers_that_change_alike_are_told_once() -> None:
    names = [f"layer{number}" for number in range(5)]
    assert in_short(changes(ResolvedRecipe(()), pruned(0.5, *names))) == "5 layers + Magnitude (Sparsity 0.5)"
    assert in_short(changes(pruned(0.5, *names[:2]), ResolvedRecipe(()))) == (
        "layer0, layer1 − Magnitude (Sparsity 0.5)"
    )
    assert in_short(()) == "the same recipe"


def test_two_lines_side_by_side_say_what_is_not_measured(subject: Subject) -> None:
    view = moved(moved(start(), pruned(0.5)), pruned(0.8))
    trial_log.complete(state.model(view), NUMBERS)
    second, first = described(subject, trial_log.lines(subject))
    table = two_trials.numbers_frame(first, second, "one", "other").set_index("")
    assert tuple(table.loc["Accuracy change"]) == ("not measured yet", "-1.50 points [-2.50, -0.50]")
    assert tuple(table.loc["Split and N"]) == ("not measured yet", "validation, 40")
    assert not {"", "not measured"} & set(table.loc["Size of the file"])


def test_the_csv_names_model_recipe_split_and_n_and_no_formula_gets_in(subject: Subject) -> None:
    view = moved(start(), pruned(0.5))
    trial_log.name_current(state.model(view), "=HYPERLINK(1)")
    trial_log.complete(state.model(view), NUMBERS)
    lines: list[TriedLine] = described(subject, trial_log.lines(subject))
    (row,) = csv.DictReader(as_csv(csv_frame(subject, lines)).decode().splitlines())
    assert (row["model"], row["weights"]) == (subject.name, subject.digest)
    assert (row["recipe"], row["split"], row["items"]) == (pruned(0.5).sha, "validation", "40")
    assert (row["bytes"], row["accuracy_change_points"]) == (str(float(state.model(view).file_bytes)), "-1.5")
    assert row["name"] == "'=HYPERLINK(1)"


def test_a_line_of_another_release_is_shown_and_refused_in_words(subject: Subject) -> None:
    start()
    log = trial_log.log_of(subject)
    engine.workspace().trials.log(ANN, log, "an old key", [["fc1", [{"technique": "gone"}]]], {})
    (line,) = described(subject, trial_log.lines(subject))
    assert line.what == "a recipe that this release cannot read"
    with pytest.raises(state.Refused, match="tried with another release"):
        state.returned(state.required(), "an old key")


def _kept_before_the_log(subject: Subject, names: dict[str, str], model: str = "mlp") -> None:
    """A visitor's work as a release without a log saved it: names beside it, no word of a tab."""
    at = saved_work.keep_model((), subject)
    content: Any = {"at": at, "past": [], "future": [], "layer": "", "seed": 0, "locked": [], "jobs": {}}
    content |= {"snapshots": names, "title": subject.title, "layers": 0, "sha": ""}
    engine.workspace().sessions.save(ANN, model, content)


def test_snapshots_from_before_the_log_become_its_lines_once_and_can_be_returned_to(subject: Subject) -> None:
    way = compressed_by(pruned(0.5))
    key = saved_work.keep_model(way, subject)
    _kept_before_the_log(subject, {"small": key, "=sum": key})
    for _ in range(2):
        page_address.open_model("mlp")
    small, other = sorted(trial_log.lines(subject), key=lambda line: line.name, reverse=True)
    assert (small.name, other.name, small.split) == ("small", "=sum", "")
    line = described(subject, (small,))[0]
    assert (line.sha, line.change.value, line.bytes) == (pruned(0.5).sha, None, None)
    assert state.returned(start(), small.model).lineage == way
    assert engine.workspace().sessions.snapshots(ANN, "mlp") == ()


def test_a_name_that_was_taken_away_or_stands_in_the_log_does_not_come_back(subject: Subject) -> None:
    key = saved_work.keep_model(compressed_by(pruned(0.5)), subject)
    view = moved(start(), pruned(0.8))
    trial_log.name_current(state.model(view), "small")
    _kept_before_the_log(subject, {"small": key})
    trial_log.adopt_snapshots("mlp", subject)
    (line,) = trial_log.named(subject)
    assert line.model == state.model(view).key
    trial_log.give_name(subject, line.number, "")
    trial_log.adopt_snapshots("mlp", subject)
    assert trial_log.named(subject) == ()


def test_a_snapshot_that_no_tree_knows_or_of_another_model_is_left_out(subject: Subject) -> None:
    key = saved_work.keep_model(compressed_by(pruned(0.5)), subject)
    _kept_before_the_log(subject, {"lost": "no such key"})
    _kept_before_the_log(subject, {"elsewhere": key}, "another")
    trial_log.adopt_snapshots("mlp", subject)
    assert trial_log.lines(subject) == ()
    assert [one.name for one in engine.workspace().sessions.snapshots(ANN, "another")] == ["elsewhere"]


def test_a_line_of_an_old_snapshot_has_the_time_of_its_work(subject: Subject) -> None:
    key = saved_work.keep_model(compressed_by(pruned(0.5)), subject)
    _kept_before_the_log(subject, {"small": key})
    (kept,) = engine.workspace().sessions.snapshots(ANN, "mlp")
    trial_log.adopt_snapshots("mlp", subject)
    (line,) = trial_log.named(subject)
    assert line.time == kept.time
