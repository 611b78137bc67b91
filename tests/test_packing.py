"""Entropy coding: exact on integers, never longer than without it, and whatever is broken is refused."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from fractions import Fraction

import constriction
import numpy as np
import pytest
import torch
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from compress_core.deliver.packing import coder, logistic, neighbors
from compress_core.deliver.packing.bytestream import Reader, Writer
from compress_core.deliver.packing.coder import TOTAL, TOTAL_BITS, Damaged, Reading, Writing
from compress_core.deliver.packing.codes import pack_codes, read_codes
from compress_core.deliver.packing.numbers import pack_numbers, read_numbers, type_number
from compress_core.deliver.packing.positions import AROUND, pack_positions, read_positions
from compress_core.deliver.packing.range_coding import HELD
from compress_core.deliver.packing.symbols import code_symbols, frequencies

FULL, WORD = 2**64, 2**32
TABLES = "65e91283c193ca4ccc73c55250da290e3b7ae2d8712034a16ef7a02fdad1385a"
CODES = {
    (256, 1.0): "2136442a2ef03a99",
    (256, 0.9): "9209a680ea52784e",
    (12, 0.7): "6444a29e9079b096",
    (2, 1.0): "9e0a5d1ffc3064ef",
    (3, 0.8): "85459aefb5efc6bb",
}
POSITIONS = "3fd8ad3389b0bc326667fad2d08d63698b41d24c688fe2326017d6e2eb1e3709"


def decoded_by_hand(content: bytes, tables: list[list[int]]) -> list[int]:
    """A range decoder in Python's whole numbers: one symbol from each table of frequencies out of 2**24."""
    words = [int.from_bytes(content[i : i + 4], "little") for i in range(0, len(content), 4)] + [0, 0, 0]
    low, span, point, used = 0, FULL - 1, words[0] * WORD + words[1], 2
    found = []
    for table in tables:
        scale = span >> TOTAL_BITS
        quantile = ((point - low) % FULL) // scale
        starts = [sum(table[:i]) for i in range(len(table))]
        symbol = max(i for i, start in enumerate(starts) if start <= quantile)
        found.append(symbol)
        low, span = (low + scale * starts[symbol]) % FULL, scale * table[symbol]
        if span < WORD:
            low, span = low * WORD % FULL, span * WORD
            point, used = (point * WORD + (words[used] if used < len(words) else 0)) % FULL, used + 1
    return found


@given(drawn=st.lists(st.tuples(st.integers(1, 2**16 - 1), st.integers(0, 1)), max_size=60))
def test_flags_are_coded_with_exactly_the_integers_that_were_asked_for(
    drawn: list[tuple[int, int]],
) -> None:
    share, truth = (np.array([d[i] for d in drawn], dtype=np.int64) for i in (0, 1))
    writing = Writing()
    writing.flags(share, truth)
    tables = [[TOTAL - (int(s) << 8), int(s) << 8] for s in share]
    assert decoded_by_hand(writing.content(), tables) == truth.tolist()


@given(counts=st.lists(st.integers(1, 2**20), min_size=2, max_size=40), seed=st.integers(0, 99))
def test_symbols_are_coded_with_exactly_the_integers_that_were_asked_for(
    counts: list[int], seed: int
) -> None:
    table = frequencies(np.array(counts, dtype=np.int64))
    assert int(table.sum()) == TOTAL
    assert int(table.min()) >= 1
    truth = np.random.default_rng(seed).integers(0, len(counts), 30)
    writing = Writing()
    writing.symbols(table, 30, truth)
    assert decoded_by_hand(writing.content(), [table.tolist()] * 30) == truth.tolist()


def test_logits_and_shares_are_the_same_on_every_machine() -> None:
    content = logistic._logits().astype("<i8").tobytes() + logistic._shares().astype("<i8").tobytes()
    assert hashlib.sha256(content).hexdigest() == TABLES
    half = logistic._shares()[logistic.LIMIT]
    assert Fraction(int(half), 2**16) == Fraction(1, 2)
    assert (np.diff(logistic._shares()) >= 0).all()


