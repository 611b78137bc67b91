"""A network that really is smaller computes what the full-size one with masked inputs does."""

from __future__ import annotations

import copy

import pytest
import torch
import torch_pruning
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.network.forward import Example, doubled, in_double, run_network, tensors_in
from compress_core.network.layers.find import find_layers
from compress_core.network.layers.macs import count_macs
from compress_core.network.layers.side import Side
from compress_core.network.shared_copy import digest_of, shared_copy
from compress_core.structure.group import Group
from compress_core.structure.groups import find_groups
from compress_core.structure.masked_preview import MaskedPreview
from compress_core.structure.remaining import remaining
from compress_core.structure.shrink import ChannelCut, preview, shrink
from compress_core.structure.structure import Structure
from tests.subjects import loaded_sample
from tests.zoo import ZOO, groups_of

SAMPLES = ["lenet300", "lenet5", "resnet", "vit", "tabular"]


def _kept(group: Group, share: float, seed: int = 0) -> Tensor:
    """A random mask that keeps that share of a group's units, at least one, never all of several."""
    generator = torch.Generator().manual_seed(seed)
    count = max(1, min(group.units - 1, round(share * group.units)))
    mask = torch.zeros(group.units, dtype=torch.bool)
    mask[torch.randperm(group.units, generator=generator)[:count]] = True
    return mask


def _cuts(groups: tuple[Group, ...], share: float, seed: int = 0) -> list[ChannelCut]:
    free = (group for group in groups if group.locked is None)
    return [cut for group in free for cut in group.cuts(_kept(group, share, seed))]


def _dropped(groups: tuple[Group, ...]) -> list[str]:
    nothing = torch.zeros(1, dtype=torch.bool)
    return [name for g in groups if g.locked is None for name in g.dropped(nothing)]


def assert_equal_outputs(small: nn.Module, large: nn.Module, example: Example) -> None:
    with torch.inference_mode():
        got, want = (
            list(tensors_in(run_network(small, example))),
            list(tensors_in(run_network(large, example))),
        )
    assert [t.shape for t in got] == [t.shape for t in want]
    assert all(torch.allclose(a, b, rtol=0, atol=1e-9) for a, b in zip(got, want, strict=True))


def _weights(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ZOO if ZOO[name].free])
@pytest.mark.parametrize("share", [0.37, 0.8])
def test_the_shrunk_network_equals_the_preview_in_every_free_group_of_the_zoo(
    name: str, share: float
) -> None:
    network, example = in_double(ZOO[name].network()), doubled(ZOO[name].example())
    before = digest_of(network)
    for group in groups_of(name):
        if group.locked is None and group.units > 1:
            cuts = group.cuts(_kept(group, share))
            small = shrink(network, cuts)
            assert_equal_outputs(small, preview(network, cuts), example)
            assert _weights(small) < _weights(network)
    cuts = _cuts(groups_of(name), share)
    assert_equal_outputs(shrink(network, cuts), preview(network, cuts), example)
    assert digest_of(network) == before


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLES)
def test_the_shrunk_sample_equals_its_preview_with_and_without_its_blocks(name: str) -> None:
    subject = loaded_sample(name)
    items = subject.split("test").inputs[:20].double()
    groups = find_groups(subject.network, subject.split("calibration").inputs[:4])
    network = in_double(subject.network)
    for share in (0.29, 0.5):
        cuts, dropped = _cuts(groups, share), _dropped(groups)[:1]
        assert_equal_outputs(shrink(network, cuts), preview(network, cuts), items)
        assert_equal_outputs(shrink(network, cuts, dropped), preview(network, cuts, dropped), items)
    assert digest_of(subject.network) == subject.digest


def test_half_of_every_channel_of_resnet_leaves_less_than_three_tenths_of_the_macs() -> None:
    subject = loaded_sample("resnet")
    groups = find_groups(subject.network, subject.split("calibration").inputs[:2])
    small = shrink(subject.network, _cuts(groups, 0.5))
    layers = count_macs(small, find_layers(small)[0], subject.input.baseline)
    assert sum(layer.macs or 0 for layer in layers) < 0.3 * sum(layer.macs or 0 for layer in subject.layers)


def test_a_dropped_block_is_an_identity_and_keeps_nothing() -> None:
    subject = loaded_sample("resnet")
    small = shrink(subject.network, (), ("layer2",))
    assert _weights(small) == _weights(subject.network) - _weights(subject.network.get_submodule("layer2"))
    items = subject.split("test").inputs[:8]
    assert_equal_outputs(small, preview(subject.network, (), ("layer2",)), items)


def test_what_is_not_cut_is_shared_and_what_is_cut_is_contiguous() -> None:
    network = ZOO["mlp"].network()
    group = groups_of("mlp")[1]
    small = shrink(network, group.cuts(torch.tensor([0, 3])))
    assert small.get_submodule("fc1").weight is network.get_submodule("fc1").weight
    assert small.get_submodule("fc2").weight.shape == (2, 8)
    assert all(p.is_contiguous() and not p.requires_grad for p in small.parameters())


def test_units_are_named_by_a_mask_or_by_their_indices() -> None:
    group = groups_of("mlp")[0]
    mask = torch.zeros(8, dtype=torch.bool)
    mask[[1, 6]] = True
    by_mask, by_index = group.cuts(mask), group.cuts(torch.tensor([6, 1]))
    assert all(torch.equal(a.kept, b.kept) for a, b in zip(by_mask, by_index, strict=True))
    assert by_mask[0].kept.tolist() == [1, 6]


