"""What the popover of a shared budget says, counted from the models that it speaks of."""

from __future__ import annotations

import pytest

from compress_core.apply.run import compress
from compress_core.apply.shared_budget import on_their_own
from compress_core.foundation.store import Store
from compress_core.measure.tables.budget_rows import budget_rows
from compress_core.recipe.edit import in_order, with_step
from compress_core.recipe.values import ResolvedRecipe, Step
from compress_core.techniques.contract.technique import Stage
from tests.test_knob_tables import NAMES, SUBJECT

STORE = Store()
TOGETHER = ("conv", "up", "fc")
BUDGETS = [
    Step.of("magnitude", sparsity=0.873461, scope="network"),
    Step.of("random_pruning", sparsity=0.3, scope="erk"),
    Step.of("magnitude", sparsity=0.6, scope="network", pattern="row"),
]


def made(recipe: ResolvedRecipe) -> dict[str, int]:
    """How many weights each layer keeps."""
    model = compress(SUBJECT, in_order(recipe, NAMES), STORE)
    return {name: sum(e.kept_count for e in one.encoded) for name, one in model.compressed.items()}


@pytest.mark.parametrize("step", BUDGETS, ids=lambda step: str(step.as_json()))
@pytest.mark.parametrize("leaving", TOGETHER)
def test_each_column_of_a_shared_budget_is_what_that_model_has(step: Step, leaving: str) -> None:
    recipe = in_order(with_step(ResolvedRecipe(()), TOGETHER, Stage.PRUNE, step), NAMES)
    model = compress(SUBJECT, recipe, STORE)
    rows = {row.layer: row for row in budget_rows(model, leaving, STORE)}
    assert rows.keys() == set(TOGETHER)
    now, alone = made(recipe), made(on_their_own(model, [leaving]))
    without = made(with_step(recipe, [leaving], Stage.PRUNE, None))
    for name, row in rows.items():
        size = SUBJECT.layer(name).weights
        assert row.now == pytest.approx(1 - now[name] / size)
        assert row.alone == pytest.approx(1 - alone[name] / size)
        assert row.without == pytest.approx(1 - without.get(name, size) / size)
    assert rows[leaving].without == 0


def test_the_others_lose_another_share_once_a_layer_of_their_budget_is_kept_whole() -> None:
    recipe = in_order(with_step(ResolvedRecipe(()), TOGETHER, Stage.PRUNE, BUDGETS[0]), NAMES)
    rows = budget_rows(compress(SUBJECT, recipe, STORE), "conv", STORE)
    assert [row.layer for row in rows if row.without != row.now] == list(TOGETHER)
    assert [row.layer for row in rows if row.alone != row.now] == []


def test_a_layer_that_is_not_pruned_has_no_rows() -> None:
    assert budget_rows(compress(SUBJECT, ResolvedRecipe(()), STORE), "fc", STORE) == ()