def smooth_flags(steps: int, lines: int) -> np.ndarray:
    """Flags in runs, made of whole numbers alone."""
    i, j = np.meshgrid(np.arange(steps), np.arange(lines), indexing="ij")
    return ((i * i + 7 * j) // 9 % 11 < 3) & ((i * j) % 13 != 5)


def test_what_is_written_stays_the_same_from_release_to_release() -> None:
    content = pack_positions(smooth_flags(60, 50))
    assert content[0] == AROUND
    assert hashlib.sha256(content).hexdigest() == POSITIONS


def test_flags_in_runs_take_fewer_bytes_than_their_own_entropy() -> None:
    mask = smooth_flags(120, 90)
    share = mask.mean()
    entropy = -mask.size * (share * np.log2(share) + (1 - share) * np.log2(1 - share)) / 8
    assert len(pack_positions(mask)) < 0.8 * entropy


MASKS = arrays.arrays(bool, st.tuples(st.integers(0, 40), st.integers(0, 60)), elements=st.booleans())


@settings(max_examples=40)
@given(mask=MASKS)
def test_positions_read_back_and_take_at_most_a_bit_each_and_a_byte(mask: np.ndarray) -> None:
    content = pack_positions(mask)
    assert len(content) <= 1 + (mask.size + 7) // 8
    assert np.array_equal(read_positions(content, *mask.shape), mask)


@settings(max_examples=40)
@given(mask=MASKS, alphabet=st.sampled_from([1, 2, 3, 31, 32, 255, 256, 257, 1000]), seed=st.integers(0, 9))
def test_codes_read_back_and_take_at_most_their_bits_and_a_byte(
    mask: np.ndarray, alphabet: int, seed: int
) -> None:
    codes = np.random.default_rng(seed).integers(0, alphabet, mask.shape)
    content = pack_codes(codes, mask, alphabet)
    bits = max(1, (alphabet - 1).bit_length())
    assert len(content) <= 1 + (int(mask.sum()) * bits + 7) // 8
    assert np.array_equal(read_codes(content, mask, alphabet), np.where(mask, codes, 0))


def test_a_matrix_on_its_side_takes_the_same_bytes() -> None:
    mask = smooth_flags(80, 40)
    codes = np.cumsum(mask, axis=0) % 16
    lying, context = pack_positions(mask), pack_positions(mask.T)
    assert lying[0] == context[0] == AROUND
    assert lying[1] ^ 1 == context[1]
    assert lying[2:] == context[2:]
    assert np.array_equal(read_positions(context, 40, 80), mask.T)
    everywhere = np.ones_like(mask)
    lying, context = pack_codes(codes, everywhere, 16), pack_codes(codes.T, everywhere.T, 16)
    assert lying[2:] == context[2:]
    assert np.array_equal(read_codes(context, everywhere.T, 16), codes.T)


def test_the_stride_of_an_image_is_found() -> None:
    image = np.sin(np.arange(14) / 3)[:, None] * np.sin(np.arange(20) / 5)[None]
    rows = np.stack([np.roll(image, k, (0, 1)).reshape(-1) for k in range(25)])
    found = next(neighbors.scans((rows * 100).astype(np.int64)))
    assert found.stride == 20


@given(
    bits=arrays.arrays(
        np.uint32, st.integers(0, 300), elements=st.integers(0, 2**32 - 1) | st.sampled_from([0, 2**31])
    )
)
def test_any_bits_of_float32_read_back(bits: np.ndarray) -> None:
    tensor = torch.from_numpy(bits.view(np.float32))
    content = pack_numbers(tensor)
    assert len(content) <= 1 + 4 * len(bits)
    read = read_numbers(content, type_number(tensor), (len(bits),))
    assert np.array_equal(read.numpy().view(np.uint32), bits)


def test_the_exponents_of_weights_are_worth_coding() -> None:
    weight = torch.randn(5000, generator=torch.Generator().manual_seed(1)) / 10
    assert len(pack_numbers(weight)) < 0.9 * weight.nbytes


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16, torch.int64, torch.bool, torch.uint8])
def test_every_type_reads_back(kind: torch.dtype) -> None:
    tensor = torch.arange(12).reshape(3, 4).to(kind)
    assert torch.equal(read_numbers(pack_numbers(tensor), type_number(tensor), (3, 4)), tensor)


@given(numbers=st.lists(st.integers(0, 2**63 - 1)), signed=st.lists(st.integers(-(2**60), 2**60)))
def test_numbers_of_a_header_read_back(numbers: list[int], signed: list[int]) -> None:
    writer = Writer()
    for number in numbers:
        writer.number(number)
    for number in signed:
        writer.signed(number)
    reader = Reader(writer.content())
    assert [reader.number() for _ in numbers] == numbers
    assert [reader.signed() for _ in signed] == signed
    reader.at_end()


@pytest.mark.parametrize("content", [b"", b"\x80", b"\xff" * 12])
def test_a_number_that_does_not_end_is_refused(content: bytes) -> None:
    with pytest.raises(Damaged):
        Reader(content).number()


