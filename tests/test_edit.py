"""What a hand does to a recipe, one step at a time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_core.recipe.edit import in_order, step_for_layer, with_step, without_layers
from compress_core.recipe.resolving import resolve
from compress_core.recipe.values import Recipe, ResolvedRecipe, Rule, Step
from compress_core.techniques.contract.technique import Stage

NAMES = ["a", "b", "c", "c[0]*"]
PRUNE = Step.of("magnitude", sparsity=0.3)
OTHER = Step.of("random_pruning", seed=4)
BITS = Step.of("uniform", bits=4)
RANK = Step.of("low_rank", rank=2)
START = resolve(Recipe((Rule("a", (PRUNE, BITS)), Rule("b", (RANK, PRUNE)))), NAMES)


def test_a_step_is_set_and_read_back() -> None:
    changed = with_step(START, ["a", "c"], Stage.PRUNE, OTHER)
    assert step_for_layer(changed, "a", Stage.PRUNE) == step_for_layer(changed, "c", Stage.PRUNE) == OTHER
    assert step_for_layer(changed, "a", Stage.QUANTIZE) == BITS
    assert step_for_layer(START, "a", Stage.PRUNE) == PRUNE


def test_steps_stand_in_the_order_of_the_stages_whatever_was_set_first() -> None:
    first = with_step(with_step(ResolvedRecipe(()), ["a"], Stage.QUANTIZE, BITS), ["a"], Stage.PRUNE, PRUNE)
    other = with_step(with_step(ResolvedRecipe(()), ["a"], Stage.PRUNE, PRUNE), ["a"], Stage.QUANTIZE, BITS)
    assert first == other
    assert first.by_layer["a"] == (PRUNE, BITS)


def test_none_takes_a_step_out_and_an_empty_layer_leaves_the_recipe() -> None:
    changed = with_step(with_step(START, ["a"], Stage.PRUNE, None), ["a"], Stage.QUANTIZE, None)
    assert "a" not in changed.by_layer
    assert with_step(START, ["c"], Stage.PRUNE, None) == START


def test_factoring_hands_the_later_steps_to_both_small_layers() -> None:
    changed = in_order(with_step(START, ["a"], Stage.FACTOR, RANK), NAMES)
    assert changed.by_layer["a"] == (RANK,)
    assert changed.by_layer["a.0"] == changed.by_layer["a.1"] == (PRUNE, BITS)
    assert step_for_layer(changed, "a", Stage.PRUNE) == PRUNE
    assert in_order(with_step(changed, ["a"], Stage.FACTOR, None), NAMES) == START


def test_another_rank_keeps_the_steps_of_the_small_layers() -> None:
    changed = with_step(START, ["b"], Stage.FACTOR, Step.of("low_rank", rank=3))
    assert step_for_layer(changed, "b", Stage.FACTOR).knobs.rank == 3
    assert changed.by_layer["b.0"] == (PRUNE,)


def test_another_factorizer_leaves_as_many_small_layers_as_it_makes() -> None:
    in_three = with_step(START, ["b"], Stage.FACTOR, Step.of("tucker"))
    assert [name for name, _ in in_order(in_three, NAMES).layers] == ["a", "b", "b.0", "b.1", "b.2"]
    assert in_three.by_layer["b.2"] == (PRUNE,)
    assert with_step(in_three, ["b"], Stage.PRUNE, OTHER).by_layer["b.2"] == (OTHER,)
    assert in_order(with_step(in_three, ["b"], Stage.FACTOR, RANK), NAMES) == START
    assert without_layers(in_three, ["b"]) == without_layers(START, ["b"])


def test_a_step_of_a_factored_layer_is_set_for_both_small_layers() -> None:
    changed = with_step(START, ["b"], Stage.QUANTIZE, BITS)
    assert changed.by_layer["b.0"] == changed.by_layer["b.1"] == (PRUNE, BITS)
    assert changed.by_layer["b"] == (RANK,)


def test_a_layer_is_taken_out_with_its_small_layers() -> None:
    assert [name for name, _ in without_layers(START, ["b"]).layers] == ["a"]
    assert without_layers(START, NAMES) == ResolvedRecipe(())
    assert without_layers(START, []) == START


def test_taking_out_a_layer_spares_those_whose_names_begin_alike() -> None:
    recipe = resolve(Recipe((Rule("*", (PRUNE,)),)), ["a", "a.2", "ab"])
    assert [name for name, _ in without_layers(recipe, ["a"]).layers] == ["a.2", "ab"]


def test_the_order_in_which_layers_were_edited_does_not_name_another_recipe() -> None:
    one = with_step(with_step(ResolvedRecipe(()), ["c"], Stage.PRUNE, PRUNE), ["a"], Stage.PRUNE, PRUNE)
    other = with_step(ResolvedRecipe(()), ["a", "c"], Stage.PRUNE, PRUNE)
    assert one.sha != other.sha
    assert in_order(one, NAMES).sha == in_order(other, NAMES).sha


EDIT = st.tuples(
    st.sampled_from(NAMES),
    st.sampled_from(
        [(Stage.PRUNE, PRUNE), (Stage.PRUNE, OTHER), (Stage.QUANTIZE, BITS), (Stage.FACTOR, RANK)]
    ),
    st.booleans(),
)


@given(st.lists(EDIT, max_size=12))
def test_any_edits_leave_a_recipe_that_resolves_to_itself_and_holds_the_last_step(
    edits: list[tuple[str, tuple[Stage, Step], bool]],
) -> None:
    recipe = ResolvedRecipe(())
    for name, (stage, step), takes_out in edits:
        wanted = None if takes_out else step
        recipe = in_order(with_step(recipe, [name], stage, wanted), NAMES)
        assert step_for_layer(recipe, name, stage) == wanted
        assert resolve(recipe.as_recipe(), NAMES) == recipe
        assert resolve(recipe.as_recipe(), NAMES).sha == recipe.sha


@pytest.mark.parametrize("name", NAMES)
def test_pattern_characters_in_a_layers_name_mean_themselves(name: str) -> None:
    recipe = with_step(ResolvedRecipe(()), [name], Stage.PRUNE, PRUNE)
    assert [n for n, _ in in_order(recipe, NAMES).layers] == [name]
