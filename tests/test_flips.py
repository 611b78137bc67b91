"""Flips: which are meant, in which order they are looked at, and that exactly they are explained."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.foundation.errors import Refused
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.measure.behavior.compare import Comparison
from compress_core.measure.behavior.evaluate import compare
from compress_core.measure.behavior.flips import FLIP_KINDS, Flips, flips_named, flips_ordered
from compress_core.measure.behavior.predictions import Predictions
from compress_core.recipe.reading import parse_recipe
from compress_core.tasks.explain_items import EXPLAIN, ExplainKnobs, ManyExplained
from tests.subjects import loaded_sample

STORE = Store()
BEFORE = [[4.0, 0, 0], [4, 0, 0], [0, 4, 0], [0, 4, 0], [0, 0, 4], [np.nan] * 3]
AFTER = [[0.0, 1, 0], [0, 0, 2], [0, 4, 0], [3, 0, 0], [0, 2.5, 0], [1, 0, 0]]


def changed(labels: list[int] | None = None) -> pd.DataFrame:
    known = None if labels is None else np.array(labels)
    sides = (Predictions(np.array(side, np.float32), known, "test", "i", "m") for side in (BEFORE, AFTER))
    return Comparison(*sides).changed_items()


def items_of(flips: Flips, labels: list[int] | None = None) -> list[int]:
    return sorted(flips.of(changed(labels))["item"])


@pytest.mark.parametrize(
    ("flips", "items"),
    [
        (Flips(), [0, 1, 3, 4, 5]),
        (Flips(before=0), [0, 1]),
        (Flips(after=1), [0, 4]),
        (Flips(before=0, after=2), [1]),
        (Flips(before=2, after=0), []),
        (Flips(before=-1), [5]),
    ],
    ids=str,
)
def test_flips_from_and_to_a_class_are_found_without_labels(flips: Flips, items: list[int]) -> None:
    assert items_of(flips) == items


def test_kinds_of_flips_share_out_all_flips() -> None:
    labels = [0, 1, 1, 0, 2, 0]
    parts = [items_of(Flips(kind=kind), labels) for kind in FLIP_KINDS if kind != "any"]
    assert parts == [[0, 4], [3, 5], [1]]
    assert sorted(item for part in parts for item in part) == items_of(Flips(), labels)


def test_flips_are_ordered_by_the_drop_or_by_how_sure_the_compressed_model_is() -> None:
    found = changed()
    assert flips_ordered(found, "drop")["item"].tolist() == found["item"].tolist()
    assert flips_ordered(found, "surest")["item"].tolist() == [3, 4, 1, 0, 5]
    assert flips_ordered(found, "least_sure")["item"].tolist() == [0, 5, 1, 4, 3]


def test_a_class_below_no_answer_is_refused() -> None:
    with pytest.raises(ValidationError):
        Flips(before=-2)


def test_a_word_for_flips_is_read_and_another_one_is_refused_with_those_there_are() -> None:
    assert flips_named("flips") == Flips()
    assert flips_named("wrong_to_right") == Flips(kind="wrong_to_right")
    with pytest.raises(Refused, match="no items called 'any'; there are flips, right_to_wrong"):
        flips_named("any")


@cache
def pruned() -> Model:
    rule = {"match": "fc1", "steps": [{"technique": "magnitude", "sparsity": 0.8}]}
    return compress(loaded_sample("tabular"), parse_recipe({"layers": [rule]}), STORE)


def explained(**knobs: object) -> ManyExplained:
    asked = ExplainKnobs.model_validate({"method": "saliency", "items": 4096, **knobs})
    return result_of(EXPLAIN.run(pruned(), asked, 0, STORE))


def test_exactly_the_flips_are_explained_on_the_split_that_is_asked_for() -> None:
    for name in ("validation", "test"):
        flips = compare(pruned(), pruned().subject.split(name), STORE).changed_items()
        found = explained(split=name, only=Flips())
        assert found.chosen.tolist() == sorted(flips["item"])
        assert (found.drawn_from, found.split) == (len(flips), name)
        assert found.explanation.items["flipped"].all()


def test_some_of_the_flips_are_drawn_where_fewer_are_asked_for() -> None:
    every = explained(only=Flips())
    some = explained(only=Flips(), items=2)
    assert len(some.chosen) == 2
    assert set(some.chosen) < set(every.chosen)
    assert some.drawn_from == len(every.chosen)


def test_what_was_asked_for_is_read_back_from_a_packed_result() -> None:
    found = explained(only=Flips(before=0))
    again = EXPLAIN.unpack(EXPLAIN.pack(found))
    assert (again.only, again.drawn_from) == (found.only, found.drawn_from)
    assert again.chosen.tolist() == found.chosen.tolist()


def test_no_flip_of_this_kind_is_said() -> None:
    with pytest.raises(Refused, match="No item of the validation split changed its predicted class"):
        explained(only=Flips(before=0, after=0))


def test_jobs_of_all_items_and_of_flips_are_told_apart() -> None:
    keys = [
        EXPLAIN.job(pruned(), ExplainKnobs(method="saliency", items=9, only=only), 0, found_in="tabular").key
        for only in (None, Flips(), Flips(before=1))
    ]
    assert len(set(keys)) == 3
