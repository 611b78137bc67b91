"""What a packed file says of removed channels takes few bytes, and comes back number by number."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from compress_core.apply.run import compress
from compress_core.deliver.packed_file import pack_bytes, read_packed, write_packed
from compress_core.deliver.packing.coder import Allowance, Damaged
from compress_core.deliver.packing.short_cuts import with_full_cuts, with_short_cuts
from compress_core.foundation.store import Store
from compress_core.recipe.reading import parse_recipe
from tests.subjects import loaded_sample

FEW = [3, 17, 40, 41, 99, 230, 231, 232, 260, 300, 377, 410, 498]
EVERY = {
    "none": [],
    "one": [0],
    "a run": list(range(100)),
    "few of many": FEW,
    "the same again": FEW,
    "four of each": [4 * channel + place for channel in FEW for place in range(4)],
}


def structure_of(*kept: list[int]) -> dict[str, Any]:
    cuts = [[f"layer{i}", "out", list(k)] for i, k in enumerate(kept)]
    return {"folded": [], "rescaled": [], "cuts": cuts, "dropped": []}


def test_every_cut_comes_back() -> None:
    structure = structure_of(*EVERY.values())
    assert with_full_cuts(with_short_cuts(structure), Allowance()) == structure


def test_what_was_kept_before_is_said_by_its_number() -> None:
    short = with_short_cuts(structure_of(*EVERY.values()))
    said = {name: cut[2] for name, cut in zip(EVERY, short["cuts"], strict=True)}
    assert said["the same again"] == "=3"
    assert said["four of each"] == "=3*4"


def test_of_a_structure_that_was_only_cut_the_cuts_alone_are_told() -> None:
    assert list(with_short_cuts(structure_of(FEW))) == ["cuts"]


def test_numbers_as_older_files_have_them_are_read() -> None:
    structure = structure_of(*EVERY.values())
    assert with_full_cuts(structure, Allowance()) == structure


def test_flags_take_less_than_half_of_the_numbers() -> None:
    ((_, _, said),) = with_short_cuts(structure_of(FEW))["cuts"]
    assert len(said) < 0.6 * len(str(FEW))


DAMAGED = {
    "no number": "x:AAAA",
    "a sign": "=-1",
    "one that comes later": "=1",
    "a number that is too long": "=0*1000000000000",
    "more than its bytes can say": "9000000:AAAAAA==",
    "no base 64": "12:***",
}


@pytest.mark.parametrize("said", DAMAGED.values(), ids=DAMAGED)
def test_damaged_text_is_noticed(said: str) -> None:
    structure = structure_of(FEW, [])
    structure["cuts"][1][2] = said
    with pytest.raises((ValueError, IndexError)):
        with_full_cuts(structure, Allowance(values=1000))


def test_no_more_channels_are_made_than_allowed() -> None:
    structure = structure_of(FEW, [])
    structure["cuts"][1][2] = "=0*99999"
    with pytest.raises(Damaged):
        with_full_cuts(structure, Allowance(values=1000))


def test_a_network_with_removed_channels_packs_in_less_and_reads_back(tmp_path: Any) -> None:
    subject = loaded_sample("lenet5")
    shares = {"conv1": 0.6, "conv2": 0.7, "fc1": 0.95}
    groups = [
        {"match": n, "steps": [{"technique": "magnitude", "share_removed": s}]} for n, s in shares.items()
    ]
    step = {"match": "*", "steps": [{"technique": "uniform", "bits": 2, "granularity": "per_tensor"}]}
    model = compress(subject, parse_recipe({"groups": groups, "layers": [step]}), Store())
    write_packed(model, tmp_path / "small.slim")
    state = read_packed(tmp_path / "small.slim", subject).state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.network().state_dict().items())
    assert len(pack_bytes(model)) < 2_900
