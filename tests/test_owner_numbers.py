"""Numbers that count units go down with them, and nothing else that a file may name."""

from __future__ import annotations

import pytest
import torch

from compress_core.foundation.errors import Refused
from compress_core.network.layers.side import Side
from compress_core.structure.coupling import Slot
from compress_core.structure.owner_numbers import with_owner_numbers
from compress_core.structure.shrink import ChannelCut, preview, shrink
from compress_core.structure.structure import Structure
from tests.zoo import ZOO, groups_of


def test_a_cut_lowers_the_numbers_and_leaves_those_of_the_network() -> None:
    network = ZOO["counted_heads"].network()
    heads = next(group for group in groups_of("counted_heads") if group.name == "query")
    cuts = heads.cuts(torch.tensor([True, False, True, False]))
    small = shrink(network, cuts)
    assert (small.heads, small.all_channels) == (2, 6)
    assert (network.heads, network.all_channels) == (4, 12)
    assert (preview(network, cuts).heads, preview(network, cuts).all_channels) == (4, 12)
    assert "heads" not in heads.shrinking


def test_a_structure_tells_numbers_and_cuts_them_again() -> None:
    network = ZOO["counted_heads"].network()
    heads = next(group for group in groups_of("counted_heads") if group.name == "query")
    first = Structure(cuts=heads.cuts(torch.tensor([True, False, True, True])))
    again = Structure.from_json(first.as_json()).built(network)
    assert (again.heads, again.all_channels) == (3, 9)
    second = Structure(cuts=(ChannelCut("heads", Side.NUMBER, torch.tensor([0, 2])),))
    (kept,) = (cut.kept for cut in first.then(second).cuts if cut.module == "heads")
    assert kept.tolist() == [0, 3]


@pytest.mark.parametrize("name", ["forward", "training", "query", "nothing", "query.weight", "heads"])
def test_only_a_whole_number_of_the_module_itself_is_lowered(name: str) -> None:
    network = ZOO["counted_heads"].network()
    with pytest.raises(Refused, match=f"{name} cannot lose these channels"):
        shrink(network, [ChannelCut(name, Side.NUMBER, torch.tensor([0, 4]))])


def test_numbers_are_tried_from_the_surest_on() -> None:
    network, count = ZOO["counted_heads"].network(), 4
    slots = {name: Slot(order, name, Side.OUT) for order, name in enumerate(("query", "key", "value"))}
    units = [dict.fromkeys(slots.values(), (3 * n, 3 * n + 1, 3 * n + 2)) for n in range(count)]
    ways = [
        {slot.module for unit in way for slot in unit if slot.side is Side.NUMBER}
        for way in with_owner_numbers(network, units)
    ]
    assert ways == [{"heads"}, {"heads", "all_channels"}, {"all_channels"}]
