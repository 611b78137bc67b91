"""The packed file holds what was evaluated, is smaller than its rivals, and refuses what is broken."""

from __future__ import annotations

import heapq
import json
import math
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor, nn
from typer.testing import CliRunner, Result

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.cli import app
from compress_core.deliver import packed_file
from compress_core.deliver.packed_file import pack_bytes, read_packed, read_packed_state, write_packed
from compress_core.deliver.packing import entries
from compress_core.deliver.packing.bytestream import Writer
from compress_core.deliver.packing.coder import Damaged
from compress_core.deliver.packing.directory import (
    CODED,
    COMMON,
    PLAIN,
    SMALL,
    SPARSE,
    TURNED,
    TWIN,
    Entry,
    write_directory,
)
from compress_core.deliver.packing.reading_limits import ReadingLimits
from compress_core.deliver.packing.shorter_way import bytes_alone
from compress_core.deliver.packing.weight_stream import pack_weight, read_weight
from compress_core.deliver.plain_container import read_container, write_container
from compress_core.deliver.python_source import model_source
from compress_core.deliver.same_bits import same_bits, same_state
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.network.one_memory import MemoryView
from compress_core.recipe.values import Recipe, Rule, Step
from compress_core.structure.structure import Structure
from compress_core.subject.subject import Subject, restructured
from compress_core.techniques.contract.encoded import EncodedWeight
from compress_core.techniques.contract.input_rules import KeepAbove
from tests.subjects import (
    everything_subject,
    loaded_sample,
    mlp_subject,
    rules,
    seeded,
    tiny_subject,
    with_calibration,
    write_anew,
)
from tests.test_container import recipes

SUBJECT = everything_subject()
STORE = Store()


def assert_file_is_the_model(model: Model, path: Path) -> None:
    """What is read back, by the file alone and into a network, is what was evaluated."""
    assert write_packed(model, path) == path.stat().st_size
    evaluated = model.network().state_dict()
    alone, read = read_packed_state(path).state, read_packed(path, model.subject).state_dict()
    assert evaluated.keys() == alone.keys() == read.keys()
    assert same_state(evaluated, alone)
    assert same_state(evaluated, dict(read))


@pytest.mark.slow
@settings(max_examples=25)
@given(recipe=recipes())
def test_any_recipe_reads_back_equal(tmp_path_factory: pytest.TempPathFactory, recipe: Recipe) -> None:
    model = compress(SUBJECT, recipe, STORE)
    path = tmp_path_factory.getbasetemp() / "any.slim"
    assert_file_is_the_model(model, path)
    inputs = SUBJECT.split("validation").inputs
    assert torch.equal(read_packed(path, SUBJECT)(inputs), model.network()(inputs))


@pytest.mark.parametrize(
    "step",
    [
        Step.of("uniform", bits=4, granularity="per_tensor"),
        Step.of("affine", bits=3),
        Step.of("power_of_two", bits=4),
        Step.of("kmeans", bits=3, granularity="per_channel"),
        Step.of("normal_float"),
        None,
    ],
)
@pytest.mark.parametrize("sparsity", [None, 0.6, 1.0])
def test_every_kind_of_levels_decodes_to_the_evaluated_values(
    step: Step | None, sparsity: float | None
) -> None:
    steps = (None if sparsity is None else Step.of("magnitude", sparsity=sparsity), step)
    if steps == (None, None):
        return
    model = compress(mlp_subject(), rules(fc1=tuple(s for s in steps if s is not None)), Store())
    (encoded,) = model.compressed["fc1"].encoded
    assert same_bits(read_weight(pack_weight(encoded), 8, 6), encoded.values)


@pytest.mark.parametrize("steps", [(), (Step.of("magnitude", sparsity=0.3),), (Step.of("uniform"),)])
def test_zeros_with_a_sign_are_written_as_they_were_evaluated(
    tmp_path: Path, steps: tuple[Step, ...]
) -> None:
    network = seeded(nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 3)))
    with torch.no_grad():
        network[0].weight[1:4] = -0.0
        network[0].bias[2] = -0.0
    model = compress(tiny_subject(network, (6,)), rules(any=steps) if steps else Recipe(), Store())
    assert_file_is_the_model(model, tmp_path / "zeros.slim")
    write_container(model, tmp_path / "zeros.safetensors")
    read = read_container(tmp_path / "zeros.safetensors", model.subject).state_dict()
    assert same_state(model.network().state_dict(), read)


