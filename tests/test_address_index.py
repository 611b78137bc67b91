"""Which memory was read is found in as many steps as there are layers, not as there are pairs of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from compress_core.network import edit_reach
from compress_core.network.address_index import AddressIndex
from compress_core.network.edit_reach import out_of_reach
from compress_core.network.layers.find import find_layers
from compress_core.network.layers.macs import count_macs
from compress_core.network.multiplications import Product
from tests.subjects import seeded

_RANGE = st.tuples(st.integers(0, 30), st.integers(0, 6)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(st.lists(_RANGE, max_size=12), _RANGE)
def test_what_meets_a_range_is_what_has_an_address_in_common_with_it(
    ranges: list[tuple[int, int]], asked: tuple[int, int]
) -> None:
    index = AddressIndex(ranges)
    expected = [at for at, (start, end) in enumerate(ranges) if start < asked[1] and asked[0] < end]
    assert sorted(index.meeting(asked)) == expected
    assert index.meets(asked) == bool(expected)


class _Deep(nn.Sequential):
    """Equal layers, which count how often they are gone through."""

    def __init__(self, depth: int) -> None:
        super().__init__(*(nn.Linear(4, 4) for _ in range(depth)))
        self.passed = 0

    def named_modules(self, *given: object, **named: object) -> Iterator[tuple[str, nn.Module]]:  # type: ignore[override]
        self.passed += 1
        return super().named_modules(*given, **named)  # type: ignore[arg-type]


def test_layers_are_found_without_going_through_the_network_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    passed = []
    for depth in (5, 40):
        network = seeded(_Deep(depth))
        network.passed = 0
        layers, _ = find_layers(network)
        assert len(layers) == depth
        passed.append(network.passed)
    assert passed[0] == passed[1]


def test_multiplications_are_asked_of_those_products_alone_that_read_a_weight(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, within = 0, Product.macs_within

    def count(product: Product, span: tuple[int, int]) -> int:
        nonlocal asked
        asked += 1
        return within(product, span)

    monkeypatch.setattr(Product, "macs_within", count)
    network = seeded(_Deep(40))
    layers = count_macs(network, find_layers(network)[0], torch.randn(1, 4))
    assert [layer.macs for layer in layers] == [16] * 40
    assert 40 <= asked <= 80


def test_reads_are_put_in_order_once_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    class Counted(AddressIndex):
        def __init__(self, ranges: Iterator[tuple[int, int]]) -> None:
            super().__init__(ranges)
            made.append(self)

    monkeypatch.setattr(edit_reach, "AddressIndex", Counted)
    network = seeded(_Deep(40))
    assert not out_of_reach(network, find_layers(network)[0], [torch.randn(2, 4)])
    assert len(made) == 2
