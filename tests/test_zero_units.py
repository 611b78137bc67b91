"""What nobody hears is cut for real, and a recipe goes on top of a trained or compressed model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from compress_core.apply.lineage import Compress, Train, lineage_as_json, read_lineage
from compress_core.apply.model import Model
from compress_core.apply.run import compressed_further, key_of, model_of
from compress_core.apply.trained import keep_trained
from compress_core.deliver.packed_file import read_packed, write_packed
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.measure.behavior.evaluate import predicted_once
from compress_core.recipe.reading import parse_recipe
from compress_core.selection.select import ExplicitMask
from tests.test_group_lasso import STRONG, Convolved
from tests.test_training import own_subject
from tests.training_cases import run_of, table, trained

CUT: dict[str, Any] = {"prepare": ["cut_zero_units"]}


class Rows(nn.Module):
    """Three linear layers in a row."""

    def __init__(self, *, bias: bool = True) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 6), nn.Linear(6, 5, bias=bias)
        self.head = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.second(self.first(x).relu()).relu())


def of(network: nn.Module, shape: tuple[int, ...] = (4,), **zeros: Any) -> Model:
    """A network with these places of weights at zero: first=..., an index of the weight of a layer."""
    with torch.no_grad():
        for name, place in zeros.items():
            network.get_submodule(name).weight[place] = 0
    return Model.original(own_subject(network, shape))


def seeded(make: Any, *arguments: Any, **knobs: Any) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return make(*arguments, **knobs)


def further(model: Model, store: Store | None = None, **recipe: Any) -> Model:
    return compressed_further(model, parse_recipe(recipe), store or Store())


def shapes(model: Model) -> list[list[int]]:
    return [list(layer.kernel_shape) for layer in model.base.layers]


def assert_same_answers(one: Model, other: Model) -> None:
    """On its items and far from them, to the rounding of 32 bits."""
    items = one.subject.split("validation").inputs
    with torch.no_grad():
        for inputs in (items, 30 * items, torch.zeros_like(items[:1])):
            want = one.network()(inputs)
            assert torch.allclose(other.network()(inputs), want, atol=1e-5 * float(want.abs().max() + 1))


def test_a_unit_that_nobody_reads_goes_with_its_bias_whatever_it_says() -> None:
    model = of(seeded(Rows), second=(slice(None), [1, 4]))
    small = further(model, **CUT)
    assert shapes(small) == [[4, 4], [5, 4], [3, 5]]
    assert_same_answers(model, small)
    assert small.bits.total < model.bits.total
    assert torch.equal(small.network().first.bias, model.network().first.bias[[0, 2, 3, 5]])


def test_what_a_unit_without_weights_says_goes_into_the_biases_behind_it() -> None:
    network = seeded(Rows)
    with torch.no_grad():
        network.first.bias[:2] = torch.tensor([0.7, -0.7])  # behind relu: 0.7 and 0
    model = of(network, first=[0, 1])
    small = further(model, **CUT)
    assert shapes(small) == [[4, 4], [5, 4], [3, 5]]
    assert_same_answers(model, small)
    added = small.network().second.bias - network.second.bias
    assert torch.allclose(added, 0.7 * network.second.weight[:, 0], atol=1e-6)


def test_where_no_bias_can_take_it_over_a_unit_stays_unless_it_says_zero() -> None:
    network = seeded(Rows, bias=False)
    with torch.no_grad():
        network.first.bias[:2] = torch.tensor([0.7, -0.7])
    model = of(network, first=[0, 1])
    small = further(model, **CUT)
    assert shapes(small) == [[5, 4], [5, 5], [3, 5]]
    assert_same_answers(model, small)


def test_padding_hides_a_constant_so_that_a_channel_which_says_one_stays() -> None:
    network = seeded(Convolved)
    with torch.no_grad():
        network.depthwise.weight[:3] = 0
        network.depthwise.bias[:3] = torch.tensor([1.0, 0.0, -1.0])  # behind relu: 1, 0 and 0
    model = of(network, (1, 6, 6), first=[0, 1, 2])
    small = further(model, **CUT)
    assert shapes(small)[:3] == [[4, 1, 3, 3], [4, 1, 3, 3], [5, 4, 3, 3]]
    assert_same_answers(model, small)
    assert torch.equal(small.network().depthwise.bias, network.depthwise.bias[[0, 3, 4, 5]])


def test_what_a_cut_silences_goes_too_and_one_unit_of_each_group_stays() -> None:
    network = seeded(Rows)
    with torch.no_grad():
        network.second.weight[1:, 2] = 0  # the third unit is read by the first row alone
        network.head.weight[:, 0] = 0
    chained = of(network)
    small = further(chained, **CUT)
    assert shapes(small) == [[5, 4], [4, 5], [3, 4]]
    assert_same_answers(chained, small)
    dead = of(seeded(Rows), head=slice(None))
    assert shapes(further(dead, **CUT)) == [[6, 4], [1, 6], [3, 1]]
    assert_same_answers(dead, further(dead, **CUT))


def test_where_everybody_is_heard_there_is_nothing_to_cut() -> None:
    with pytest.raises(Refused, match="says something that is heard: there is nothing for cut_zero_units"):
        further(of(seeded(Rows)), **CUT)


def test_masks_and_codes_of_a_pruned_and_rounded_model_are_cut_with_it() -> None:
    rows = [{"technique": "magnitude", "pattern": "row", "sparsity": 0.5}]
    rounded = {"technique": "uniform", "bits": 3, "granularity": "per_channel"}
    thin = {"technique": "magnitude", "sparsity": 0.5}
    parent = further(
        of(seeded(Rows)),
        layers=[{"match": "first", "steps": [*rows, rounded]}, {"match": "second", "steps": [thin, rounded]}],
    )
    small = further(parent, **CUT)
    assert shapes(small)[0][0] < 6
    assert_same_answers(parent, small)
    (first,), (second,) = (small.compressed[name].encoded for name in ("first", "second"))
    assert first.mask is None
    assert isinstance(second.mask, ExplicitMask)
    assert second.bits_for_each_value == 3
    assert small.bits.total < parent.bits.total


def test_a_second_recipe_keeps_what_was_pruned_and_may_round_it() -> None:
    thin = {"technique": "magnitude", "sparsity": 0.5}
    parent = further(of(seeded(Rows)), layers=[{"match": "*", "steps": [thin]}])
    rounded = further(parent, layers=[{"match": "first", "steps": [{"technique": "uniform", "bits": 4}]}])
    (before,), (encoded,) = parent.compressed["first"].encoded, rounded.compressed["first"].encoded
    assert torch.equal(encoded.mask.tensor, before.mask.tensor)
    assert torch.equal(rounded.values("second"), parent.values("second"))
    assert rounded.compressed["second"].encoded[0].kept_count == 15
    less = further(parent, layers=[{"match": "first", "steps": [{**thin, "sparsity": 0.1}]}])
    assert less.compressed["first"].encoded[0].kept_count == before.kept_count


def test_replay_starts_at_what_the_parents_changed_already() -> None:
    store = Store()
    learned = learned_by(of(seeded(Rows)), store)
    child = further(learned, store, layers=[{"match": "head", "steps": [{"technique": "magnitude"}]}])
    assert list(child.compressed) == ["head"]
    split = child.subject.split("validation")
    with torch.no_grad():
        want = child.network()(split.inputs)
    predicted_once(Model.original(child.subject), split, store)
    assert torch.allclose(torch.tensor(predicted_once(child, split, store).logits), want, atol=1e-6)


def test_cuts_of_one_recipe_follow_those_of_another() -> None:
    halved = {"technique": "magnitude", "share_removed": 0.5}
    parent = further(seeded_convolved(), groups=[{"match": "first", "steps": [halved]}])
    child = further(parent, groups=[{"match": "first", "steps": [{**halved, "share_removed": 0.34}]}])
    assert shapes(child)[:2] == [[2, 1, 3, 3], [2, 1, 3, 3]]
    rebuilt = child.base.structure.built(child.subject.network)
    stored = {name: tuple(t.shape) for name, t in rebuilt.state_dict().items()}
    assert stored == {name: tuple(t.shape) for name, t in child.network().state_dict().items()}
    left = child.values("first").any(1).nonzero().flatten()
    assert len(left) == 2
    assert torch.equal(child.values("first")[left], Model.original(child.subject).values("first")[left])


def seeded_convolved() -> Model:
    return of(seeded(Convolved), (1, 6, 6))


FIXED = {"technique": "top_k", "share_kept": 0.5}


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ({"technique": "low_rank", "rank": 2}, CUT, "second was factored"),
        (
            {"technique": "uniform", "bits": 4, "granularity": "per_group:16"},
            {"groups": [{"match": "first", "steps": [{"technique": "magnitude"}]}]},
            "a scale for every 16 inputs, which a cut of its inputs would tear apart",
        ),
    ],
)
def test_what_cannot_go_on_is_refused_with_the_layer(first: Any, second: Any, reason: str) -> None:
    parent = further(of(seeded(Wide)), layers=[{"match": "second", "steps": [first]}])
    with pytest.raises(Refused, match=reason):
        further(parent, **second)


class Wide(Rows):
    """More inputs of the second layer than share a scale."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 40), nn.Linear(40, 5)


