"""While cuts are tried, a weight is there as long as its layer runs: a search takes little memory."""

from __future__ import annotations

import copy
import gc
import weakref
from collections.abc import Callable, Iterable

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from compress_core.apply.groups_found import groups_in
from compress_core.foundation.store import Store
from compress_core.loading.items import Items
from compress_core.loading.user_model import subject_from_network
from compress_core.network.edit_reach import out_of_reach
from compress_core.network.forward import run_network
from compress_core.network.layers.find import find_layers
from compress_core.network.layers.side import Side
from compress_core.structure import groups as search
from compress_core.structure.groups import find_groups
from compress_core.structure.passing_weights import whenever_it_runs
from compress_core.structure.shrink import ChannelCut, Edit, at_once, preview, shrink
from tests.subjects import seeded

_WIDTH, _DEPTH = 128, 12
_CUTS = (
    ChannelCut("0", Side.OUT, torch.arange(0, _WIDTH, 2)),
    ChannelCut("2", Side.IN, torch.arange(0, _WIDTH, 2)),
    ChannelCut("2", Side.OUT, torch.arange(5, _WIDTH)),
    ChannelCut("4", Side.IN, torch.arange(5, _WIDTH)),
)


class Living(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch gives it no types
    """The most bytes that torch made and that were alive at once."""

    def __init__(self, but: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch gives it no types
        self.most, self._sizes = 0, dict[int, int]()
        self._but = {values.untyped_storage().data_ptr() for values in but}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __torch_dispatch__(
        self, func: Callable[..., object], types: object, args: tuple[object, ...] = (), kwargs: object = None
    ) -> object:
        made = func(*args, **(kwargs if isinstance(kwargs, dict) else {}))
        for tensor in made if isinstance(made, tuple | list) else (made,):
            if isinstance(tensor, Tensor) and tensor.device.type == "cpu":
                self._note(tensor.untyped_storage())
        return made

    def _note(self, memory: torch.UntypedStorage) -> None:
        key = memory._cdata
        if key not in self._sizes and memory.data_ptr() not in self._but:
            self._sizes[key] = memory.nbytes()
            weakref.finalize(memory, self._sizes.pop, key, None)
            self.most = max(self.most, sum(self._sizes.values()))


def _deep() -> nn.Module:
    """Layers of one width, all of them free but the last."""
    layers = [part for _ in range(_DEPTH) for part in (nn.Linear(_WIDTH, _WIDTH), nn.ReLU())]
    return seeded(nn.Sequential(*layers, nn.Linear(_WIDTH, 3))).requires_grad_(requires_grad=False)


def _most(network: nn.Module, work: Callable[[], object]) -> float:
    """The most memory of some work over that of the weights; what hangs in circles counts as held."""
    gc.collect()
    gc.disable()
    try:
        with Living(network.parameters()) as living:
            work()
    finally:
        gc.enable()
    return living.most / sum(values.nbytes for values in network.parameters())


@pytest.mark.slow
def test_a_search_takes_less_memory_than_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    network, items = _deep(), torch.randn(2, _WIDTH)
    for easy in (search._EASY, 0.0):
        monkeypatch.setattr(search, "_EASY", easy)
        assert _most(network, lambda: find_groups(network, items)) < 1
    assert sum(group.locked is None for group in find_groups(network, items)) == _DEPTH


@pytest.mark.slow
def test_whether_edits_arrive_takes_one_copy_of_the_weights_and_few_gradients() -> None:
    network, items = _deep(), torch.randn(2, _WIDTH)
    layers, _ = find_layers(network)
    assert _most(network, lambda: out_of_reach(network, layers, [items])) < 1.5


def test_a_search_makes_room_for_itself_among_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compress_core.apply.groups_found._WORTH_ROOM", 1)
    items = Items(torch.randn(8, _WIDTH).numpy(), None)
    subject, store = subject_from_network(_deep(), items, "deep"), Store()
    weights = sum(values.nbytes for values in subject.network.parameters())
    for number in range(3):
        store.get(f"order {number}", lambda: None, lambda _: weights)
    groups_in(subject, store)
    assert [store.has(f"order {number}") for number in range(3)] == [False, False, True]


@pytest.mark.parametrize("made", [shrink, preview])
def test_a_network_of_passing_weights_answers_bit_for_bit(made: Callable[..., nn.Module]) -> None:
    network, items = _deep().double(), torch.randn(4, _WIDTH, dtype=torch.float64)
    passing, there = (made(network, _CUTS, (), edit) for edit in (whenever_it_runs, at_once))
    for _ in range(2):
        assert torch.equal(run_network(passing, items), run_network(there, items))
    small, expected = passing.get_submodule("2"), there.get_submodule("2")
    assert (small.in_features, small.out_features) == (expected.in_features, expected.out_features)
    assert torch.equal(run_network(copy.deepcopy(passing), items), run_network(there, items))
    assert [name for name, _ in passing.named_parameters()] == [name for name, _ in there.named_parameters()]
    assert all(map(torch.equal, passing.parameters(), there.parameters()))


def test_nothing_keeps_a_tried_network_alive() -> None:
    gc.disable()
    try:
        tried = shrink(_deep(), _CUTS, (), whenever_it_runs)
        run_network(tried, torch.randn(2, _WIDTH))
        layer = weakref.ref(tried.get_submodule("2"))
        del tried
        assert layer() is None
    finally:
        gc.enable()


class _Meddling(nn.Module):
    """Writes into the weight of a layer before that runs, and reads it past it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(_WIDTH, _WIDTH), nn.Linear(_WIDTH, _WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x)
        self.last.weight.data.mul_(0.5)
        again: Tensor = self.last(hidden) + nn.functional.linear(hidden, self.last.weight)
        return again


@pytest.mark.parametrize("made", [shrink, preview])
def test_what_others_write_into_a_passing_weight_stays(made: Callable[..., nn.Module]) -> None:
    network, items = seeded(_Meddling()), torch.randn(4, _WIDTH)
    cuts = (
        ChannelCut("first", Side.OUT, torch.arange(100)),
        ChannelCut("last", Side.IN, torch.arange(100)),
    )

    def answers(edit: Edit) -> list[Tensor]:
        cut = made(network, cuts, (), edit)
        return [run_network(cut, items) for _ in range(2)]

    one, other = answers(whenever_it_runs), answers(at_once)
    assert all(map(torch.equal, one, other))
    assert not torch.equal(*one)
