"""Labels and groups from files that came later: what fits is taken; and what makes a review again."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from compress_core.apply.lineage import Compress, Train, compressed_by
from compress_core.apply.model import Model
from compress_core.foundation.errors import Refused
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.foundation.texts import Phrase
from compress_core.measure.behavior.evaluate import compare
from compress_core.recipe.resolving import resolve
from compress_core.recipe.values import Recipe, Rule, Step
from compress_core.reviews import review_command
from compress_core.reviews.evidence_tables import items_to_label
from compress_core.reviews.gate_file import read_gates
from compress_core.reviews.gate_verdict import Outcome
from compress_core.reviews.late_groups import read_groups
from compress_core.reviews.late_labels import disagreements, labels_by_item
from compress_core.reviews.review_command import STEPS, UPLOADED, UPLOADED_AND_TRAINED, command_of_page
from compress_core.subject.split import Split
from compress_core.tasks.judge_gates import REVIEW, ReviewKnobs
from compress_core.training.plan import parse_plan
from compress_core.training.plan_words import words_of_plan
from tests.test_review import FEW, coarse, small_subject, unlabeled

BARE = Split("test", torch.zeros(4, 2), None)
GATES = read_gates(
    FEW + "gates: [{measure: accuracy_change, limit: -90}, {measure: subgroup_change, limit: -99}]"
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "item,group\n0,a\n1,b\n2,a\n",
            "leave out 1 of 4 items, the first of them item 3 of the test split: give",
        ),
        ("item,group\n0,a\n1,b\n2,a\n3,\n", "leave out 1 of 4 items"),
        (
            "item,group\n0,a\n1,b\n2,a\n3,a\n4,a\n",
            "name item 4, but the test split has 4 items, counted from 0",
        ),
        ("item,group\n0,a\n0,b\n", "'0', which is no number or stands twice"),
        ("item,group\n-1,a\n", "'-1', which is no number"),
        ("item,grp\n0,a\n", "columns item (or file_item) and group"),
        ("item;group\n0;a\n", "columns item (or file_item) and group, separated by commas"),
        ("", "columns item (or file_item) and group"),
        (f"item,group\n0,{'x' * 101}\n1,a\n2,a\n3,a\n", "at most 100 characters"),
    ],
)
def test_groups_that_do_not_fit_are_refused(text: str, said: str) -> None:
    with pytest.raises(Refused, match=re.escape(said)):
        read_groups(text, BARE)


def test_groups_are_read_in_the_order_of_the_items_however_they_are_written() -> None:
    text = "# from the clinic\nother,group,item\nx,north,2\nx,south,0\nx,south,1\nx,1,3\n"
    assert read_groups(text, BARE).tolist() == ["south", "south", "north", "1"]


@pytest.mark.parametrize(
    ("split", "text", "said"),
    [
        (replace(BARE, labels=torch.zeros(4, dtype=torch.int64)), "item,label\n0,a\n", "labels already"),
        (BARE, "item,label\n4,a\n", "name item 4, but the test split has 4"),
        (BARE, "item,label\n0,c\n", "label of item 0 of the test split is 'c', which is no class"),
        (BARE, "item,label\n0,2\n", "'2', which is no class"),
    ],
)
def test_labels_that_fit_no_answer_are_refused_without_one(split: Split, text: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        labels_by_item(text, split, ("a", "b"))


def test_labels_are_taken_by_name_and_by_number() -> None:
    assert labels_by_item("item,label\n3,1\n0,a\n", BARE, ("a", "b")) == {0: 0, 3: 1}


@pytest.mark.slow
def test_a_job_judges_by_labels_and_groups_that_came_later_as_if_they_had_been_there() -> None:
    store, labeled = Store(), small_subject()
    bare = unlabeled(labeled)
    model, split = coarse(bare, store), bare.split("test")
    first = result_of(REVIEW.run(model, ReviewKnobs(gates=GATES), 0, store))
    wanted = items_to_label(first, split)
    items = disagreements(compare(model, split, store))
    assert wanted["item"].tolist() == items.tolist()
    right = labeled.split("test").labels
    assert right is not None
    filled = wanted.assign(label=right.numpy()[items]).to_csv(index=False)
    knobs = ReviewKnobs(
        gates=GATES,
        labels=tuple(labels_by_item(filled, split, bare.classes).items()),
        groups=tuple("ab"[item % 2] for item in range(len(split))),
    )
    assert ReviewKnobs.model_validate_json(knobs.model_dump_json()) == knobs
    late = result_of(REVIEW.run(model, knobs, 0, store))
    there = result_of(REVIEW.run(coarse(labeled, store), knobs.model_copy(update={"labels": ()}), 0, store))
    assert [each.number for each in late.judged] == [each.number for each in there.judged]
    assert [first.judged[0].outcome, first.model.has_labels] == [Outcome.NOT_MEASURED, "none"]
    assert there.judged[1].number.value is not None
    assert late.model.has_labels == "file"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"labels": ((0, 0),)}, "leave out|both models agree"),
        ({"groups": ("a", "b")}, "speaks of 2 items, but 60 are judged"),
    ],
)
def test_a_job_refuses_files_of_other_items(change: dict[str, object], said: str) -> None:
    store = Store()
    model = coarse(unlabeled(small_subject()), store)
    knobs = ReviewKnobs.model_validate({"gates": GATES, **change})
    with pytest.raises(Refused, match=said):
        result_of(REVIEW.run(model, knobs, 0, store))


# What makes it again

PRUNED = resolve(Recipe((Rule("fc1", (Step.of("magnitude", sparsity=0.5),)),)), ["fc1", "fc2"])
PLAN = parse_plan({"epochs": 2, "methods": [{"method": "distill", "temperature": 3.0}]})


def trained(**change: object) -> Train:
    return replace(Train(PLAN.text, "items", 2), **change)  # type: ignore[arg-type]


@pytest.fixture
def sample(monkeypatch: pytest.MonkeyPatch) -> Model:
    """A model that counts as a sample of the name tiny."""
    monkeypatch.setattr(review_command, "cards", lambda: {"tiny": None})
    return Model.original(replace(small_subject(4), title=Phrase("Tiny")))


def said_of(model: Model, *lineage: Compress | Train) -> tuple[str, str]:
    return command_of_page(_With(model, lineage), {"--split": "test", "--groups": ""})  # type: ignore[arg-type]


class _With:
    """A model with another lineage, which only its command is asked for."""

    def __init__(self, model: Model, lineage: tuple[Compress | Train, ...]) -> None:
        self.subject, self.lineage = model.subject, lineage


def test_a_recipe_and_a_training_of_a_sample_name_the_commands_that_make_them_again(sample: Model) -> None:
    (compress,) = compressed_by(PRUNED)
    review = "slimscope review tiny {} --gates gates.yaml --split test"
    assert said_of(sample, compress) == (review.format("recipe.yaml"), "")
    train = "slimscope train tiny recipe.yaml --method distill --epochs 2 --temperature 3.0 --out trained"
    assert said_of(sample, compress, trained()) == (f"{train} && {review.format('--trained trained')}", "")
    assert said_of(sample, trained())[0].startswith("slimscope train tiny --method distill")


@pytest.mark.parametrize("change", [{"epochs": 1}, {"teacher": "another"}])
def test_a_training_that_no_command_repeats_says_why(sample: Model, change: dict[str, object]) -> None:
    (compress,) = compressed_by(PRUNED)
    assert said_of(sample, compress, trained(**change)) == ("", STEPS)
    assert said_of(sample, compress, trained(), compress) == ("", STEPS)


def test_an_upload_says_who_makes_it_again_and_how() -> None:
    (compress,) = compressed_by(PRUNED)
    own = Model.original(small_subject(4))
    assert said_of(own, compress) == ("", UPLOADED)
    assert said_of(own, compress, trained()) == ("", UPLOADED_AND_TRAINED)


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ({}, ["--method", "fine_tune"]),
        ({"epochs": 7, "seed": 3}, ["--method", "fine_tune", "--epochs", "7", "--seed", "3"]),
        ({"methods": [{"method": "distill", "match": "fc1"}]}, None),
        ({"methods": ["set", {"method": "gradual", "sparsity": 0.7}]}, None),
    ],
)
def test_a_plan_is_typed_as_it_was_meant_or_not_at_all(
    plan: dict[str, object], words: list[str] | None
) -> None:
    assert words_of_plan(parse_plan(plan)) == words


def test_arrays_of_groups_hold_whole_names() -> None:
    assert read_groups("item,group\n0,a\n1,longer\n", BARE.first(2)).dtype == np.dtype("<U6")
