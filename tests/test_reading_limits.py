"""Files that claim far more than their bytes: refused in one sentence before anything large is made."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from safetensors.torch import save
from torch import Tensor, nn
from typer.testing import CliRunner

from compress_core.apply.model import with_checksum
from compress_core.apply.run import compress
from compress_core.cli import app
from compress_core.deliver import packed_file, plain_container
from compress_core.deliver.packed_file import read_packed, read_packed_state
from compress_core.deliver.packing import codes, positions
from compress_core.deliver.packing.bytestream import Writer
from compress_core.deliver.packing.coder import Writing
from compress_core.deliver.packing.directory import (
    CODED,
    COMMON,
    PLAIN,
    SMALL,
    SPARSE,
    TWIN,
    Entry,
    write_directory,
)
from compress_core.deliver.packing.entries import write_pieces
from compress_core.deliver.packing.numbers import PLANES
from compress_core.deliver.packing.reading_limits import limits_of_file
from compress_core.deliver.packing.symbols import code_symbols
from compress_core.deliver.plain_container import read_container
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.levels.spread import spread
from compress_core.recipe.values import Step
from compress_core.techniques.contract.encoded import codes_from_bits, read_stored
from tests.subjects import mlp_subject, rules

SUBJECT = mlp_subject()
WIDE = 2**26


def number(*values: int) -> bytes:
    writer = Writer()
    for value in values:
        writer.number(value)
    return writer.content()


def packed(directory: bytes, contents: bytes, architecture: bytes = b"", structure: bytes = b"") -> bytes:
    """A packed file of the small model with any parts, its checksum right."""
    writer = Writer()
    writer.raw(packed_file.MAGIC + bytes([packed_file.VERSION]))
    writer.run(SUBJECT.name.encode())
    writer.raw(bytes.fromhex(SUBJECT.digest)[:8])
    for part in (architecture, structure):
        writer.run(packed_file._deflated(part))
    writer.run(packed_file._deflated(directory, COMMON))
    body = writer.content() + contents
    return body + zlib.crc32(body).to_bytes(4, "little")


def listing(**entries: Entry) -> bytes:
    return write_directory(entries, list(entries.values()))


def one_weight(content: bytes, rows: int, columns: int) -> bytes:
    return packed(listing(w=Entry(CODED, (rows, columns), (rows,), (len(content),))), content)


def row_of_numbers(content: bytes) -> Entry:
    return Entry(PLAIN, (100_000,), (0,), (len(content),))


def zeros(count: int) -> bytes:
    """So many zeros, entropy-coded."""
    coder = Writing()
    code_symbols(coder, 2, count, np.zeros(count, dtype=np.int64))
    return coder.content()


def run(content: bytes) -> bytes:
    return number(len(content)) + content


def twins() -> bytes:
    """One tensor of a hundred thousand zeros under a thousand names."""
    content = bytes([PLANES]) + run(zeros(100_000)) * 4
    others = {f"n{i}": Entry(TWIN, (), (0,)) for i in range(1000)}
    return packed(listing(first=row_of_numbers(content), **others), content)


def names() -> bytes:
    """One tensor that the network takes under ten thousand names."""
    content = bytes([PLANES]) + run(zeros(100_000)) * 4
    said = {"code": "", "names": {f"n{i}": "first" for i in range(10_000)}}
    return packed(listing(first=row_of_numbers(content)), content, architecture=json.dumps(said).encode())


def flags() -> bytes:
    """Positions of sixty-seven million weights in eight kilobytes."""
    content = number(1) + run(bytes([positions.PLAIN]) + bytes(8000)) + number(0) + bytes([0])
    return one_weight(content, WIDE // 1024, 1024)


def steps() -> bytes:
    """Many scans of a single line: each step has a cost of its own."""
    content = number(0, 1, 253, 254, 0, 0, 0) + run(bytes(5))
    content += bytes([codes.AROUND]) + number(6) + bytes(40)
    entry = Entry(CODED, (1, 2**14), (1,), (len(content),))
    return packed(listing(**{f"w{i}": entry for i in range(100)}), content * 100)


def empty_rows() -> bytes:
    """Weights of nothing but empty columns, which take no bytes in the joint stream."""
    return packed(listing(**{f"w{i}": Entry(SPARSE, (2**12, 2**14), (2**12,)) for i in range(9)}), b"")


def empty_columns() -> bytes:
    """Small weights, two and a half times as many as are read: each question has a cost of its own."""
    return packed(listing(**{f"w{i}": Entry(SPARSE, (1, 300), (1,)) for i in range(600)}), b"")


def small_numbers() -> bytes:
    """Rows of zeros in the joint stream."""
    return packed(listing(**{f"w{i}": Entry(SMALL, (2**21,), (0,)) for i in range(9)}), b"")


def table() -> bytes:
    """A table of its own for each of many rows."""
    content = number(0, 3, 2**15, 1) + run(bytes([PLANES]) + run(bytes(2**13)) * 4)
    return one_weight(content, 2**12, 1)


def entries_without_end() -> bytes:
    return packed(number(2**20) + bytes(2**20), b"")


BOMBS: Mapping[str, Callable[[], bytes]] = {
    "twins": twins,
    "names": names,
    "flags": flags,
    "steps": steps,
    "table": table,
    "empty rows": empty_rows,
    "empty columns": empty_columns,
    "small numbers": small_numbers,
    "entries": entries_without_end,
    "directory": lambda: packed(bytes(2**24), b""),
    "structure": lambda: packed(number(0), b"", structure=b" " * 2**24),
    "architecture": lambda: packed(number(0), b"", architecture=b" " * 2**24),
}


SLOW_ONES = {"empty columns"}
EACH = [pytest.param(bomb, marks=pytest.mark.slow if bomb in SLOW_ONES else ()) for bomb in BOMBS]


@pytest.mark.parametrize("bomb", EACH)
def test_a_small_file_that_claims_gigabytes_is_refused(bomb: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.slim"
    path.write_bytes(BOMBS[bomb]())
    assert path.stat().st_size < 70_000
    with pytest.raises(Refused, match="can stand for"):
        read_packed_state(path)
    with pytest.raises(Refused):
        read_packed(path, SUBJECT)
    result = CliRunner().invoke(app, ["unpack", str(path), "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert not (tmp_path / "out").exists()


def test_a_group_wider_than_its_row_makes_no_more_than_the_row() -> None:
    assert spread(torch.ones(3, 1), 4, 2**40).shape == (3, 1)
    assert spread(torch.ones(3, 50), 4, 2**30).shape == (3, 1)
    assert spread(torch.ones(3, 50), 4, 3).shape == (3, 4)


def test_a_tensor_that_safetensors_has_no_name_for_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.slim").write_bytes(packed(listing(__metadata__=Entry(PLAIN, (0,), (0,), (1,))), b"\0"))
    with pytest.raises(Refused, match="damaged"):
        read_packed_state(tmp_path / "a.slim")


@pytest.mark.parametrize(("values", "size"), [(4_000_000, 300), (25_000_000, 50_000), (138_000_000, 280_000)])
def test_what_is_nearly_all_zeros_may_still_be_read_from_its_file_alone(values: int, size: int) -> None:
    """A layer of zeros, and networks of which one weight in a thousand is left."""
    limits = limits_of_file(size)
    assert limits.values >= values
    assert limits.work >= values


# --- the plain container ---------------------------------------------------------------------------------


def contained(form: Mapping[str, object], tensors: dict[str, Tensor], folder: Path) -> Path:
    """A container of the small model with any form, its checksum right."""
    said = json.dumps({"version": 1, "model": SUBJECT.name, "digest": SUBJECT.digest, **form})
    checksum = plain_container._checksum(said, tensors)
    path = folder / "bomb.safetensors"
    path.write_bytes(save(tensors, {"slimscope": with_checksum(said, checksum)}))
    return path


FEW = {"fc1:codes": torch.zeros(48, dtype=torch.uint8), "fc1:scale": torch.ones(8, 1)}
GRID = {"shape": [8, 6], "levels": "grid", "low": -127, "high": 127, "group": None}


@pytest.mark.parametrize(
    "changed",
    [
        {"group": 2**40},
        {"group": 0},
        {"group": -3},
        {"group": 1.5},
        {"low": -(10**300), "high": 10**300},
        {"low": "a"},
        {"shape": [2**31, 2**31]},
        {"shape": [8, 6, 1]},
        {"shape": [-8, -6]},
        {"levels": "other"},
    ],
    ids=str,
)
def test_a_container_whose_form_claims_anything_is_refused_or_read(
    changed: Mapping[str, object], tmp_path: Path
) -> None:
    path = contained({"layers": {"fc1": {**GRID, **changed}}}, FEW, tmp_path)
    try:
        network = read_container(path, SUBJECT)
    except Refused:
        return
    assert network.state_dict()["fc1.weight"].shape == (8, 6)


def test_factors_of_a_rank_that_no_bytes_stand_for_are_refused(tmp_path: Path) -> None:
    wide = 2**28
    layers = {
        "fc1.0": {"shape": [wide, 6], "levels": "table"},
        "fc1.1": {"shape": [8, wide], "levels": "table"},
    }
    tensors = {f"{name}:{part}": torch.zeros(4, dtype=torch.uint8) for name in layers for part in ("codes",)}
    with pytest.raises(Refused, match="damaged"):
        read_container(contained({"layers": layers}, tensors, tmp_path), SUBJECT)


def test_a_weight_of_more_values_than_bits_is_refused_unmade() -> None:
    with pytest.raises(ValueError, match=str(2**42)):
        read_stored({"codes": torch.zeros(4, dtype=torch.uint8)}, {**GRID, "shape": [2**21, 2**21]})


@pytest.mark.parametrize(("bits", "count"), [(14_000, 10), (0, 1), (-1, 1), (5, 100)])
def test_codes_wider_than_two_bytes_or_missing_are_refused_unmade(bits: int, count: int) -> None:
    with pytest.raises(ValueError, match=str(bits)):
        codes_from_bits(np.zeros(4, np.uint8), bits, count)


@pytest.mark.parametrize("kept", [[0] * 1000, [2, 1], [[0, 1]], [0.5], ["a"], [True, False]])
def test_channels_that_are_kept_twice_or_out_of_order_are_refused(kept: list[object], tmp_path: Path) -> None:
    structure = {"folded": [], "rescaled": [], "dropped": [], "cuts": [["fc1", "out", kept]]}
    with pytest.raises(Refused):
        read_container(contained({"layers": {}, "structure": structure}, {}, tmp_path), SUBJECT)


def test_a_header_without_end_is_refused_unread(tmp_path: Path) -> None:
    for length, is_read in ((2**10, True), (2**22, False)):
        path = contained({"layers": {}, "more": "x" * length}, {}, tmp_path)
        if is_read:
            assert read_container(path, SUBJECT).state_dict().keys() == SUBJECT.network.state_dict().keys()
            continue
        with pytest.raises(Refused, match="damaged"):
            read_container(path, SUBJECT)


# --- any change under a right checksum ---------------------------------------------------------------------

MODEL = compress(
    SUBJECT,
    rules(
        fc1=(Step.of("magnitude", sparsity=0.8), Step.of("uniform")),
        fc2=Step.of("low_rank", rank=2),
        fc3=Step.of("kmeans", bits=2, granularity="per_channel"),
    ),
    Store(),
)
DIRECTORY, CONTENTS = write_pieces(packed_file._pieces(MODEL))


def mutated(content: bytes, draw: random.Random) -> bytes:
    """The content with a few bytes changed, taken out, repeated, or made a large number."""
    found = bytearray(content)
    for _ in range(draw.choice([1, 1, 2, 4, 16])):
        place = draw.randrange(len(found))
        match draw.randrange(4):
            case 0:
                found[place] = draw.choice([0, 1, 2, 127, 128, 255, draw.randrange(256)])
            case 1:
                found[place:place] = draw.choice([b"\xff" * 8 + b"\x01", b"\x80\x80\x80\x01", b"\0"])
            case 2:
                del found[place : place + draw.choice([1, 2, 8])]
            case _:
                found[place:place] = found[max(0, place - draw.choice([3, 10, 30])) : place]
    return bytes(found)


OFTEN_IN_DIRECTORY = 0.3
"""Most changes of a name are no text, and end the reading before it comes to the contents."""


def shapes(network: nn.Module) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in network.state_dict().items()}


def assert_mutations_are_refused_or_read(seed: int, count: int, folder: Path) -> None:
    draw, path = random.Random(seed), folder / "mutated.slim"
    for _ in range(count):
        directory = mutated(DIRECTORY, draw) if draw.random() < OFTEN_IN_DIRECTORY else DIRECTORY
        parts = (directory, mutated(CONTENTS, draw) if directory is DIRECTORY else CONTENTS)
        path.unlink(missing_ok=True)  # what is cut off and written again waits for the disk
        path.write_bytes(packed(*parts))
        with suppress(Refused):
            assert all(isinstance(tensor, Tensor) for tensor in read_packed_state(path).state.values())
        with suppress(Refused):
            assert shapes(read_packed(path, SUBJECT)) == shapes(MODEL.network())


def test_mutated_files_are_refused_or_read(tmp_path: Path) -> None:
    assert_mutations_are_refused_or_read(0, 80, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
def test_many_mutated_files_are_refused_or_read(seed: int, tmp_path: Path) -> None:
    """As often as one likes: HYPOTHESIS_PROFILE=explore meets five times as many."""
    assert_mutations_are_refused_or_read(seed, 20 * settings.default.max_examples, tmp_path)