# --- against what others would write -------------------------------------------------------------------


def huffman_bits(symbols: Sequence[int]) -> int:
    """Bits of all symbols in a Huffman code of their own, without its table."""
    heap = sorted(Counter(symbols).values())
    if len(heap) == 1:
        return len(symbols)
    total = 0
    while len(heap) > 1:
        merged = heapq.heappop(heap) + heapq.heappop(heap)
        total += merged
        heapq.heappush(heap, merged)
    return total


def entropy_bits(symbols: Sequence[int]) -> float:
    counts = Counter(symbols)
    return -sum(n * math.log2(n / len(symbols)) for n in counts.values())


def gaps_and_codes(encoded: EncodedWeight) -> tuple[list[int], list[int]]:
    """How many weights are skipped before each kept one, and its code."""
    assert encoded.mask is not None
    places = np.flatnonzero(encoded.mask.tensor.numpy())
    gaps = np.diff(places, prepend=-1) - 1
    return gaps.tolist(), encoded.codes.numpy().reshape(-1)[places].tolist()


def rival_bits(encoded: EncodedWeight) -> int:
    """Han et al. 2016, Deep Compression: Huffman of gaps of a fixed width, and of codes.

    Of the widths from 4 to 8 bits the best; a filler costs its gap only, and no table is counted.
    """
    gaps, codes = gaps_and_codes(encoded)
    best = min(
        huffman_bits([g for gap in gaps for g in [top] * (gap // top) + [gap % top]])
        for top in (2**width - 1 for width in range(4, 9))
    )
    return best + huffman_bits(codes)


@pytest.fixture(scope="module")
def lenet() -> Model:
    steps = (Step.of("magnitude", sparsity=0.9), Step.of("kmeans", bits=5))
    return compress(loaded_sample("lenet300"), rules(any=steps), Store())


@pytest.mark.slow
def test_the_weights_of_lenet_are_a_tenth_smaller_than_huffman_and_within_ideal_gaps(lenet: Model) -> None:
    pieces = packed_file._pieces(lenet)
    weights = [encoded for edited in lenet.compressed.values() for encoded in edited.encoded]
    payload = sum(bytes_alone(encoded)[0] for encoded in weights)
    tables = sum(encoded.bits.tables for encoded in weights) / 8
    rival = sum(rival_bits(encoded) for encoded in weights) / 8 + tables
    ideal = sum(entropy_bits(part) for encoded in weights for part in gaps_and_codes(encoded)) / 8
    assert payload <= 0.9 * rival
    assert payload <= 1.03 * ideal
    read = entries.read_pieces(*entries.write_pieces(pieces), most_values=10**6)
    evaluated = lenet.network().state_dict()
    assert all(torch.equal(read[name], evaluated[name]) for name in evaluated)


def test_a_sample_reads_back_equal_and_its_header_is_short(tmp_path: Path) -> None:
    steps = (Step.of("magnitude", sparsity=0.9), Step.of("kmeans", bits=5))
    model = compress(loaded_sample("tabular"), rules(any=steps), Store())
    assert_file_is_the_model(model, tmp_path / "tabular.slim")
    directory, contents = entries.write_pieces(packed_file._pieces(model))
    size = (tmp_path / "tabular.slim").stat().st_size
    assert len(packed_file._deflated(directory, COMMON)) < 20
    assert size - len(contents) < 64


def test_the_same_recipe_gives_the_same_bytes() -> None:
    recipe = rules(any=(Step.of("random_pruning", seed=3), Step.of("kmeans", bits=3)))
    assert pack_bytes(compress(everything_subject(), recipe, Store())) == pack_bytes(
        compress(SUBJECT, recipe, Store())
    )


# --- what tensors do not say ---------------------------------------------------------------------------


def test_a_tied_weight_is_stored_once_and_is_one_parameter_again(tmp_path: Path) -> None:
    model = Model.original(SUBJECT)
    assert_file_is_the_model(model, tmp_path / "tied.slim")
    kinds = {name: piece.entry.kind for name, piece in packed_file._pieces(model).items()}
    assert kinds["decode.weight"] == kinds["again.weight"] == TWIN
    network = read_packed(tmp_path / "tied.slim", SUBJECT)
    assert network.get_parameter("decode.weight") is network.get_parameter("words.weight")


@pytest.mark.parametrize(
    ("of", "shape", "stride", "offset"),
    [(0, (3, 2), (1, 3), 1), (0, (7,), (1,), 0), (2, (2,), (1,), 0), (1, (2,), (1,), 0), (0, (0,), (1,), 0)],
    ids=["one too far", "one too many", "of nothing", "of itself", "no value"],
)
def test_a_view_that_leaves_its_tensor_is_damage(
    of: int, shape: tuple[int, ...], stride: tuple[int, ...], offset: int
) -> None:
    whole = torch.arange(6.0).reshape(2, 3)
    good = entries.view_in(0, MemoryView("whole", (3, 2), (1, 3), 0))
    read = entries.read_pieces(*entries.write_pieces({"whole": entries.plain(whole), "turned": good}))
    assert torch.equal(read["turned"], whole.T)
    bad = entries.view_in(of, MemoryView("whole", shape, stride, offset))
    with pytest.raises(Damaged):
        entries.read_pieces(*entries.write_pieces({"whole": entries.plain(whole), "turned": bad}))


def test_a_transposed_convolution_is_coded_in_its_own_order(tmp_path: Path) -> None:
    model = compress(SUBJECT, rules(up=(Step.of("magnitude"), Step.of("uniform"))), Store())
    assert packed_file._pieces(model)["up.weight"].entry.kind == TURNED
    assert_file_is_the_model(model, tmp_path / "up.slim")


def test_projections_in_one_tensor_are_coded_apart(tmp_path: Path) -> None:
    recipe = Recipe((Rule("attention.k_proj", (Step.of("uniform", bits=2),)),))
    model = compress(SUBJECT, recipe, Store())
    piece = packed_file._pieces(model)["attention.in_proj_weight"]
    assert (piece.entry.kind, len(piece.contents)) == (CODED, 3)
    assert_file_is_the_model(model, tmp_path / "packed.slim")


def test_rules_for_inputs_are_read_back(tmp_path: Path) -> None:
    subject = mlp_subject()
    plain = compress(subject, rules(fc2=Step.of("low_rank", rank=2)), Store())
    model = replace(plain, inputs=MappingProxyType({"fc1": (KeepAbove(0.7),), "fc2": (KeepAbove(0.1),)}))
    assert_file_is_the_model(model, tmp_path / "rules.slim")
    inputs = subject.split("validation").inputs
    answered = read_packed(tmp_path / "rules.slim", subject)(inputs)
    assert torch.equal(answered, model.network()(inputs))
    assert not torch.equal(answered, plain.network()(inputs))


@pytest.mark.parametrize("match", ["cross.*", "depth", "*_proj"])
@pytest.mark.parametrize("technique", ["uniform", "low_rank"])
def test_a_bias_that_a_correction_added_is_read_back(tmp_path: Path, match: str, technique: str) -> None:
    subject = with_calibration(SUBJECT)
    recipe = Recipe((Rule(match, (Step.of(technique),)),), correct=(Step.of("bias_correction"),))
    model = compress(subject, recipe, Store())
    write_packed(model, tmp_path / "biased.slim")
    inputs = subject.split("calibration").inputs
    assert torch.equal(read_packed(tmp_path / "biased.slim", subject)(inputs), model.network()(inputs))


def test_a_folded_norm_is_read_back_as_nothing(tmp_path: Path) -> None:
    network = seeded(nn.Sequential(nn.Linear(6, 5, bias=False), nn.BatchNorm1d(5), nn.Linear(5, 3)))
    subject = tiny_subject(network, (6,))
    structure = Structure((("0", "1"),))
    base = restructured(subject, structure.built(network), structure, "folded")
    model = replace(Model.original(subject), base=base)
    assert_file_is_the_model(model, tmp_path / "folded.slim")
    read = read_packed(tmp_path / "folded.slim", subject)
    assert set(read.state_dict()) == {"0.weight", "0.bias", "2.weight", "2.bias"}
    inputs = subject.split("validation").inputs
    assert torch.equal(read(inputs), model.network()(inputs))


def test_a_network_that_holds_nan_reads_back(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Linear(6, 3))
    with torch.no_grad():
        network[0].weight[1, 2] = math.nan
    model = Model.original(tiny_subject(network, (6,)))
    write_packed(model, tmp_path / "nan.slim")
    read = read_packed(tmp_path / "nan.slim", model.subject).state_dict()
    assert torch.equal(read["0.weight"].isnan(), network[0].weight.isnan())


# --- damaged and foreign files -------------------------------------------------------------------------

MLP = mlp_subject()
MODEL = compress(
    MLP,
    rules(
        fc1=(Step.of("magnitude", sparsity=0.8), Step.of("uniform")),
        fc2=Step.of("low_rank", rank=2),
        fc3=Step.of("kmeans", bits=2, granularity="per_channel"),
    ),
    Store(),
)
CONTENT = pack_bytes(MODEL)


def assert_refused(content: bytes, folder: Path, subject: Subject = MLP, match: str = "damaged") -> None:
    """A file with this content is refused with one sentence."""
    path = folder / "file.slim"
    write_anew(path, content)
    with pytest.raises(Refused, match=match):
        read_packed(path, subject)


@given(length=st.integers(0, len(CONTENT) - 1))
def test_a_truncated_file_is_refused(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    assert_refused(CONTENT[:length], tmp_path_factory.getbasetemp())


@given(place=st.integers(0, len(CONTENT) - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_is_refused(tmp_path_factory: pytest.TempPathFactory, place: int, bit: int) -> None:
    damaged = bytearray(CONTENT)
    damaged[place] ^= 1 << bit
    assert_refused(bytes(damaged), tmp_path_factory.getbasetemp())


def signed(body: bytes) -> bytes:
    """The content with a checksum that is right."""
    return body + zlib.crc32(body).to_bytes(4, "little")


@pytest.mark.slow
@settings(max_examples=300)
@given(place=st.integers(5, len(CONTENT) - 5), byte=st.integers(0, 255), cut=st.integers(0, 3))
def test_a_changed_byte_under_a_right_checksum_is_refused_or_read(
    tmp_path_factory: pytest.TempPathFactory, place: int, byte: int, cut: int
) -> None:
    changed = bytearray(CONTENT[:-4])
    changed[place] = byte
    path = tmp_path_factory.getbasetemp() / "changed.slim"
    write_anew(path, signed(bytes(changed[: len(changed) - cut])))
    try:
        read = read_packed(path, MLP).state_dict()
    except Refused:
        return
    assert {n: t.shape for n, t in read.items()} == {
        n: t.shape for n, t in MODEL.network().state_dict().items()
    }


DIRECTORY, CONTENTS = entries.write_pieces(packed_file._pieces(MODEL))


def with_directory(directory: bytes, contents: bytes = CONTENTS) -> bytes:
    """The file with another directory, its checksum right."""
    deflated = packed_file._deflated(DIRECTORY, COMMON)
    head = CONTENT[: CONTENT.index(deflated) - 1]
    assert len(deflated) < 128 * 128
    head = head if len(deflated) < 128 else head[:-1]
    other = packed_file._deflated(directory, COMMON)
    writer = Writer()
    writer.run(other)
    return signed(head + writer.content() + contents)


def test_a_file_with_its_own_directory_is_the_file() -> None:
    assert with_directory(DIRECTORY) == CONTENT


@pytest.mark.slow
@settings(max_examples=300)
@given(place=st.integers(0, len(DIRECTORY) - 1), byte=st.integers(0, 255))
def test_any_change_of_the_directory_is_refused_or_read(
    tmp_path_factory: pytest.TempPathFactory, place: int, byte: int
) -> None:
    changed = bytearray(DIRECTORY)
    changed[place] = byte
    path = tmp_path_factory.getbasetemp() / "directory.slim"
    write_anew(path, with_directory(bytes(changed)))
    try:
        read = read_packed(path, MLP).state_dict()
    except Refused:
        return
    assert read.keys() == MODEL.network().state_dict().keys()


def piece_of(shape: tuple[int, ...], kind: int = PLAIN, content: bytes = b"\x00") -> bytes:
    """A file with one tensor that claims a shape."""
    lengths = (len(content),) if kind in (PLAIN, CODED) else ()
    about = (shape[0],) if kind in (CODED, SPARSE) else (0,)
    return with_directory(write_directory(["a"], [Entry(kind, shape, about, lengths)]), content)


@pytest.mark.parametrize("kind", [PLAIN, CODED, SMALL, SPARSE])
@pytest.mark.parametrize("shape", [(2**40,), (2**20, 2**20), (2**14, 2**13), (3,) * 17])
def test_a_tensor_larger_than_its_bytes_can_be_is_refused_unmade(
    tmp_path: Path, shape: tuple[int, ...], kind: int
) -> None:
    path = tmp_path / "large.slim"
    path.write_bytes(piece_of(shape, kind))
    with pytest.raises(Refused, match=r"damaged|can stand for"):
        read_packed_state(path)


def test_a_file_of_more_values_than_asked_for_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.slim").write_bytes(CONTENT)
    plenty = 10**9
    assert read_packed_state(tmp_path / "a.slim", ReadingLimits(10**6, plenty)).model == "tiny"
    for limits in (ReadingLimits(50, plenty), ReadingLimits(plenty, 50)):
        with pytest.raises(Refused, match="can stand for"):
            read_packed_state(tmp_path / "a.slim", limits)


def test_a_directory_that_inflates_without_end_is_refused(tmp_path: Path) -> None:
    assert_refused(with_directory(bytes(2**25)), tmp_path)


def test_a_file_of_another_model_is_refused_by_name(tmp_path: Path) -> None:
    assert_refused(CONTENT, tmp_path, SUBJECT, match=r"made of another model \('?tiny'?\): load that model")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"none\.slim is not there"):
        read_packed(tmp_path / "none.slim", MLP)


def test_a_file_that_does_not_read_back_is_not_called_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = compress(MLP, rules(fc1=Step.of("magnitude", sparsity=0.7)), Store())
    monkeypatch.setattr(packed_file, "pack_bytes", lambda _, source: pack_bytes(other, source))
    with pytest.raises(Refused, match="does not hold the evaluated values"):
        write_packed(compress(MLP, rules(fc2=Step.of("magnitude")), Store()), tmp_path / "file.slim")


# --- the commands --------------------------------------------------------------------------------------


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), prog_name="slimscope")


STEPS = ("--step", "*: magnitude sparsity=0.9", "--step", "*: kmeans bits=4")


def test_pack_and_unpack_give_the_evaluated_weights(tmp_path: Path) -> None:
    file, folder = tmp_path / "tabular.slim", tmp_path / "plain"
    packed = run("pack", "tabular", *STEPS, "--out", str(file), "--json")
    assert packed.exit_code == 0, packed.stderr
    said = json.loads(packed.stdout)
    assert said["bytes"]["value"] == file.stat().st_size
    sizes = {row["name"]: row["number"]["value"] for row in said["sizes"]}
    assert sizes["packed"] == file.stat().st_size < sizes["container"] < sizes["dense"]
    unpacked = run("unpack", str(file), "--out", str(folder), "--json")
    assert json.loads(unpacked.stdout)["tensors"] == len(load_file(folder / "model.safetensors"))
    steps = (Step.of("magnitude", sparsity=0.9), Step.of("kmeans", bits=4))
    subject = loaded_sample("tabular")
    evaluated: dict[str, Tensor] = compress(subject, rules(any=steps), Store()).network().state_dict()
    read = load_file(folder / "model.safetensors")
    assert all(torch.equal(read[name], evaluated[name]) for name in evaluated)


def test_the_commands_say_what_they_wrote(tmp_path: Path) -> None:
    file = tmp_path / "tabular.slim"
    packed = run("pack", "tabular", *STEPS, "--out", str(file))
    assert "read back and equal" in packed.stdout
    assert "why it differs" in packed.stdout
    unpacked = run("unpack", str(file), "--out", str(tmp_path / "plain"))
    assert "tensors of tabular" in unpacked.stdout


def test_the_commands_refuse_in_one_sentence(tmp_path: Path) -> None:
    stranger = tmp_path / "notes.txt"
    stranger.write_text("mine")
    arguments = [
        (("pack", "tabular", *STEPS), "add --out FILE"),
        (("pack", "tabular", *STEPS, "--out", str(stranger)), "was not written by slimscope"),
        (("pack", "tabular", *STEPS, "--out", str(tmp_path)), "is no file"),
        (("pack", "tabular", *STEPS, "--out", str(stranger / "a")), "cannot be written"),
        (("unpack", str(stranger)), "add --out DIR"),
        (("unpack", str(stranger), "--out", str(tmp_path / "a")), "damaged"),
        (("unpack", str(tmp_path / "none"), "--out", str(tmp_path / "a")), "is not there"),
    ]
    for given_arguments, sentence in arguments:
        result = run(*given_arguments)
        assert result.exit_code == 2
        assert sentence in " ".join(result.stderr.split())
    assert stranger.read_text() == "mine"
    (tmp_path / "good.slim").write_bytes(CONTENT)
    assert "cannot be written" in run("unpack", str(tmp_path / "good.slim"), "--out", str(stranger)).stderr


@pytest.mark.slow
def test_a_file_with_its_source_needs_neither_the_model_nor_our_code(tmp_path: Path) -> None:
    subject = loaded_sample("lenet300")
    model = compress(subject, rules(fc1=(Step.of("low_rank", rank=9), Step.of("uniform", bits=5))), STORE)
    path = tmp_path / "with.slim"
    write_packed(model, path, model_source(model))
    said = CliRunner().invoke(app, ["unpack", str(path), "--out", str(tmp_path / "plain")])
    assert said.exit_code == 0, said.output
    names: dict[str, Any] = {"__file__": str(tmp_path / "plain" / "model.py")}
    exec((tmp_path / "plain" / "model.py").read_text(), names)
    items = subject.split("validation").inputs[:5]
    with torch.inference_mode():
        assert torch.equal(names["load"]()(items), model.network()(items))


def test_unpacking_does_not_replace_somebody_elses_code(tmp_path: Path) -> None:
    lenet = Model.original(loaded_sample("lenet300"))
    path = tmp_path / "with.slim"
    write_packed(lenet, path, model_source(lenet))
    (tmp_path / "model.py").write_text("mine = True")
    said = CliRunner().invoke(app, ["unpack", str(path), "--out", str(tmp_path)])
    assert said.exit_code
    assert (tmp_path / "model.py").read_text() == "mine = True"


def test_what_is_measured_on_ones_own_items_can_be_packed(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    inputs, labels = generator.normal(size=(240, 30)).astype(np.float32), generator.integers(0, 2, 240)
    np.savez(tmp_path / "own.npz", inputs=inputs, labels=labels)
    steps = ("--step", "fc1: wanda sparsity=0.5", "--out", str(tmp_path / "own.slim"))
    assert run("pack", "tabular", "--data", str(tmp_path / "own.npz"), *steps).exit_code == 0
    alone = run("pack", "tabular", "--step", "fc1: wanda sparsity=0.5", "--out", str(tmp_path / "b.slim"))
    assert alone.exit_code == 0
    assert (tmp_path / "own.slim").read_bytes() != (tmp_path / "b.slim").read_bytes()
