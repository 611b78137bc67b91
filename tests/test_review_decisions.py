"""What surrounds a review: decisions are kept, looks and gates are told without a look, a command is said."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path

import pytest

from compress_core.apply.model import Model
from compress_core.cli.printed_review import print_review
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.reviews.decisions import decided, sign, signed
from compress_core.reviews.findings import Decision, Review
from compress_core.reviews.gate import Gate, Gates
from compress_core.reviews.gate_file import gates_in, gates_noted, read_gates
from compress_core.reviews.gate_verdict import Outcome
from compress_core.reviews.looks_at_test import fix_gates, look_at, looks_so_far
from compress_core.reviews.model_files import listed, with_files
from compress_core.reviews.report_page import report_html
from tests.test_review import ON_CHURN, coarse, made, small_subject

OTHERS = read_gates("gates: [{measure: churn, limit: 0.5}]")


@pytest.fixture(scope="module")
def review() -> Review:
    store = Store()
    return made(coarse(small_subject(), store), ON_CHURN, store)


@pytest.mark.slow
def test_a_later_decision_stands_beside_the_earlier_one_and_belongs_to_who_made_it(review: Review) -> None:
    place = Workspace.in_memory()
    first, second = decided("Ada", "reject", ""), decided("Ada", "conditions", "Only indoors.")
    for decision in (first, second):
        sign(place, "ada", review, decision)
    digests = tuple(file.sha256 for file in review.files or ())
    assert len(digests) == 2
    assert signed(place, "ada", review) == tuple(replace(each, files=digests) for each in (first, second))
    assert signed(place, "bob", review) == ()


@pytest.mark.slow
@pytest.mark.parametrize("changed", ["model", "items", "gates_sha"])
def test_a_decision_speaks_of_one_model_on_these_items_by_these_gates(review: Review, changed: str) -> None:
    place = Workspace.in_memory()
    sign(place, "ada", review, decided("Ada", "approve", ""))
    other = replace(review, model=replace(review.model, **{changed: "another"}))
    assert signed(place, "ada", other) == ()
    assert len(signed(place, "ada", replace(review, looks=replace(review.looks, models=9)))) == 1


@pytest.mark.slow
def test_notes_alone_are_no_decision(review: Review) -> None:
    place = Workspace.in_memory()
    with pytest.raises(Refused, match="Nothing was decided"):
        sign(place, "ada", review, decided("Ada", "", "Hm."))
    assert signed(place, "ada", review) == ()


@pytest.mark.slow
@pytest.mark.parametrize("outcome", [each for each in Outcome if each is not Outcome.PASS])
def test_what_does_not_pass_is_approved_with_a_reason_only(review: Review, outcome: Outcome) -> None:
    place = Workspace.in_memory()
    gate = replace(review.judged[0], outcome=outcome)
    open_one = replace(review, judged=(gate,), verdict=outcome)
    with pytest.raises(Refused, match=f"The verdict is {outcome.value.upper()}: an approval .* its reason"):
        sign(place, "ada", open_one, decided("Ada", "approve", " "))
    assert signed(place, "ada", open_one) == ()
    for decision in (decided("Ada", "approve", "Only for the trial."), decided("Ada", "reject", "")):
        sign(place, "ada", open_one, decision)
    passed = replace(review, judged=(replace(gate, outcome=Outcome.PASS),), verdict=Outcome.PASS)
    sign(place, "ada", passed, decided("Ada", "approve", ""))
    assert [each.decision for each in signed(place, "ada", passed)] == ["approve", "reject", "approve"]


@pytest.mark.slow
def test_the_decision_stands_at_the_top_of_the_report_and_of_what_is_printed(
    review: Review, capsys: pytest.CaptureFixture[str]
) -> None:
    said = replace(review, decision=Decision("Ada", "reject", "Too coarse.", "2026-12-01T00:00:00+00:00"))
    page = report_html(said, {})
    assert page.index("<dd>rejected</dd>") < page.index("<h2>Gates</h2>")
    assert page.count("<h2>Decision</h2>") == 1
    print_review(said, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "Decision: rejected by Ada, 2026-12-01T00:00:00+00:00: Too coarse."
    print_review(review, as_json=False)
    assert "\nDecision: not decided yet\n" in capsys.readouterr().out


@pytest.mark.slow
def test_a_file_that_was_made_after_the_signature_is_listed_and_not_covered_by_it(review: Review) -> None:
    place = Workspace.in_memory()
    sign(place, "ada", review, decided("Ada", "approve", ""))
    (decision,) = signed(place, "ada", review)
    later = with_files(replace(review, decision=decision), (listed("model.onnx", b"onnx"),))
    assert later == with_files(later, later.files or ()), "each is listed once"
    page = report_html(later, {})
    rows = dict(re.findall(r"<tr><td>(model\.\w+)</td>.*?</code></td><td>(\w+)</td></tr>", page)[:3])
    assert rows == {"model.safetensors": "yes", "model.slim": "yes", "model.onnx": "no"}


def test_asking_how_many_looked_is_no_look(tmp_path: Path) -> None:
    clock = itertools.count()
    store = Store(2**20, Workspace.at(tmp_path, clock=lambda: float(next(clock))))
    subject = small_subject()
    split, model = subject.split("test"), Model.original(subject)
    before = looks_so_far(subject, split, ON_CHURN, store)
    assert (before.models, before.first, before.fixed_before) == (0, None, None)
    assert looks_so_far(subject, split, ON_CHURN, store) == before
    fix_gates(ON_CHURN, store)
    assert looks_so_far(subject, split, ON_CHURN, store).fixed_before
    look_at(model, split, ON_CHURN, store)
    after = looks_so_far(subject, split, ON_CHURN, store)
    assert (after.models, after.fixed_before) == (1, True)
    assert looks_so_far(subject, split, OTHERS, store).fixed_before is False, "nobody noted them before"
    fix_gates(OTHERS, store)
    assert looks_so_far(subject, split, OTHERS, store).fixed_before is False, "noted after the look"


def test_noted_gates_come_back_with_their_sha() -> None:
    noted = Workspace.in_memory().gates
    noted.fix(ON_CHURN.sha, ON_CHURN.as_json())
    assert gates_noted(noted.content(ON_CHURN.sha)) == ON_CHURN
    assert noted.content(OTHERS.sha) is None


def test_where_nothing_is_kept_nothing_is_said_of_looks() -> None:
    subject = small_subject()
    assert looks_so_far(subject, subject.split("test"), ON_CHURN, Store()).fixed_before is None


def test_a_file_of_gates_in_another_coding_is_refused_by_its_name() -> None:
    with pytest.raises(Refused, match=r"mine\.yaml is no text in UTF-8"):
        gates_in(b"\xff\xfe", "mine.yaml")
    assert gates_in(b"\xef\xbb\xbftitle: T", "mine.yaml").title == "T"


@pytest.mark.parametrize(
    ("measure", "limit", "words"),
    [
        ("plain_file_bytes", 1_000_000, "Plain file at most 1,000,000 bytes"),
        ("plain_file_bytes", 12_345_678, "Plain file at most 12,345,678 bytes"),
        ("accuracy_change", -0.3, "Accuracy change at least -0.3 points"),
        ("churn", 0.02, "Churn at most 2 %"),
        ("right_to_wrong", 14, "Right to wrong at most 14 items"),
        ("right_to_wrong", 1, "Right to wrong at most 1 item"),
    ],
)
def test_a_limit_is_said_as_it_was_written(measure: str, limit: float, words: str) -> None:
    gates = Gates(gates=(Gate(measure=measure, limit=limit),))
    assert gates.in_words(gates.gates[0]) == words
