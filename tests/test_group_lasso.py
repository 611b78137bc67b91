"""Whole units go to zero together, in every layer that holds a part of them; a cut then changes nothing."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from compress_core.apply.base import groups_of
from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.recipe.reading import parse_recipe
from compress_core.structure.group import Group
from compress_core.structure.shrink import shrink
from compress_core.training.methods.group_lasso import units_shrunk
from compress_core.training.unit_places import UnitPlaces, unit_places
from tests.test_training import after, own_subject
from tests.training_cases import STORE, compressed, table, trained

STRONG = {"method": "group_lasso", "strength": 1.5}


class Convolved(nn.Module):
    """Channels with a norm, a depthwise convolution, a sum and a linear reader."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.depthwise = nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.second, self.head = nn.Conv2d(6, 5, 3, padding=1), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.first(x)).relu()
        return self.head(self.second(self.depthwise(x).relu()).relu().mean((2, 3)))


def convolved() -> Model:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return compressed(subject=own_subject(Convolved(), (1, 6, 6)))


def test_the_norm_of_a_unit_over_all_its_weights_loses_the_step() -> None:
    weights = {"a": torch.tensor([[3.0, 0.0], [0.1, 0.0]]), "b": torch.tensor([[4.0, 0.1], [0.0, 0.0]])}
    places = UnitPlaces("a", (("a", torch.tensor([[0, 1], [2, 3]])), ("b", torch.tensor([[0, 2], [1, 3]]))))
    found = units_shrunk(weights, [places], 0.5, strength=1.0)
    norm, limit = 5.0, 0.5 * math.sqrt(4)
    assert torch.allclose(found["a"], torch.tensor([[3.0, 0.0], [0.0, 0.0]]) * (1 - limit / norm))
    assert torch.allclose(found["b"], torch.tensor([[4.0, 0.0], [0.0, 0.0]]) * (1 - limit / norm))


def test_groups_that_share_a_layer_follow_one_another_and_all_layers_come_back() -> None:
    weights = {name: torch.full((1, 1), 2.0) for name in "abc"}
    all_of = torch.tensor([[0]])
    groups = [UnitPlaces(one, ((one, all_of), (other, all_of))) for one, other in ("ab", "bc")]
    found = units_shrunk(weights, groups, 0.5, strength=1.0)
    first = 1 - 0.5 * math.sqrt(2) / math.sqrt(8)
    second = 1 - 0.5 * math.sqrt(2) / math.sqrt((2 * first) ** 2 + 4)
    assert [found[name].item() for name in "abc"] == pytest.approx(
        [2 * first, 2 * first * second, 2 * second]
    )


def test_the_places_of_units_are_the_rows_of_who_makes_and_the_columns_of_who_reads_them() -> None:
    model = convolved()
    places = {each.group: each for each in unit_places(model, model.base.by_name, Store())}
    assert [name for name, _ in places["first"].sides] == ["first", "depthwise", "second"]
    found = {group: dict(each.sides) for group, each in places.items()}
    first = found["first"]
    assert first["first"].tolist() == torch.arange(54).view(6, 9).tolist()
    assert first["depthwise"].tolist() == torch.arange(54).view(6, 9).tolist()
    assert first["second"][1].tolist() == torch.arange(270).view(5, 6, 9)[:, 1].flatten().tolist()
    assert found["second"]["head"][2].tolist() == [2, 7, 12]


def test_units_become_zero_as_a_whole_and_a_cut_of_them_changes_no_answer() -> None:
    model = convolved()
    found = trained(model, epochs=4, learning_rate=0.01, methods=[STRONG])
    zero = found.history[-1].zero_units
    assert found.epoch == 4
    assert set(zero) == {"first", "second"}
    assert 0 < sum(zero.values()) < 11
    assert found.history[-1].as_json()["zero_units"] == zero
    made, inputs = after(model, found), model.subject.split("validation").inputs
    network, values = made.network(), {n: p.values for n, (p,) in found.weights.layers.items()}
    places = {each.group: each for each in unit_places(model, model.base.by_name, STORE)}
    groups: dict[str, Group] = dict(groups_of(model.base, (), STORE))
    kept = {name: places[name].squared_norms(values) > 0 for name in zero}
    assert {name: int((~units).sum()) for name, units in kept.items()} == zero
    cuts = [cut for name, units in kept.items() for cut in groups[name].cuts(units)]
    with torch.inference_mode():
        assert torch.allclose(shrink(network, cuts)(inputs), network(inputs), atol=1e-6)


def test_without_strength_nothing_is_moved() -> None:
    plain = trained(convolved(), learning_rate=0.01)
    found = trained(convolved(), learning_rate=0.01, methods=[replaced_strength(0)])
    for name, (weight,) in plain.weights.layers.items():
        assert torch.equal(weight.values, found.weights.layers[name][0].values)


def replaced_strength(strength: float) -> dict[str, object]:
    return {**STRONG, "strength": strength}


def test_layers_without_a_whole_group_are_refused() -> None:
    with pytest.raises(Refused, match="no free group of coupled channels lies in the layers fc1"):
        trained(compressed(), methods=[{**STRONG, "match": "fc1"}])
    factored = compressed({"technique": "low_rank", "rank": 2})
    with pytest.raises(Refused, match="no free group"):
        trained(factored, methods=[STRONG])


def test_a_group_with_a_factored_layer_is_left_out_and_the_others_are_not() -> None:
    rule = {"match": "fc1", "steps": [{"technique": "low_rank", "rank": 2}]}
    model = compress(table(), parse_recipe({"layers": [rule]}), STORE)
    found = trained(model, methods=[STRONG])
    assert list(found.history[0].zero_units) == ["fc2"]


def test_groups_are_looked_for_only_where_a_method_asks() -> None:
    model = convolved()
    assert trained(model).history[0].zero_units == {}
    assert "zero_units" not in trained(model).history[0].as_json()
