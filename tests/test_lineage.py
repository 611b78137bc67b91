"""A model is (parent, operation): its key, its history, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_core.apply.lineage import (
    Compress,
    compressed_by,
    lineage_as_json,
    lineage_text,
    read_lineage,
    recipe_of,
    with_recipe,
)
from compress_core.apply.model import Model
from compress_core.apply.run import compress, derived, model_of
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.recipe.values import ResolvedRecipe, Step
from tests.subjects import mlp_subject

SUBJECT, STORE = mlp_subject(), Store()
NOTHING = ResolvedRecipe(())


def pruned(sparsity: float, layer: str = "fc1") -> ResolvedRecipe:
    return ResolvedRecipe(((layer, (Step.of("magnitude", sparsity=sparsity),)),))


recipes = st.builds(pruned, st.sampled_from([0.1, 0.5, 0.9]), st.sampled_from(["fc1", "fc2", "fc3"]))


def test_the_root_of_every_model_is_the_subject_as_loaded() -> None:
    model = compress(SUBJECT, pruned(0.5), STORE)
    assert model.parent is not None
    assert model.parent.key == Model.original(SUBJECT).key
    assert (model.parent.parent, model.parent.operation) == (None, None)
    assert model.lineage == (Compress(pruned(0.5)),)


def test_a_recipe_that_does_nothing_leads_nowhere() -> None:
    assert compressed_by(NOTHING) == ()
    assert compress(SUBJECT, NOTHING, STORE).key == Model.original(SUBJECT).key
    assert recipe_of(()) == NOTHING


@given(recipes, recipes)
def test_models_have_one_key_exactly_when_parent_and_operation_are_equal(
    one: ResolvedRecipe, other: ResolvedRecipe
) -> None:
    keys = {compress(SUBJECT, recipe, STORE).key for recipe in (one, other)}
    assert len(keys) == len({one.sha, other.sha})


def test_the_same_operation_on_another_parent_is_another_model() -> None:
    here, elsewhere = (Model.original(s) for s in (SUBJECT, replace(SUBJECT, digest="another")))
    keys = {derived(parent, Compress(pruned(0.5)), STORE).key for parent in (here, elsewhere)}
    assert len(keys) == 2


@given(recipes)
def test_a_lineage_survives_its_text(recipe: ResolvedRecipe) -> None:
    lineage = compressed_by(recipe)
    assert read_lineage(json.loads(lineage_text(lineage))) == lineage
    assert model_of(SUBJECT, lineage, STORE).key == compress(SUBJECT, recipe, STORE).key


def test_another_recipe_leads_to_a_sibling() -> None:
    here = compressed_by(pruned(0.5))
    there = with_recipe(here, pruned(0.9))
    assert len(there) == len(here) == 1
    assert recipe_of(there) == pruned(0.9)
    assert with_recipe(here, NOTHING) == ()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ("compress", "damaged at"),
        ([["compress"]], "damaged at"),
        ([{"operation": "compress"}], "damaged at"),
        ([{"operation": "melt", "recipe": []}], "no operation 'melt'"),
        ([{"operation": "compress", "recipe": [["fc1"]]}], "damaged or cut off"),
        ([{"operation": "compress", "recipe": [], "train": []}], "damaged at"),
        ([{"operation": "compress", "recipe": {"layers": [], "train": []}}], "no section 'train'"),
        ([{"operation": "compress", "recipe": []}] * 65, "has 65 operations; at most 64 are read"),
        ({"operation": "compress"}, "damaged at"),
        (None, "damaged at"),
    ],
)
def test_a_history_that_cannot_be_read_is_refused(values: object, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        read_lineage(values)


def test_plain_values_name_the_operation_and_its_recipe() -> None:
    (said,) = lineage_as_json(compressed_by(pruned(0.5)))
    assert said == {"operation": "compress", "recipe": pruned(0.5).as_json()}
