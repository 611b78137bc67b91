"""EncodedWeight weights: bits counted from what is stored, zeros by origin, files read back exactly."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from compress_core.levels.exponential import exponential_levels
from compress_core.levels.grid import affine_grid, symmetric_grid
from compress_core.levels.table import Table
from compress_core.selection.select import ExplicitMask
from compress_core.techniques.contract.encoded import (
    Bits,
    EncodedWeight,
    Zeros,
    codes_from_bits,
    codes_to_bits,
    read_stored,
    stored_shape,
    whole_bytes,
)
from compress_core.techniques.contract.results import Quantized


def drawn(rows: int, inputs: int) -> torch.Tensor:
    return torch.randn(rows, inputs, generator=torch.Generator().manual_seed(0))


ONE = torch.tensor([[1.0]])
LEVELS = {
    "none": None,
    "grid": symmetric_grid(ONE, 3),
    "grid, groups": symmetric_grid(torch.ones(6, 3), 4, 5),
    "affine": affine_grid(-ONE, ONE, 5),
    "powers": exponential_levels(ONE, 3),
    "table without zero": Table(torch.tensor([[-1.0, 0.5, 2.0]])),
    "table with zero": Table(torch.tensor([[-1.0, 0.0, 2.0]])),
    "table, rows": Table(drawn(6, 8).sort(dim=1).values),
}


@pytest.mark.parametrize("share", [None, 0.0, 0.05, 0.5, 0.95, 1.0])
@pytest.mark.parametrize("name", LEVELS)
def test_bits_are_those_of_the_stored_tensors_which_decode_to_the_values(name, share):
    weight = drawn(6, 13)
    mask = (
        None
        if share is None
        else ExplicitMask(torch.rand(6, 13, generator=torch.Generator().manual_seed(1)) >= share)
    )
    levels = LEVELS[name]
    part = EncodedWeight(weight, mask, None if levels is None else Quantized(levels))
    stored = part.stored()
    assert part.bits.total == 8 * sum(t.nbytes for t in stored.values())
    assert part.bits.positions == (8 * stored["mask"].nbytes if "mask" in stored else 0)
    assert torch.equal(read_stored(stored, json.loads(json.dumps(part.form()))), part.values)
    if mask is not None:
        assert not part.values[~mask.tensor].any()


def test_bits_by_hand():
    weight = torch.ones(10, 10)
    assert EncodedWeight(weight).bits == Bits(values=3200)
    half = ExplicitMask(torch.arange(100).view(10, 10) < 50)
    assert EncodedWeight(weight, half).bits == Bits(values=1600, positions=104)
    four_bits = Quantized(symmetric_grid(torch.ones(10, 1), 4))
    assert EncodedWeight(weight, None, four_bits).bits == Bits(values=400, tables=320)
    assert EncodedWeight(weight, half, four_bits).bits == Bits(values=200, positions=104, tables=320)


def test_a_mask_is_stored_only_where_it_saves_bits_or_zero_cannot_be_written():
    weight = drawn(10, 10)
    nearly_all = ExplicitMask(torch.arange(100).view(10, 10) < 98)
    assert not EncodedWeight(weight, nearly_all).stores_mask
    assert not EncodedWeight(weight, nearly_all, Quantized(LEVELS["table with zero"])).stores_mask
    assert EncodedWeight(weight, nearly_all, Quantized(LEVELS["table without zero"])).stores_mask


def test_zeros_are_told_apart_by_their_origin():
    weight = torch.tensor([[0.0, 0.01, 5.0, 6.0, 0.0, 7.0]])
    mask = ExplicitMask(torch.tensor([[True, True, True, False, False, True]]))
    part = EncodedWeight(weight, mask, Quantized(symmetric_grid(torch.tensor([[7.0]]), 3)))
    assert part.zeros == Zeros(pruned=2, quantized=1, original=1)
    assert part.zeros.total == 4


def test_codes_of_a_technique_win_over_the_nearest_level():
    part = EncodedWeight(
        torch.tensor([[0.9, 0.9]]), None, Quantized(symmetric_grid(ONE, 2), torch.tensor([[0, 1]]))
    )
    assert part.values.tolist() == [[0, 1]]
    assert torch.equal(read_stored(part.stored(), part.form()), part.values)


@pytest.mark.slow
@given(st.integers(1, 9), st.lists(st.integers(0, 2**9 - 1), max_size=40))
def test_packed_codes_come_back_and_fill_no_more_than_their_bits(bits, codes):
    codes = np.array([c % 2**bits for c in codes], dtype=np.uint16)
    packed = codes_to_bits(codes, bits)
    assert packed.nbytes * 8 == whole_bytes(len(codes) * bits)
    assert np.array_equal(codes_from_bits(packed, bits, len(codes)), codes)


@pytest.mark.parametrize("bits", [3, 8])
def test_many_codes_are_packed_in_pieces_without_a_seam(bits):
    codes = np.random.default_rng(0).integers(0, 2**bits, 2**18 * 2 + 5).astype(np.uint16)
    assert np.array_equal(codes_from_bits(codes_to_bits(codes, bits), bits, len(codes)), codes)
    assert codes_to_bits(codes, bits).nbytes * 8 == whole_bytes(len(codes) * bits)


def test_packing_writes_the_most_significant_bit_first():
    assert codes_to_bits(np.array([0b101, 0b011, 0b110], dtype=np.uint16), 3).tolist() == [
        0b10101111,
        0b00000000,
    ]


def test_decoding_into_a_buffer_leaves_the_weight_alone():
    weight = drawn(6, 13)
    before, out = weight.clone(), torch.full((6, 13), 9.0)
    for levels in LEVELS.values():
        part = EncodedWeight(weight, ExplicitMask(weight > 0), None if levels is None else Quantized(levels))
        assert part.decode_into(out) is out
        assert torch.equal(out, part.values)
        assert torch.equal(weight, before)


def test_every_kernel_is_coded_as_a_matrix():
    assert stored_shape(torch.Size([8, 3, 5, 5])) == (8, 75)


def test_levels_of_an_unknown_kind_are_not_taken_for_a_table() -> None:
    parts = {"codes": torch.zeros(1, dtype=torch.uint8), "table": torch.zeros(1, 2)}
    with pytest.raises(ValueError, match="spiral"):
        read_stored(parts, {"shape": [1, 2], "levels": "spiral"})