def test_torch_pruning_cuts_the_same_network_from_the_residual_stream_of_resnet() -> None:
    subject = loaded_sample("resnet")
    items = subject.split("test").inputs[:4]
    group = find_groups(subject.network, items)[0]
    theirs = copy.deepcopy(subject.network).requires_grad_(requires_grad=True)
    graph = torch_pruning.DependencyGraph().build_dependency(
        theirs, items, unwrapped_parameters=[], customized_pruners={}, ignored_layers=[], ignored_params=[]
    )
    lost = [0, 5, 9, 31]
    graph.get_pruning_group(theirs.conv1, torch_pruning.prune_conv_out_channels, idxs=lost).prune()
    kept = torch.ones(32, dtype=torch.bool)
    kept[lost] = False
    ours = shrink(subject.network, group.cuts(kept))
    assert {n: p.shape for n, p in ours.named_parameters()} == {
        n: p.shape for n, p in theirs.named_parameters()
    }
    with torch.no_grad():
        assert torch.allclose(ours(items), theirs(items), atol=1e-5)


@given(st.data())
def test_any_cut_of_a_grouped_and_a_concatenated_network_composes(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["grouped", "concat", "depth_multiplier", "group_norm", "chunk_gate"]))
    network, example = in_double(ZOO[name].network()), doubled(ZOO[name].example())
    cuts: list[ChannelCut] = []
    for group in groups_of(name):
        if group.locked is None:
            units = st.sets(st.integers(0, group.units - 1), min_size=1)
            cuts += group.cuts(torch.tensor(sorted(data.draw(units))))
    assert_equal_outputs(shrink(network, cuts), preview(network, cuts), example)


def test_nothing_left_is_refused() -> None:
    with pytest.raises(Refused, match="Nothing would be left of fc1: keep at least one"):
        shrink(ZOO["mlp"].network(), [ChannelCut("fc1", Side.OUT, torch.tensor([], dtype=torch.int64))])


@pytest.mark.parametrize(
    ("name", "cut", "message"),
    [
        (
            "layer_norm",
            ChannelCut("norm", Side.OUT, torch.tensor([0, 1])),
            "norm cannot lose these channels .a norm is",
        ),
        (
            "grouped",
            ChannelCut("grouped", Side.OUT, torch.tensor([0, 1, 2])),
            "in 4 groups, each of which must keep",
        ),
        (
            "group_norm",
            ChannelCut("norm", Side.OUT, torch.tensor([0, 1, 2])),
            "across 4 channels, so only all of them",
        ),
        ("lstm", ChannelCut("rnn", Side.IN, torch.tensor([0])), "recurrent: one weight serves"),
        (
            "conv1d_weight_norm",
            ChannelCut("conv2", Side.IN, torch.tensor([0])),
            "computed from other parameters",
        ),
        ("residual", ChannelCut("head", Side.OUT, torch.tensor([0])), "Head has no form with fewer channels"),
    ],
)
def test_what_cannot_be_cut_is_refused_in_a_sentence(name: str, cut: ChannelCut, message: str) -> None:
    with pytest.raises(Refused, match=message):
        shrink(ZOO[name].network(), [cut])


@pytest.mark.parametrize("name", ["residual", "grouped", "transposed", "multihead_attention", "dense_block"])
def test_a_kept_preview_follows_the_slider_bit_for_bit(name: str) -> None:
    network = ZOO[name].network()
    masked = MaskedPreview(network)
    for step, share in enumerate((0.5, 0.4, 0.9, 0.1, 0.95, 0.5)):
        cuts = _cuts(groups_of(name), share, seed=step // 2)
        dropped = _dropped(groups_of(name)) if step % 2 else []
        want = preview(network, cuts, dropped).state_dict()
        got = masked.show(cuts, dropped).state_dict()
        assert got.keys() >= want.keys()
        assert all(torch.equal(got[key], values) for key, values in want.items())
    back = masked.show(()).state_dict()
    assert all(torch.equal(back[key], v) for key, v in network.state_dict().items() if key in back)
    assert digest_of(network) == digest_of(ZOO[name].network())


@pytest.mark.parametrize("name", [name for name in ZOO if ZOO[name].free and len(ZOO[name].shapes) == 1])
def test_the_numbers_of_the_slider_are_those_of_the_shrunk_network(name: str) -> None:
    network, example = ZOO[name].network(), ZOO[name].example()
    layers = count_macs(shared_copy(network), find_layers(network)[0], example)
    cuts, dropped = _cuts(groups_of(name), 0.6), _dropped(groups_of(name))
    small = shrink(network, cuts, dropped)
    want = count_macs(small, find_layers(small)[0], example)
    got = remaining(layers, cuts, dropped)
    facts = [{x.name: (x.kernel_shape, x.groups, x.macs) for x in each} for each in (got, want)]
    assert facts[0] == facts[1]


def test_a_kept_preview_rewrites_single_slices_as_they_go_and_come_back() -> None:
    subject = loaded_sample("resnet")
    group = find_groups(subject.network, subject.split("calibration").inputs[:2])[0]
    masked = MaskedPreview(subject.network)
    for lost in ([0, 5], [5, 9], [9], [9, 31], [], [31]):
        kept = torch.ones(32, dtype=torch.bool)
        kept[lost] = False
        want = preview(subject.network, group.cuts(kept)).state_dict()
        got = masked.show(group.cuts(kept)).state_dict()
        assert all(torch.equal(got[key], values) for key, values in want.items())


def test_a_file_with_a_side_that_no_module_has_is_refused() -> None:
    said = {"folded": [], "rescaled": [], "cuts": [["fc1", "above", [0]]], "dropped": []}
    with pytest.raises(Refused, match="describes its structure in a way that this release does not know"):
        Structure.from_json(said)