@settings(max_examples=60)
@given(content=st.binary(max_size=60), rows=st.integers(0, 40), columns=st.integers(0, 40))
def test_any_bytes_are_read_as_something_or_refused(content: bytes, rows: int, columns: int) -> None:
    for way in range(4):
        for read in (
            lambda c: read_positions(c, rows, columns),
            lambda c: read_codes(c, smooth_flags(rows, columns), 30),
            lambda c: read_numbers(c, 0, (rows, columns)),
        ):
            try:
                found = read(bytes([way]) + content)
            except Damaged:
                continue
            assert tuple(found.shape) == (rows, columns)


@pytest.mark.parametrize("size", [(2**20, 2**20), (2**40, 3)])
def test_more_flags_than_the_bytes_can_stand_for_are_refused_unmade(size: tuple[int, int]) -> None:
    with pytest.raises(Damaged):
        read_positions(bytes(50), *size)


def test_the_surest_flags_cost_what_the_cap_on_their_number_counts_on() -> None:
    none = np.zeros((2000, 1000), dtype=bool)
    content = pack_positions(none)
    coder.refuse_more_than(len(content), none.size)
    assert not read_positions(content, 2000, 1000).any()
    writing, zeros = Writing(), np.zeros(10**7, dtype=np.int64)
    code_symbols(writing, 2, len(zeros), zeros)
    coder.refuse_more_than(len(writing.content()), len(zeros))


@pytest.mark.slow
def test_a_large_matrix_is_written_with_its_neighbors_where_its_corner_gains() -> None:
    large = smooth_flags(600, 1100)
    content = pack_positions(large)
    assert content[0] == AROUND
    assert np.array_equal(read_positions(content, 600, 1100), large)
    noise = np.random.default_rng(0).random((600, 1100)) < 0.5
    assert len(pack_positions(noise)) == 1 + noise.size // 8


def test_codes_take_the_bytes_that_they_have_in_files_of_this_version() -> None:
    drawn = np.random.default_rng(3)
    for (alphabet, kept), known in CODES.items():
        walk = drawn.normal(size=(60, 90)).cumsum(1)
        codes = np.clip((walk * alphabet / 40 + alphabet / 2).round(), 0, alphabet - 1).astype(np.int64)
        mask = drawn.random(codes.shape) < kept
        content = pack_codes(np.where(mask, codes, 0), mask, alphabet)
        assert hashlib.sha256(content).hexdigest()[:16] == known
        assert np.array_equal(read_codes(content, mask, alphabet), np.where(mask, codes, 0))


@pytest.mark.parametrize(
    ("shape", "most"),
    [((300, 784), 2.0), ((512, 1024), 2.0), ((256, 2304), 1.5), ((512, 4608), 1.2), ((2048, 8192), 1.02)],
)
def test_the_way_through_a_large_matrix_is_found_on_a_small_part_of_it(
    shape: tuple[int, int], most: float
) -> None:
    matrix, written = np.zeros(shape, dtype=np.int64), []

    def write(_: neighbors.Scan, crop: neighbors.Crop) -> bytes:
        written.append(matrix[crop].size)
        return bytes(len(written))

    assert neighbors.shortest(matrix, write, lambda _: bytes(9)) is not None
    assert sum(written) <= most * matrix.size


def test_a_matrix_with_too_many_columns_has_no_neighbors() -> None:
    long = np.zeros((1, neighbors.MOST_STEPS + 1), dtype=np.int64)
    assert [scan.turned for scan in neighbors.scans(long)] == [True]
    with pytest.raises(Damaged):
        neighbors.Scan(False, 3).shape(*long.shape)


def test_half_a_word_is_refused() -> None:
    with pytest.raises(Damaged):
        Reading(b"abc")


def written_by_constriction(share: np.ndarray, truth: np.ndarray) -> bytes:
    ones = share << (TOTAL_BITS - 16)
    pairs = np.stack([TOTAL - 1 - ones, ones - 1], axis=1).astype(np.float32)  # it adds one to each
    peer = constriction.stream.queue.RangeEncoder()
    if len(truth):
        peer.encode(truth.astype(np.int32), constriction.stream.model.Categorical(perfect=False), pairs)
    return peer.get_compressed().astype("<u4").tobytes()


