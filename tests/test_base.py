"""Groups in a recipe: what is cut, what later stages see, and that the small network is evaluated."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from compress_core.apply.base import cutting_of, groups_of
from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.measure.behavior.evaluate import predict
from compress_core.measure.cost.cost import costs, layer_costs
from compress_core.network.shared_copy import digest_of, shared_copy
from compress_core.recipe.reading import read_recipe
from compress_core.structure.shrink import preview
from compress_core.subject.subject import Subject
from tests.subjects import Mlp, loaded_sample, seeded, tiny_subject, with_calibration

STORE = Store()
HALF = 'groups: [{match: "*", steps: [{technique: magnitude, share_removed: 0.5}]}]'
THEN = """
groups: [{match: "*", steps: [{technique: magnitude, share_removed: 0.25}]}]
layers:
  - {match: "*", steps: [{technique: magnitude, sparsity: 0.5}, {technique: uniform, bits: 6}]}
"""


@pytest.fixture(scope="module", params=["lenet300", "lenet5", "resnet", "vit"])
def subject(request: pytest.FixtureRequest) -> Subject:
    return with_fewer_items(loaded_sample(request.param))


@pytest.fixture(scope="module")
def resnet() -> Subject:
    return with_fewer_items(loaded_sample("resnet"))


def with_fewer_items(subject: Subject) -> Subject:
    """Three batches of the validation items: enough to see a wrong bit."""
    items = subject.split("validation")
    few = replace(items, inputs=items.inputs[:700], labels=items.labels[:700])
    return replace(subject, splits={**subject.splits, "validation": few})


def made(subject: Subject, text: str) -> Model:
    return compress(subject, read_recipe(text), STORE)


@pytest.mark.slow
def test_the_small_network_computes_what_the_masked_one_does(subject):
    model = made(subject, HALF)
    found = cutting_of(subject, model.recipe, STORE)
    items = subject.split("validation").inputs[:8].double()
    small = copy.deepcopy(model.network()).double()
    masked = preview(copy.deepcopy(subject.network).double(), found.cuts, found.dropped)
    with torch.inference_mode():
        assert (small(items) - masked(items)).abs().max() < 1e-9


@pytest.mark.slow
def test_cutting_changes_nothing_that_was_loaded(subject):
    before = digest_of(subject.network)
    original = predict(Model.original(subject), subject.split("validation"), STORE).logits
    predict(made(subject, HALF), subject.split("validation"), STORE)
    assert digest_of(subject.network) == before
    again = predict(Model.original(subject), subject.split("validation"), Store()).logits
    assert (again == original).all()


@pytest.mark.slow
def test_replay_of_a_cut_network_is_bit_equal_to_a_full_forward(subject):
    model, split = made(subject, THEN), subject.split("validation")
    network = model.network()
    with torch.inference_mode():
        full = torch.cat([network(batch) for batch in split.batches()])
    assert torch.equal(torch.from_numpy(predict(model, split, STORE).logits), full)


@pytest.mark.slow
def test_later_steps_see_the_smaller_weights(subject):
    model = made(subject, THEN)
    for name, compressed in model.compressed.items():
        weight = compressed.encoded[0].weight
        assert weight.numel() == model.base.layer(name).weights <= subject.layer(name).weights
        assert compressed.encoded[0].zeros.pruned == round(0.5 * weight.numel())


def test_weights_are_shown_in_the_shape_they_were_loaded_in(subject):
    model = made(subject, THEN)
    for layer in subject.layers:
        values = model.values(layer.name)
        assert values.shape == (layer.rows, layer.columns)
        small = model.compressed[layer.name].values
        assert int((values != 0).sum()) == int((small != 0).sum())
        assert values[values != 0].sum() == small[small != 0].sum()


def test_half_the_channels_of_resnet_leave_fewer_than_thirty_percent_of_the_work(resnet):
    model = made(resnet, HALF)
    before = costs(Model.original(resnet), Store())["macs"].value
    assert costs(model, Store())["macs"].value < 0.3 * before
    assert all(row.bytes <= row.bytes_before for row in layer_costs(model, Store()))


def test_a_dropped_block_leaves_its_shortcut_and_costs_nothing(resnet):
    model = made(resnet, "groups: [{match: layer2, steps: [drop_block]}]")
    rows = {row.layer.name: row for row in layer_costs(model, Store())}
    assert rows["layer2.conv1"].weights == rows["layer2.conv2"].macs == 0
    assert not model.values("layer2.conv1").any()
    items = resnet.split("validation").inputs[:4]
    network = shared_copy(resnet.network)
    network.layer2 = torch.nn.Identity()
    with torch.inference_mode():
        assert torch.equal(model.network()(items), network(items))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("technique", "share"),
    [
        ("batch_norm_scale", 0.25),
        ("geometric_median", 0.25),
        ("random_pruning", 0.5),
        ("taylor", 0.25),
        ("mean_activation", 0.5),
        ("zero_activations", 0.5),
    ],
)
def test_every_criterion_removes_the_exact_share_of_each_group(resnet, technique, share):
    text = f'groups: [{{match: "*", steps: [{{technique: {technique}, share_removed: {share}}}]}}]'
    found = cutting_of(resnet, made(resnet, text).recipe, STORE)
    for name, kept in found.kept.items():
        assert int((~kept).sum()) == round(share * groups_of(resnet, (), STORE)[name].units)


def test_a_share_of_the_whole_network_is_counted_over_all_groups_and_leaves_one_unit(resnet):
    text = 'groups: [{match: "*", steps: [{technique: magnitude, share_removed: 0.9, scope: network}]}]'
    found = cutting_of(resnet, made(resnet, text).recipe, STORE)
    assert all(kept.any() for kept in found.kept.values())
    total = sum(len(kept) for kept in found.kept.values())
    removed = sum(int((~kept).sum()) for kept in found.kept.values())
    assert round(0.9 * total) - len(found.kept) <= removed <= round(0.9 * total)


def test_kept_channels_are_rounded_up_to_a_multiple(resnet):
    text = 'groups: [{match: "*", steps: [{technique: magnitude, share_removed: 0.4, multiple_of: 8}]}]'
    found = cutting_of(resnet, made(resnet, text).recipe, STORE)
    assert {int(kept.sum()) for kept in found.kept.values()} == {24}


@pytest.mark.parametrize(
    ("text", "sentence"),
    {
        "groups: [{match: fc, steps: [magnitude]}]": "fc is locked: output layer",
        "groups: [{match: layer1, steps: [magnitude]}]": "magnitude does not suit layer1, which",
        "groups: [{match: conv1, steps: [drop_block]}]": "drop_block does not suit conv1",
        "groups: [{match: conv9, steps: [magnitude]}]": "No group of coupled channels matches 'conv9'",
    }.items(),
)
def test_a_group_that_cannot_be_cut_is_refused_with_the_reason(resnet, text, sentence):
    with pytest.raises(Refused, match=sentence):
        made(resnet, text)


def test_a_neuron_that_never_fires_goes_first_and_is_not_missed():
    network = seeded(Mlp())
    with torch.no_grad():
        network.fc1.bias[3] = -1e3
    subject = with_calibration(tiny_subject(network, (6,)))
    for technique in ("mean_activation", "zero_activations"):
        text = f"groups: [{{match: fc1, steps: [{{technique: {technique}, share_removed: 0.125}}]}}]"
        model = compress(subject, read_recipe(text), Store())
        assert not cutting_of(subject, model.recipe, Store()).kept["fc1"][3]
        items = subject.split("validation").inputs
        with torch.inference_mode():
            assert torch.allclose(model.network()(items), subject.network(items), atol=1e-6)


def test_what_a_recipe_made_smaller_is_a_subject_for_another_one():
    subject = tiny_subject(seeded(Mlp()), (6,))
    base = compress(subject, read_recipe(HALF), Store()).base
    model = compress(base, read_recipe('layers: [{match: "*", steps: [magnitude]}]'), Store())
    assert model.base.structure == base.structure
    assert model.network().fc1.out_features == 4
