"""Coupled groups: everything that must shrink together is found, and what cannot shrink says why."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from compress_core.network.layers.cut import is_producer
from compress_core.network.shared_copy import digest_of
from compress_core.structure.group import GroupKind, MemberRole
from compress_core.structure.groups import Group, find_groups
from tests.subjects import Mlp, loaded_sample, seeded
from tests.zoo import ANSWER, ZOO, groups_of


def _sample_groups(name: str) -> dict[str, Group]:
    subject = loaded_sample(name)
    groups = find_groups(subject.network, subject.split("calibration").inputs[:2])
    return {group.name: group for group in groups}


@pytest.mark.parametrize("name", ZOO)
def test_every_network_has_the_groups_it_should_free_or_locked_with_the_reason(name: str) -> None:
    specimen = ZOO[name]
    locked = {group.name: group.locked for group in groups_of(name) if group.locked is not None}
    expected = {**specimen.locked, **dict.fromkeys(specimen.answers, ANSWER)}
    assert {g.name: g.units for g in groups_of(name) if g.locked is None} == specimen.free
    assert locked.keys() == expected.keys()
    assert all(expected[group] in reason for group, reason in locked.items()), locked


@pytest.mark.parametrize("name", ZOO)
def test_every_layer_that_makes_channels_is_in_a_group(name: str) -> None:
    made = {member for group in groups_of(name) for member in group.producers}
    layers = {n for n, module in ZOO[name].network().named_modules() if is_producer(module)}
    opened = {layer for layer in layers if any(m.startswith(f"{layer}.") for m in made)}
    assert layers - opened <= made


def test_the_zoo_is_large_enough() -> None:
    assert len(ZOO) >= 30


@pytest.mark.slow
@pytest.mark.parametrize("name", ["residual", "concat", "multihead_attention", "glu", "gru"])
def test_looking_for_groups_leaves_the_network_alone(name: str) -> None:
    network, example = ZOO[name].network(), ZOO[name].example()
    before, hooks = digest_of(network), [len(m._forward_hooks) for m in network.modules()]
    find_groups(network, example)
    assert digest_of(network) == before
    assert [len(m._forward_hooks) for m in network.modules()] == hooks
    assert not any(p.requires_grad for p in network.parameters())


def test_nothing_of_one_search_is_seen_in_the_next() -> None:
    first = [(g.name, g.locked) for g in find_groups(seeded(Mlp()), torch.randn(4, 6))]
    find_groups(ZOO["tied"].network(), ZOO["tied"].example())
    assert [(g.name, g.locked) for g in find_groups(seeded(Mlp()), torch.randn(4, 6))] == first


def test_the_residual_stream_of_resnet_couples_the_stem_with_every_block() -> None:
    groups = _sample_groups("resnet")
    stream = groups["conv1"]
    assert stream.kind is GroupKind.CHANNELS
    assert stream.units == 32
    assert set(stream.producers) == {"conv1", *(f"layer{i}.conv2" for i in (1, 2, 3))}
    assert set(stream.consumers) == {"fc", *(f"layer{i}.conv1" for i in (1, 2, 3))}
    assert {("conv1", "bn1"), ("layer1.bn2", "layer2.conv1"), ("layer3.bn2", "fc")} <= set(stream.edges)
    assert {g.name for g in groups.values() if g.kind is GroupKind.BLOCK and not g.locked} == {
        "layer1",
        "layer2",
        "layer3",
    }


def test_a_channel_that_is_flattened_is_as_many_inputs_as_it_has_pixels() -> None:
    group = _sample_groups("lenet5")["conv2"]
    consumer = next(member for member in group.members if member.role is MemberRole.CONSUMER)
    assert consumer.indices.tolist() == [list(range(16 * unit, 16 * unit + 16)) for unit in range(50)]


def test_heads_of_hand_written_attention_are_units_and_the_width_is_locked_by_its_norms() -> None:
    groups = _sample_groups("vit")
    for block in range(3):
        heads = groups[f"blocks.{block}.attention.q"]
        assert (heads.kind, heads.units, heads.locked) == (GroupKind.HEADS, 4, None)
        assert heads.members[0].indices.shape == (4, 16)
        assert groups[f"blocks.{block}"].locked is None
    assert "norm is taken across" in str(groups["patch"].locked)


def test_a_dead_channel_cannot_hide_a_wrong_coupling() -> None:
    network = ZOO["mean_across_channels"].network()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    groups = find_groups(network, ZOO["mean_across_channels"].example())
    assert all(group.locked for group in groups)


def test_a_network_that_does_not_run_is_locked_and_says_why() -> None:
    groups = find_groups(seeded(Mlp()), torch.randn(4, 5))
    assert [group.name for group in groups] == ["fc1", "fc2", "fc3"]
    assert all("could not be traced (mat1 and mat2" in str(group.locked) for group in groups)


def test_a_mapping_of_keywords_is_an_example_too() -> None:
    network = seeded(nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 3)))
    groups = find_groups(network, {"input": torch.randn(4, 6)})
    assert [(g.name, g.locked is None) for g in groups] == [("0", True), ("1", False)]
