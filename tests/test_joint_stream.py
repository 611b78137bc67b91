"""Small tensors and sparse weights in one stream: exact, short, and read by whatever version wrote them."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import Tensor

from compress_core.deliver.packed_file import read_packed_state
from compress_core.deliver.packing.coder import Damaged, Reading, Writing
from compress_core.deliver.packing.directory import (
    PLAIN,
    SPARSE,
    TWIN,
    VIEW,
    Entry,
    read_directory,
    write_directory,
)
from compress_core.deliver.packing.integers import MOST_DIGITS, Integers
from compress_core.deliver.packing.joint_stream import JointStream
from compress_core.deliver.packing.numbers import pack_numbers
from compress_core.deliver.packing.shorter_way import bytes_alone, sparse_steps
from compress_core.deliver.packing.small_numbers import code_small, likely_zeros
from compress_core.deliver.packing.sparse_matrix import code_sparse
from compress_core.deliver.packing.sparse_weight import read_sparse, write_sparse
from compress_core.deliver.packing.weight_stream import pack_weight
from compress_core.deliver.same_bits import same_bits
from compress_core.levels.any_levels import Levels
from compress_core.levels.exponential import Exponential
from compress_core.levels.grid import Grid
from compress_core.levels.scaled_table import ScaledTable
from compress_core.levels.table import Table
from compress_core.selection.select import ExplicitMask
from compress_core.techniques.contract.encoded import EncodedWeight
from compress_core.techniques.contract.results import Quantized

MATRIX = "6e296779b9318064e58326b8fc625f9d8b4519087571d8ade93bcee249963725"
VERSION_1 = (
    "Q%p%s0R(huZh2^c6SCR<MQ1oPWV)0J8BeX5+v!w4aG(~`aT{~$Avpj5PGjdvOE%OiPt8ovC}CpaU}NO4;{b^yWhNFgGB9!|@"
    "}wmj=^4OPFmW(4IfKOzy4aZ**{!)CVo-hTvOvBuTm>^bBeN|BNCYa+%nJYk2LJ;A7<vE*0sjI10RR92ApigXfB-pQi#q@SfB"
    "-M?j5}r%!aM$o(K`SDfB?yiBRc^90|3$g={>mr005lY1-=_<Pdyk0%DyLMHa;h$_r8nMR=)kyQax--sl5OI0H@ryJ(A*|J=Q"
    "o<zIjBOzOp|kKgoi#z6bpzzW2!;zx-yTJy!g)y>IusJyWMGzOk>@K6Y5)KBiP9zqyy!J^%m!x2__;UXaQ@ap?3u4_b%5SUUz"
    "kgP<ip6mQEuZk?e%yz^K*ZODQ?&lplZ0UOS~7-JGWQ#Dz>0H-erKJndAzN~ElKBnj>KB?d*zX<9qzkS<4J^%v*0Wkni?t{OJ"
    "Klr|_cbPhv#pOO`<P^Us?Sj5<CEq>JC?h{7hX%i2AdS8q9uU4y&saVH#@|NTk-z|#Eg-!ok5N7yn*}|TN)pu"
)
STATE_OF_VERSION_1 = "7da7ee06ae8308bfcdaedeaf773ac0968c1e510e24184e0063cb60e9fa6a2bcc"


def written(tensor: Tensor, rows: list[int] | None = None) -> bytes:
    """A small tensor behind a weight of these rows, which reads back to the last bit."""
    writing = Writing()
    streams = [JointStream(writing)]
    for stream in streams:
        stream.rows = None if rows is None else np.array(rows)
    likely = likely_zeros(streams[0], tensor.numel())
    code_small(streams[0], tuple(tensor.shape), tensor.dtype, tensor, likely)
    content = writing.shortest()
    reading = JointStream(Reading.of_shortest(content))
    assert same_bits(code_small(reading, tuple(tensor.shape), tensor.dtype, None, likely), tensor)
    return content


def test_a_size_of_more_digits_than_are_read_is_not_written_as_another() -> None:
    largest = np.array([2**MOST_DIGITS - 1], dtype=np.int64)
    writing = Writing()
    Integers().code(writing, 1, largest)
    assert Integers().code(Reading.of_shortest(writing.shortest()), 1, None) == largest
    with pytest.raises(Damaged):
        Integers().code(Writing(), 1, largest + 1)


@given(
    drawn=st.lists(
        st.tuples(st.sampled_from([1, 2, 900, 2**15, 2**16 - 1]), st.booleans()), min_size=1, max_size=80
    )
)
def test_the_shortest_end_of_a_stream_reads_back_and_is_never_longer(drawn: list[tuple[int, bool]]) -> None:
    share, truth = (np.array([int(d[i]) for d in drawn], dtype=np.int64) for i in (0, 1))
    writing = Writing()
    writing.flags(share, truth)
    content = writing.shortest()
    assert len(content) <= len(writing.content())
    for more in (b"", bytes(5)):
        assert Reading.of_shortest(content + more).flags(share, None).tolist() == truth.tolist()


@settings(max_examples=40)
@given(bits=arrays.arrays(np.uint32, st.integers(1, 40), elements=st.integers(0, 2**32 - 1)))
def test_any_float32_reads_back(bits: np.ndarray) -> None:
    written(torch.from_numpy(bits.view(np.float32)))


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor([2.0**127, -(2.0**-149), 0.0]),
        torch.tensor([-0.0, 1.0, float("inf"), float("nan")]),
        torch.tensor(0.0371),
        torch.tensor([[3, -(2**39)], [0, 7]]),
        torch.tensor(12345),
    ],
    ids=str,
)
def test_extreme_numbers_read_back(tensor: Tensor) -> None:
    written(tensor)


def test_numbers_on_a_grid_take_about_their_entropy_and_zeros_nothing() -> None:
    steps = (torch.randn(300, generator=torch.Generator().manual_seed(0)) * 6).round() + 0.0
    _, counts = torch.unique(steps, return_counts=True)
    entropy = -float((counts * (counts / 300).log2()).sum()) / 8
    assert len(written(steps / 64)) < 1.15 * entropy + 6
    assert len(written(torch.zeros(300))) <= 1
    assert len(pack_numbers(steps / 64)) > 1.5 * entropy


def test_few_digits_behind_the_first_take_few_bits() -> None:
    values = torch.randn(200, generator=torch.Generator().manual_seed(0)).exp()
    assert len(written(values.to(torch.bfloat16).float())) < 0.6 * len(written(values))


def test_biases_of_rows_that_hold_nothing_are_nearly_free_where_they_are_zero() -> None:
    rows = [int(i % 7 == 0) for i in range(280)]
    biases = torch.randn(280, generator=torch.Generator().manual_seed(0))
    biases[torch.tensor(rows) == 0] = 0.0
    assert len(written(biases, rows)) < len(written(biases)) - 10


def matrix_of(rows: int, columns: int, living: tuple[float, float], share: float, top: int = 2) -> np.ndarray:
    """Whole numbers of which most rows and columns hold nothing; [rows, columns] int32."""
    draw = np.random.default_rng(rows + columns)
    alive = np.outer(draw.random(rows) < living[0], draw.random(columns) < living[1])
    sizes = draw.integers(1, top + 1, alive.shape) * draw.choice([-1, 1], alive.shape)
    found: np.ndarray = np.where(alive & (draw.random(alive.shape) < share), sizes, 0).astype(np.int32)
    return found


def stream_of(*matrices: np.ndarray) -> bytes:
    """Matrices one after the other, which read back."""
    writing = Writing()
    stream = JointStream(writing)
    for matrix in matrices:
        assert np.array_equal(code_sparse(stream, matrix.shape, matrix), matrix)
    content = writing.shortest()
    reading = JointStream(Reading.of_shortest(content))
    for matrix in matrices:
        assert np.array_equal(code_sparse(reading, matrix.shape, None), matrix)
    return content


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (1, 1), (3, 150), (150, 3), (20, 30)], ids=str)
@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_any_shape_and_share_reads_back(shape: tuple[int, int], share: float) -> None:
    stream_of(matrix_of(*shape, (0.7, 0.7), share, 300))


def test_what_is_written_stays_the_same_from_release_to_release() -> None:
    content = stream_of(matrix_of(50, 70, (0.5, 0.6), 0.2, 3), matrix_of(20, 50, (0.9, 0.5), 0.3))
    assert hashlib.sha256(content).hexdigest() == MATRIX


def test_rows_and_columns_that_hold_nothing_cost_little() -> None:
    whole = matrix_of(30, 40, (1.0, 1.0), 0.2)
    spread = np.zeros((300, 400), dtype=np.int32)
    spread[np.ix_(range(0, 300, 10), range(0, 400, 10))] = whole
    assert len(stream_of(spread)) < len(stream_of(whole)) + (300 + 400) / 8


def test_a_column_is_expected_empty_where_the_row_before_that_makes_it_is() -> None:
    first = matrix_of(200, 60, (0.3, 1.0), 0.3)
    second = matrix_of(60, 200, (1.0, 1.0), 0.3) * first.any(axis=1)
    strange = second[:, np.random.default_rng(0).permutation(200)]
    assert len(stream_of(first, second)) < len(stream_of(first, strange)) - 8


def weight_of(levels: Levels, steps: np.ndarray, codes: Tensor | None = None) -> EncodedWeight:
    """A weight of these codes, pruned where the steps are zero."""
    codes = torch.from_numpy(steps) if codes is None else codes
    mask = ExplicitMask(torch.from_numpy(steps != 0))
    return EncodedWeight(levels.decode(codes), mask, Quantized(levels, codes))


STEPS = matrix_of(30, 40, (0.6, 0.9), 0.3)
ROWS = torch.rand(30, 1, generator=torch.Generator().manual_seed(0)) + 0.1
KINDS: dict[str, tuple[Levels, int]] = {
    "grid": (Grid(ROWS[:1], -2, 2), 0),
    "rows": (Grid(ROWS, -2, 2), 0),
    "groups": (Grid(ROWS.repeat(1, 3), -2, 2, group=16), 0),
    "zero point": (Grid(ROWS, 0, 4, torch.full((30, 1), 2.0)), 2),
    "powers": (Exponential((ROWS * 5).round().to(torch.int32), 2), 0),
    "table": (Table(torch.tensor([[-0.7, -0.1, 0.0, 0.2, 0.9]])), 2),
    "tables": (Table(torch.tensor([-0.7, -0.1, 0.0, 0.2, 0.9]) * ROWS), 2),
    "scaled": (ScaledTable(torch.tensor([-1.0, -0.1, 0.0, 0.2, 1.0]), ROWS), 2),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_levels_reads_back_and_is_shorter(kind: str) -> None:
    levels, zero = KINDS[kind]
    encoded = weight_of(levels, STEPS, torch.from_numpy(STEPS + zero))
    steps = sparse_steps(encoded)
    assert steps is not None
    assert np.array_equal(steps, STEPS)
    assert_reads_back(encoded, steps)
    assert bytes_alone(encoded)[0] < len(pack_weight(encoded))


def assert_reads_back(encoded: EncodedWeight, steps: np.ndarray) -> None:
    writing = Writing()
    write_sparse(JointStream(writing), encoded, steps)
    stream = JointStream(Reading.of_shortest(writing.shortest()))
    assert same_bits(read_sparse(stream, *steps.shape), encoded.values)


def test_a_codebook_without_zero_reads_back() -> None:
    levels = Table(torch.tensor([[-0.7, -0.1, 0.2, 0.9]]))
    encoded = weight_of(levels, STEPS, torch.from_numpy(np.where(STEPS > 0, STEPS + 1, STEPS + 2)))
    steps = sparse_steps(encoded)
    assert steps is not None
    assert np.array_equal(steps, STEPS)
    assert_reads_back(encoded, steps)


def test_a_level_of_minus_zero_is_no_zero() -> None:
    levels = Table(torch.tensor([[-0.7, -0.0, 0.0, 0.9]]))
    codes = torch.from_numpy(matrix_of(20, 20, (1, 1), 0.3) + 2).clamp(0, 3)
    encoded = EncodedWeight(levels.decode(codes), None, Quantized(levels, codes))
    steps = sparse_steps(encoded)
    assert steps is not None
    assert_reads_back(encoded, steps)


def test_a_zero_that_was_rounded_costs_what_a_pruned_one_does() -> None:
    levels, codes = Grid(ROWS, -2, 2), torch.from_numpy(STEPS)
    rounded = EncodedWeight(levels.decode(codes), None, Quantized(levels, codes))
    assert bytes_alone(rounded) == bytes_alone(weight_of(levels, STEPS))


def test_scales_of_rows_that_hold_nothing_take_no_bytes() -> None:
    empty = STEPS.copy()
    empty[::2] = 0
    _, some = bytes_alone(weight_of(Grid(ROWS, -2, 2), empty))
    _, all_of_them = bytes_alone(weight_of(Grid(ROWS, -2, 2), np.where(STEPS == 0, 0, 1) | 1))
    assert some < 0.6 * all_of_them


ENTRIES = {
    "conv1.weight": Entry(SPARSE, (20, 1, 5, 5), (20,)),
    "conv1.bias": Entry(5, (20,), (0,)),
    "conv2.weight": Entry(2, (50, 20, 5, 5), (20, 30), (7, 300)),
    "conv2.bias": Entry(PLAIN, (50,), (0,), (12,)),
    "fc1.weight": Entry(3, (500, 50, 2), (10,), (4,)),
    "again": Entry(TWIN, (), (0,)),
    "turned": Entry(VIEW, (50, 500), (4, 1, 50, 3)),
}


def test_a_directory_reads_back() -> None:
    assert read_directory(write_directory(ENTRIES, list(ENTRIES.values()))) == ENTRIES


def test_two_tensors_of_one_name_are_damage() -> None:
    with pytest.raises(Damaged):
        read_directory(write_directory(["a", "a"], [Entry(PLAIN, (1,), (0,), (1,))] * 2))


def test_a_file_of_version_1_is_still_read(tmp_path: Path) -> None:
    (tmp_path / "old.slim").write_bytes(base64.b85decode(VERSION_1))
    found = hashlib.sha256()
    for name, tensor in read_packed_state(tmp_path / "old.slim").state.items():
        found.update(name.encode() + tensor.numpy().tobytes())
    assert found.hexdigest() == STATE_OF_VERSION_1
