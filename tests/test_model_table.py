"""The table of all models: who is in it, whose numbers, and how what was done reads in one line."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compress_core.apply.lineage import Compress, Lineage, Train, canonical_plan, lineage_text
from compress_core.apply.model import Model
from compress_core.apply.run import compress, key_of, model_of
from compress_core.apply.trained import TrainedWeights, keep_trained
from compress_core.decide.model_table import SAID, model_table
from compress_core.decide.operation_words import (
    kind_of_operation,
    name_in_file_name,
    name_of,
    recipe_sha,
    seed_of,
    what_was_done,
)
from compress_core.deliver.packed_file import pack_bytes
from compress_core.deliver.packed_size import packed_size
from compress_core.foundation.store import Store
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.measure.behavior.evaluate import evaluate
from compress_core.recipe.values import Recipe, ResolvedRecipe, Step
from compress_core.subject.subject import Subject
from dashboard.lineage_name import lineage_in_file_name, lineage_name
from dashboard.text import languages, use_language
from tests.subjects import mlp_subject, rules

ME, OTHER = "me", "other"
HALF = rules(any=Step.of("magnitude", sparsity=0.6))
MOST = rules(any=Step.of("magnitude", sparsity=0.9))


@pytest.fixture(scope="module")
def subject() -> Subject:
    return mlp_subject()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(workspace=Workspace.at(tmp_path / "work"))


def place(store: Store) -> Workspace:
    assert store.workspace is not None
    return store.workspace


def evaluated(subject: Subject, recipe: Recipe, store: Store) -> Model:
    model = compress(subject, recipe, store)
    evaluate(model, subject.split("validation"), store)
    return model


def row(subject: Subject, store: Store, key: str, visitor: str | None = None) -> Mapping[str, Any]:
    table = model_table(subject, place(store), visitor)
    (found,) = table[table["key"] == key].to_dict("records")
    return found


def test_whoever_evaluates_a_model_finds_it_there_with_its_numbers_and_its_parent(
    subject: Subject, store: Store
) -> None:
    model = evaluated(subject, HALF, store)
    numbers = evaluate(model, subject.split("validation"), store)
    found = row(subject, store, model.key)
    assert (found["operation"], found["split"], found["n"]) == ("compress", "validation", 12)
    assert found["parent"] == Model.original(subject).key
    assert found["recipe"] == model.recipe.sha[:12]
    assert found["what"] == "magnitude sparsity=0.6 ×3"
    for name, number in numbers.items():
        for column, value in (
            (name, number.value),
            (f"{name}.low", number.low),
            (f"{name}.high", number.high),
        ):
            assert found[column] == value or (value is None and math.isnan(found[column])), column
    assert math.isnan(found["packed_bytes"])
    assert row(subject, store, Model.original(subject).key)["operation"] == "original"


def test_packed_bytes_stand_there_once_somebody_worked_them_out(subject: Subject, store: Store) -> None:
    model = evaluated(subject, HALF, store)
    packed_size(model, store)
    assert row(subject, store, model.key)["packed_bytes"] == len(pack_bytes(model))
    named = replace(subject, name="another")
    assert math.isnan(row(named, store, model.key)["packed_bytes"]), (
        "a file with another name has other bytes"
    )


def test_a_table_without_models_has_all_columns(subject: Subject, store: Store) -> None:
    table = model_table(subject, place(store), ME)
    assert len(table) == 0
    assert {*SAID, "accuracy", "accuracy.low", "accuracy_change.high", "packed_bytes"} <= set(table.columns)


def test_a_trained_model_has_its_seed_and_its_weights_are_kept_by_it(subject: Subject, store: Store) -> None:
    parent = compress(subject, HALF, store)
    plan = '{"epochs":3,"methods":[{"method":"distill","temperature":2.0}],"seed":7}'
    operation = Train(plan, "items", 3)
    key = key_of(subject, (*parent.lineage, operation))
    weights = TrainedWeights({n: c.encoded for n, c in parent.compressed.items()}, {})
    keep_trained(key, weights, store)
    model = model_of(subject, (*parent.lineage, operation), store)
    evaluate(model, subject.split("validation"), store)
    found = row(subject, store, key)
    assert (found["operation"], found["seed"], found["parent"]) == ("train", 7, parent.key)
    assert found["what"] == "magnitude sparsity=0.6 ×3 → distill temperature=2.0 epochs=3"
    assert found["recipe"] == parent.recipe.sha[:12]
    assert place(store).models.files_of(key)


def test_numbers_are_of_these_items_alone(subject: Subject, store: Store) -> None:
    model = evaluated(subject, HALF, store)
    split = subject.split("validation")
    fewer = replace(split, inputs=split.inputs[:5], labels=None if split.labels is None else split.labels[:5])
    evaluate(model, fewer, store)
    other = replace(subject, splits={"validation": fewer})
    assert row(subject, store, model.key)["n"] == 12
    assert row(other, store, model.key)["n"] == 5
    without = row(replace(subject, splits={}), store, model.key)
    assert (without["n"], without["split"]) == (0, "")
    assert math.isnan(without["accuracy"])


def test_numbers_of_another_release_are_told_apart_and_give_way(
    subject: Subject, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr("compress_core.foundation.workspace.evaluations.release", lambda: "an older one")
        model = evaluated(subject, HALF, store)
        place(store).evaluations.keep(model.key, "validation", subject.split("validation").digest, 12, {})
        assert row(subject, store, model.key)["is_current"]
    assert not row(subject, store, model.key)["is_current"]
    evaluate(model, subject.split("validation"), Store(workspace=place(store)))
    assert row(subject, store, model.key)["is_current"]
    assert row(subject, store, model.key)["accuracy"] >= 0


def keys_seen(subject: Subject, store: Store, visitor: str | None) -> set[str]:
    return set(model_table(subject, place(store), visitor)["key"])


def made(subject: Subject, store: Store, recipe: Recipe, maker: str | None) -> Model:
    store.maker = maker
    return evaluated(subject, recipe, store)


def test_a_visitor_sees_what_is_theirs_and_what_is_nobodys_and_the_way_there(
    subject: Subject, store: Store
) -> None:
    mine, theirs = made(subject, store, HALF, ME), made(subject, store, MOST, OTHER)
    shared = made(subject, store, rules(fc1=Step.of("uniform", bits=4)), "")
    root = Model.original(subject).key
    assert keys_seen(subject, store, ME) == {root, mine.key, shared.key}
    assert keys_seen(subject, store, OTHER) == {root, theirs.key, shared.key}
    assert keys_seen(subject, store, None) == {root, mine.key, theirs.key, shared.key}
    assert row(subject, store, mine.key, ME)["is_own"]
    assert not row(subject, store, shared.key, ME)["is_own"]


def test_the_way_to_an_own_model_is_seen_whoever_made_it(subject: Subject, store: Store) -> None:
    theirs = made(subject, store, HALF, OTHER)
    place(store).models.add(
        "child", theirs.key, {"operation": "compress", "recipe": []}, subject.digest, "", {}, ME
    )
    assert keys_seen(subject, store, ME) == {Model.original(subject).key, theirs.key, "child"}


def test_equal_weights_that_other_code_runs_have_a_table_of_their_own(subject: Subject, store: Store) -> None:
    model = evaluated(subject, HALF, store)
    other = replace(subject, code="of somebody's own")
    assert model.key not in keys_seen(other, store, None)


def test_names_tags_and_the_newest_note_are_the_visitors_own(subject: Subject, store: Store) -> None:
    model = evaluated(subject, HALF, store)
    known = place(store)
    for tag in ("small", "best"):
        known.remarks.tag(ME, model.key, tag)
    for text in ("first", "second"):
        known.remarks.note(ME, model.key, text)
    known.trials.name(ME, "log", known.trials.log(ME, "log", model.key, [], {}), "my favorite")
    found = row(subject, store, model.key, ME)
    assert (found["name"], found["tags"], found["note"]) == ("my favorite", ("best", "small"), "second")
    other = row(subject, store, model.key, OTHER)
    assert (other["name"], other["tags"], other["note"]) == (model.recipe.sha[:8], (), "")


PRUNED = {"operation": "compress", "recipe": [["fc1", [{"technique": "magnitude", "sparsity": 0.9}]]]}
MIXED = {
    "operation": "compress",
    "recipe": {
        "prepare": [{"technique": "fold_norms"}],
        "groups": [["conv1", [{"technique": "magnitude", "sparsity": 0.25}]]],
        "layers": [
            ["fc1", [{"technique": "random_pruning", "seed": 3}, {"technique": "uniform", "bits": 4}]],
            ["fc2", [{"technique": "random_pruning", "seed": 3}, {"technique": "uniform", "bits": 8}]],
        ],
        "correct": [],
    },
}
FOLDED = {"operation": "compress", "recipe": {"prepare": [{"technique": "fold_norms"}], "layers": []}}


@pytest.mark.parametrize(
    ("operations", "words"),
    [
        ([], ""),
        ([PRUNED], "magnitude sparsity=0.9 fc1"),
        ([FOLDED], "fold_norms"),
        (
            [MIXED],
            "fold_norms + magnitude sparsity=0.25 conv1 + random_pruning seed=3 ×2 + uniform bits=4..8 ×2",
        ),
        ([PRUNED, FOLDED], "magnitude sparsity=0.9 fc1 → fold_norms"),
    ],
)
def test_what_was_done_reads_in_one_line(operations: list[Any], words: str) -> None:
    assert what_was_done(operations) == words


def test_seeds_and_kinds_are_read_off_what_was_done() -> None:
    assert [seed_of(PRUNED), seed_of(MIXED), seed_of(None)] == [None, 3, None]
    assert [kind_of_operation(each) for each in (None, PRUNED, MIXED, FOLDED)] == [
        "original",
        "compress",
        "compress",
        "prepare",
    ]
    assert name_of([]) == "original"


def test_a_model_has_one_name_however_its_history_is_given_and_in_every_language() -> None:
    plan = canonical_plan({"methods": [{"method": "distill"}, {"method": "gradual"}], "epochs": 2})
    ways: list[Lineage] = [
        (Compress(ResolvedRecipe((("fc1", (Step.of("magnitude", sparsity=0.6),)),))),),
        (Train(plan, "ab", 2),),
    ]
    ways.append((*ways[0], *ways[1]))
    names = [name_of(way) for way in ways]
    assert re.fullmatch(r"[0-9a-f]{8} \+ distill, gradual [0-9a-f]{4}", names[2])
    assert names[2] == " + ".join(names[:2])
    for language in languages():
        with use_language(language):
            for way, name in zip(ways, names, strict=True):
                assert name_of(json.loads(lineage_text(way))) == lineage_name(way) == name
    assert lineage_in_file_name(ways[2]) == "-" + names[2].replace(" + ", "-").replace(", ", "-").replace(
        " ", "-"
    )


def test_a_name_in_that_of_a_file_has_an_end_and_still_tells_models_apart() -> None:
    plan = canonical_plan({"methods": [{"method": "distill"}], "epochs": 2})
    long = [tuple(Train(plan, items, epochs) for epochs in range(1, 65)) for items in ("ab", "cd")]
    found = {name_in_file_name(way) for way in [*long, long[0][:-1]]}
    assert len(found) == 3
    assert {len(name) for name in found} == {80}


def test_the_digest_of_a_recipe_is_the_one_of_its_files(subject: Subject) -> None:
    model = compress(subject, HALF, Store())
    assert model.operation is not None
    assert recipe_sha(model.operation.as_json()) == model.recipe.sha