def test_a_rule_at_an_input_that_sees_all_of_it_outlives_no_cut() -> None:
    recipe: dict[str, Any] = {"layers": [{"match": "second", "inputs": [FIXED]}]}
    silent = further(of(seeded(Rows), second=(slice(None), [1, 4])), **recipe)
    with pytest.raises(Refused, match="What second is given is rounded or thinned out"):
        further(silent, **CUT)
    kept = further(silent, layers=[{"match": "head", "steps": [{"technique": "uniform"}]}])
    assert kept.inputs == silent.inputs


def learned_by(model: Model, store: Store, *methods: Any) -> Model:
    """A model after a training, its weights kept in the store."""
    plan = {"epochs": 4, "batch_size": 16, "learning_rate": 0.01, "methods": methods}
    operation, weights = run_of(model, **plan).operation, trained(model, **plan).weights
    lineage = (*model.lineage, operation)
    keep_trained(key_of(model.subject, lineage), weights, store)
    return model_of(model.subject, lineage, store)


@pytest.mark.parametrize("make", [seeded_convolved, lambda: Model.original(table())])
def test_what_group_lasso_left_dead_is_cut_packed_and_read_back(make: Any, tmp_path: Path) -> None:
    store = Store()
    learned = learned_by(make(), store, STRONG)
    small = further(learned, store, **CUT)
    assert_same_answers(learned, small)
    assert sum(layer.macs or 0 for layer in small.base.layers) < sum(x.macs or 0 for x in learned.base.layers)
    assert small.bits.total < learned.bits.total
    assert [type(each) for each in small.lineage] == [Train, Compress]
    again = model_of(small.subject, read_lineage(lineage_as_json(small.lineage)), store)
    assert again.key == small.key == key_of(small.subject, small.lineage)
    sizes = [write_packed(model, tmp_path / "model.slim") for model in (learned, small)]
    assert sizes[1] < sizes[0]
    read, items = (
        read_packed(tmp_path / "model.slim", small.subject),
        small.subject.split("validation").inputs,
    )
    with torch.no_grad():
        assert torch.equal(read(items), small.network()(items))


@pytest.mark.slow
def test_a_network_that_was_cut_trains_on_and_is_compressed_again() -> None:
    store = Store()
    small = further(learned_by(Model.original(table()), store, STRONG), store, **CUT)
    on = learned_by(small, store)
    assert shapes(on) == shapes(small)
    last = further(on, store, layers=[{"match": "*", "steps": [{"technique": "uniform", "bits": 4}]}])
    assert [type(each) for each in last.lineage] == [Train, Compress, Train, Compress]
    assert {part.bits_for_each_value for x in last.compressed.values() for part in x.encoded} == {4}
