"""What a group's knob would leave equals what cutting the group really leaves."""

from __future__ import annotations

import pytest

from compress_core.apply.base import groups_of
from compress_core.apply.run import compress
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.measure.cost.cost import costs
from compress_core.measure.tables.group_table import group_table
from compress_core.recipe.values import Recipe, ResolvedRecipe, Rule, Step
from compress_core.structure.group import GroupKind
from tests.subjects import loaded_sample

STORE = Store()
RESNET = loaded_sample("resnet")
OTHER = Rule("layer3", (Step.of("drop_block"),))


@pytest.mark.parametrize("scope", ["group", "network"])
@pytest.mark.parametrize("names", [["layer1.conv1"], ["conv1", "layer1.conv1", "layer2.conv1"]])
def test_a_row_of_the_group_table_is_what_cutting_leaves(names: list[str], scope: str) -> None:
    recipe = ResolvedRecipe((), (("layer3", OTHER.steps),))
    groups = groups_of(RESNET, (), STORE)
    units = [(name, groups[name].units) for name in names]
    step = Step.of_group("magnitude", scope=scope)
    table = group_table(RESNET, recipe, units, step, STORE)
    assert table.macs is not None
    for row in (0, 3, len(table.share) // 2, len(table.share) - 1):
        place = Step.of_group("magnitude", scope=scope, share_removed=float(table.share[row]))
        rules = tuple(Rule(name, (place,)) for name in names) if row else ()
        model = compress(RESNET, Recipe(groups=(*rules, OTHER)), STORE)
        assert table.weights[row] == sum(layer.weights for layer in model.base.layers)
        assert table.macs[row] == costs(model, Store())["macs"].value
        rows = sum(model.base.layer(name).rows for name in names)
        assert table.units[row] == rows


def test_a_group_of_few_units_has_one_row_for_each() -> None:
    groups = groups_of(RESNET, (), STORE)
    free = [g for g in groups.values() if g.locked is None and g.kind is not GroupKind.BLOCK]
    for group in free:
        step = Step.of_group("geometric_median")
        table = group_table(RESNET, ResolvedRecipe(()), [(group.name, group.units)], step, STORE)
        assert table.units.tolist() == list(range(group.units, 0, -1))


def test_a_criterion_that_cannot_serve_a_group_is_refused() -> None:
    lenet = loaded_sample("lenet5")
    with pytest.raises(Refused, match="no batch norm"):
        group_table(lenet, ResolvedRecipe(()), [("conv1", 20)], Step.of_group("batch_norm_scale"), STORE)
