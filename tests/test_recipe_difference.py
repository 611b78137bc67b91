"""What leads from one recipe to another says neither too much nor too little."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_core.recipe.difference import Change, changes, knobs_that_differ
from compress_core.recipe.values import Calibration, ResolvedRecipe, Step

PRUNED, ROUNDED, RANK = (
    Step.of("magnitude", sparsity=0.5),
    Step.of("uniform", bits=4),
    Step.of("low_rank", rank=3),
)
THINNED, RANGED = Step.of("top_k"), Step.of("static_range")
DRAWN = Step.of("random_pruning", sparsity=0.5)
steps = st.tuples(st.sampled_from([None, PRUNED, DRAWN]), st.sampled_from([None, ROUNDED])).map(
    lambda chosen: tuple(step for step in chosen if step is not None)
)
inputs = st.permutations([THINNED, RANGED]).map(tuple)
layers = st.dictionaries(st.sampled_from(["conv1", "fc1", "fc1.0"]), st.tuples(steps, inputs | st.just(())))
whole = st.lists(st.sampled_from([Step.of("bias_correction"), Step.of("reestimate_batch_norm")]), max_size=2)


@st.composite
def recipes(draw: st.DrawFn) -> ResolvedRecipe:
    named = tuple((name, (*one, *two)) for name, (one, two) in sorted(draw(layers).items()))
    items = draw(st.none() | st.integers(1, 9))
    return ResolvedRecipe(named, correct=tuple(draw(whole)), calibration=Calibration(items=items))


@given(recipes(), recipes())
def test_recipes_are_equal_exactly_where_nothing_leads_from_one_to_the_other(
    one: ResolvedRecipe, other: ResolvedRecipe
) -> None:
    same = [replace(r, layers=tuple(named for named in r.layers if named[1])) for r in (one, other)]
    assert (not changes(one, other)) == (same[0] == same[1])


@given(recipes(), recipes())
def test_the_way_back_is_the_way_there_turned_round(one: ResolvedRecipe, other: ResolvedRecipe) -> None:
    back = {(c.section, c.layer, str(c.after), str(c.before)) for c in changes(other, one)}
    assert back == {(c.section, c.layer, str(c.before), str(c.after)) for c in changes(one, other)}


def test_steps_of_a_layer_answer_to_those_of_their_stage() -> None:
    before = ResolvedRecipe((("conv1", (PRUNED,)), ("fc1", (PRUNED, ROUNDED))))
    after = ResolvedRecipe((("fc1", (DRAWN, ROUNDED)), ("fc2", (RANK,))))
    assert changes(before, after) == (
        Change("layers", "fc1", PRUNED, DRAWN),
        Change("layers", "fc2", None, RANK),
        Change("layers", "conv1", PRUNED, None),
    )


def test_inputs_in_another_order_are_all_told_anew() -> None:
    before, after = (ResolvedRecipe((("fc1", way),)) for way in ((THINNED, RANGED), (RANGED, THINNED)))
    told = [(c.before, c.after) for c in changes(before, after)]
    assert told == [(THINNED, None), (RANGED, None), (None, RANGED), (None, THINNED)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (PRUNED, Step.of("magnitude", sparsity=0.9), {"sparsity": (0.5, 0.9)}),
        (PRUNED, Step.of("magnitude", sparsity=0.5, scope="network"), {"scope": ("layer", "network")}),
        (ROUNDED, Step.of("uniform"), {"bits": (4, 8)}),
        (RANK, RANK, {}),
    ],
)
def test_a_knob_that_went_back_to_its_default_is_told_with_both_values(
    before: Step, after: Step, expected: object
) -> None:
    assert knobs_that_differ(before, after) == expected