@given(drawn=st.lists(st.tuples(st.integers(1, 2**16 - 1), st.integers(0, 1)), max_size=400))
def test_a_stream_is_the_one_that_constriction_writes(drawn: list[tuple[int, int]]) -> None:
    share, truth = (np.array([d[i] for d in drawn], dtype=np.int64) for i in (0, 1))
    writing = Writing()
    writing.flags(share, truth)
    assert writing.content() == written_by_constriction(share, truth)
    assert np.array_equal(Reading(writing.content()).flags(share, None), truth)


@given(word=st.integers(1, WORD - 1), seed=st.integers(0, 99), last=st.integers(0, 1))
def test_words_that_a_carry_may_change_are_held_back_until_it_is_sure(
    word: int, seed: int, last: int
) -> None:
    edge = word.to_bytes(4, "little") + bytes(80)  # the interval lies on both sides of it as long as possible
    share = np.random.default_rng(seed).integers(2**10, 2**16 - 2**10, 200)
    try:
        truth = Reading(edge).flags(share, None)
    except Damaged:  # in the sliver of the interval that no symbol has
        reject()
    writing = Writing()
    writing.flags(share, truth)
    assert writing._state[HELD] > 1
    share, truth = np.append(share, np.full(9, 2**15)), np.append(truth, np.full(9, last))
    writing.flags(share[-9:], truth[-9:])
    assert writing.content() == written_by_constriction(share, truth)
    assert np.array_equal(Reading.of_shortest(writing.shortest()).flags(share, None), truth)


BEFOREHAND = """
import importlib, pkgutil
from numba.core.dispatcher import Dispatcher
import compress_core as cc
from compress_core.deliver import packing
from compress_core.deliver.packed_file import pack_bytes
from compress_core.deliver.packing.beforehand import compile_beforehand

names = [found.name for found in pkgutil.iter_modules(packing.__path__)]
rooms = [importlib.import_module(f"{packing.__name__}.{name}") for name in names]
loops = {thing for room in rooms for thing in vars(room).values() if isinstance(thing, Dispatcher)}
compile_beforehand()
before = {loop: set(loop.signatures) for loop in loops}
assert len(before) > 10
for step in "magnitude, sparsity: 0.9", "uniform, bits: 4", "kmeans, bits: 3":
    recipe = "{version: 2, layers: [{match: '*', steps: [{technique: %s}]}]}" % step
    pack_bytes(cc.compress(cc.load("tabular"), recipe))
later = {str(loop): set(loop.signatures) - before[loop] for loop in loops}
assert not any(later.values()), later
"""


@pytest.mark.slow
def test_nothing_is_left_to_compile_once_all_was_compiled_beforehand() -> None:
    ended = subprocess.run([sys.executable, "-c", BEFOREHAND], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]


WITH_BOUNDS = """
from collections import Counter
import numpy as np
from numba import config
from compress_core.deliver.packing.codes import codes_around
from compress_core.deliver.packing.coder import Allowance, Damaged, Reading
from compress_core.deliver.packing.joint_stream import JointStream
from compress_core.deliver.packing.positions import flags_around
from compress_core.deliver.packing.sparse_matrix import code_sparse

assert config.BOUNDSCHECK
drawn, ends = np.random.default_rng(1), Counter()
for _ in range(500):
    content = drawn.integers(0, 256, 4 * drawn.integers(1, 120), dtype=np.uint8).tobytes()
    shape = int(drawn.integers(1, 20)), int(drawn.integers(1, 20))
    stride, alphabet, share = (int(drawn.integers(*ends)) for ends in ((3, 257), (1, 257), (0, 4097)))
    ways = (
        lambda: codes_around(Reading(content), drawn.random(shape) < 0.8, alphabet, stride),
        lambda: flags_around(Reading(content), shape, stride, share),
        lambda: code_sparse(JointStream(Reading(content), Allowance(10**6, 10**8)), shape, None),
    )
    for read in ways:
        try:
            read()
            ends["read"] += 1
        except Damaged:
            ends["damaged"] += 1
assert min(ends["read"], ends["damaged"]) > 50, ends
"""


@pytest.mark.slow
def test_no_stream_of_random_bytes_leads_beyond_the_ends_of_an_array(pytestconfig: pytest.Config) -> None:
    """Compiled loops look at no bounds by themselves: here they do, and raise IndexError beyond them.

    They are compiled again when a source beside them changes (compress_core/foundation/machine_code.py).
    """
    assert pytestconfig.cache is not None
    kept = pytestconfig.cache.mkdir("loops_with_bounds")
    environment = {**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(kept)}
    ended = subprocess.run(
        [sys.executable, "-c", WITH_BOUNDS], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
