"""Uploaded models: what is read is exact, and whatever else the bytes are, the answer is one sentence."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import re
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.loading.stored import Caps
from compress_core.loading.upload import read_state
from compress_core.loading.weights_file import SERVER_CAPS

ALLOWED = (
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.bool,
)


def read_state_dict(content: bytes, name: str, caps: Caps = SERVER_CAPS) -> Mapping[str, Tensor]:
    return read_state(content, name, caps).tensors


def capped(**caps: int) -> Caps:
    return replace(SERVER_CAPS, **caps)


def small_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))


def saved(content: object, protocol: int = 2) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, pickle_protocol=protocol)
    return buffer.getvalue()


def as_safetensors(header: object, values: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + values


def with_program(program: bytes, values: bytes = bytes(16)) -> bytes:
    """A file as torch.save lays it out, around a pickle of our own."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", program)
        archive.writestr("archive/byteorder", b"little")
        archive.writestr("archive/data/0", values)
        archive.writestr("archive/version", b"3\n")
    return buffer.getvalue()


def tensor_program(
    shape: bytes, stride: bytes, offset: bytes = b"K\x00", count: bytes = b"K\x04", key: bytes = b"0"
) -> bytes:
    """The pickle of {"w.weight": tensor} with shape and stride given as pickled tuples."""
    storage = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX" + len(key).to_bytes(4, "little") + key
    storage += b"X\x03\x00\x00\x00cpu" + count + b"tQ"
    name = b"X\x08\x00\x00\x00w.weight"
    rebuild = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + offset + shape + stride
    return b"\x80\x02}" + name + rebuild + b"\x89ccollections\nOrderedDict\n)RtRs."


def assert_same_state(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        wanted = tensor.detach().float() if tensor.dtype is torch.float64 else tensor
        assert found[name].dtype is wanted.dtype, name
        assert found[name].is_contiguous()
        assert torch.equal(found[name], wanted), name


def assert_refused_or_read(content: bytes) -> bool:
    """Whether the bytes were read; anything raised but Refused fails the test."""
    try:
        read_state_dict(content, "model")
    except Refused:
        return False
    return True


# What is read


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_saved_state_dict_reads_as_torch_load_reads_it(protocol: int) -> None:
    state = small_network().state_dict()
    content = saved(state, protocol)
    assert_same_state(read_state_dict(content, "m.pt"), state)
    if protocol < 4:  # later ones torch.load refuses
        assert_same_state(
            read_state_dict(content, "m.pt"), torch.load(io.BytesIO(content), weights_only=True)
        )


def test_safetensors_read_as_the_library_reads_them() -> None:
    content = safetensors.torch.save(small_network().state_dict(), metadata={"made": "by hand"})
    expected = safetensors.torch.load(content)
    found = read_state_dict(content, "m.safetensors")
    assert_same_state(found, {name: expected[name] for name in found})
    assert set(found) == set(expected)


@pytest.mark.parametrize("dtype", ALLOWED, ids=str)
@pytest.mark.parametrize("write", [saved, safetensors.torch.save])
def test_every_allowed_type_keeps_its_values(
    dtype: torch.dtype, write: Callable[[dict[str, Tensor]], bytes]
) -> None:
    state = {"a.values": torch.tensor([[0, 1, 1], [1, 0, 3]]).to(dtype)}
    assert_same_state(read_state_dict(write(state), "m"), state)


@pytest.mark.parametrize(
    "view",
    [
        lambda base: base.t(),
        lambda base: base[1:, ::2],
        lambda base: base[0],
        lambda base: base[2, 3],
        lambda base: base[:1].expand(5, 4),
        lambda base: base[:, 3:].t(),
    ],
    ids=["transposed", "steps", "row", "scalar", "expanded", "column"],
)
def test_views_into_a_storage_are_read_by_stride_and_offset(view: Callable[[Tensor], Tensor]) -> None:
    state = {"a.values": view(torch.arange(12.0).view(3, 4))}
    assert_same_state(read_state_dict(saved(state), "m.pt"), state)


def test_tied_tensors_come_back_with_memory_of_their_own() -> None:
    shared = torch.arange(4.0)
    found = read_state_dict(saved({"a.values": shared, "b.values": shared}), "m.pt")
    found["a.values"].zero_()
    assert torch.equal(found["b.values"], shared)


def test_parameters_are_read_as_tensors() -> None:
    found = read_state_dict(saved(OrderedDict(small_network().named_parameters())), "m.pt")
    assert type(found["0.weight"]) is Tensor


@pytest.mark.parametrize("wrapper", ["state_dict", "model_state_dict", "model", "net", "network", "ema"])
def test_a_checkpoint_around_the_state_is_opened(wrapper: str) -> None:
    network = small_network()
    optimizer = {
        "state": {0: {"step": torch.tensor(1.0), "exp_avg": torch.ones(2, 1, 3, 3)}},
        "param_groups": [
            {"lr": 1e-3, "betas": (0.9, 0.999), "foreach": None, "amsgrad": False, "params": [0]}
        ],
    }
    checkpoint = {"epoch": 3, "loss": 0.5, "optimizer": optimizer, wrapper: network.state_dict()}
    assert_same_state(read_state_dict(saved(checkpoint), "m.pt"), network.state_dict())


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_prefixes_of_wrappers_are_taken_off(prefix: str) -> None:
    state = small_network().state_dict()
    found = read_state_dict(saved({prefix + name: tensor for name, tensor in state.items()}), "m.pt")
    assert_same_state(found, state)


def test_a_prefix_that_not_all_names_have_stays() -> None:
    state = {"module.weight": torch.ones(2), "other.weight": torch.ones(2)}
    assert list(read_state_dict(saved(state), "m.pt")) == list(state)


@given(st.lists(st.lists(st.floats(width=32, allow_nan=False), min_size=3, max_size=3), min_size=1))
@settings(max_examples=30, deadline=None)
def test_any_finite_values_survive_both_formats(rows: list[list[float]]) -> None:
    state = {"fc.weight": torch.tensor(rows)}
    assert_same_state(read_state_dict(saved(state), "m"), state)
    assert_same_state(read_state_dict(safetensors.torch.save(state), "m"), state)


# What is refused: safetensors

ENTRY = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}


@pytest.mark.parametrize(
    ("header", "values", "reason"),
    [
        ({"w.weight": {**ENTRY, "shape": [10**6, 10**6]}}, 16, "claims more than"),
        ({"w.weight": {**ENTRY, "shape": [10**4000]}}, 16, "claims more than"),
        ({"w.weight": {**ENTRY, "shape": [1] * 9}}, 16, "9 dimensions"),
        ({"w.weight": {**ENTRY, "shape": [0, 4]}}, 16, "without values"),
        ({"w.weight": {**ENTRY, "shape": [-2, -2]}}, 16, "whole numbers"),
        ({"w.weight": {**ENTRY, "shape": [2.0, 2.0]}}, 16, "whole numbers"),
        ({"w.weight": {**ENTRY, "shape": [True, 4]}}, 16, "whole numbers"),
        ({"w.weight": {**ENTRY, "shape": [2, 3]}}, 16, "needs 24 bytes"),
        ({"w.weight": {**ENTRY, "data_offsets": [0, 16, 16]}}, 16, "two data_offsets"),
        ({"w.weight": {**ENTRY, "data_offsets": [4, 20]}}, 20, "does not begin"),
        ({"w.weight": ENTRY}, 12, "cut off"),
        ({"w.weight": ENTRY}, 20, "need 16 bytes and the file has 20"),
        ({"w.weight": ENTRY, "v.weight": ENTRY}, 16, "does not begin"),
        ({"w.weight": {**ENTRY, "more": 1}}, 16, "nothing else"),
        ({"w.weight": [1, 2]}, 16, "whole numbers"),
        ({"w.weight": {**ENTRY, "dtype": "F8_E4M3"}}, 16, "F8_E4M3"),
        ({"w.weight": {**ENTRY, "dtype": ["F32"]}}, 16, "whole numbers"),
        ({"w.weight": {**ENTRY, "dtype": "I32"}}, 16, "holds int32"),
        ({"<img src=x>": ENTRY}, 16, "a name must have"),
        ({"![](http://x)": ENTRY}, 16, "a name must have"),
        ({"a..weight": ENTRY}, 16, "a name must have"),
        ({"x" * 300: ENTRY}, 16, "a name must have"),
        ({}, 0, "holds 0 tensors"),
        ({"__metadata__": {"a": "b"}}, 0, "holds 0 tensors"),
        (b'{"w.weight":{},"w.weight":{}}', 16, "twice"),
        (b'{"w.weight":{"dtype":"F32","dtype":"F64"}}', 16, "twice"),
        (b'{"w.weight":', 16, "no valid JSON"),
        (b'{"a":' + b"[" * 100_000, 16, "no valid JSON"),
        (b'{"\xff":1}', 16, "no valid JSON"),
        (b'{"a":' + b"9" * 5000 + b"}", 16, "no valid JSON"),
    ],
)
def test_malformed_safetensors_are_refused_with_the_reason(header: object, values: int, reason: str) -> None:
    with pytest.raises(Refused, match=re.escape(reason)):
        read_state_dict(as_safetensors(header, bytes(values)), "m.safetensors")


def test_a_safetensors_header_longer_than_the_cap_is_refused() -> None:
    content = (2**40).to_bytes(8, "little") + b"{" + bytes(100)
    with pytest.raises(Refused, match=r"header claims 1,099,511,627,776 bytes"):
        read_state_dict(content, "m.safetensors")


def test_a_header_of_many_tensors_is_refused_before_it_is_parsed() -> None:
    header = {f"l{index}.weight": ENTRY for index in range(20)}
    with pytest.raises(Refused, match="more than the 10 tensors"):
        read_state_dict(as_safetensors(header, bytes(16)), "m", capped(tensors=10))


# What is refused: PyTorch


class Malicious:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_that_calls_the_system_is_refused_and_not_run(tmp_path: Path, protocol: int) -> None:
    trap = tmp_path / "ran"
    content = saved({"fc.weight": torch.ones(2), "x": Malicious(str(trap))}, protocol)
    with pytest.raises(Refused, match=r"(posix|nt)\.system.*nothing was run"):
        read_state_dict(content, "m.pt")
    assert not trap.exists()


def test_a_bare_malicious_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="bare pickle"):
        read_state_dict(pickle.dumps(Malicious(f"{tmp_path}/ran"), protocol=2), "m.pt")
    assert not (tmp_path / "ran").exists()


HUGE = b"\x8a\x06" + (10**12).to_bytes(6, "little")  # LONG1


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (tensor_program(HUGE + b"\x85", b"K\x01\x85"), "claims more than"),
        (tensor_program(HUGE + b"\x85", b"K\x00\x85"), "claims more than"),
        (tensor_program(b"K\x04\x85", b"K\x02\x85"), "reaches beyond"),
        (tensor_program(b"K\x04\x85", b"K\x01\x85", offset=b"K\x01"), "reaches beyond"),
        (tensor_program(b"K\x04\x85", b"K\x01\x85", offset=HUGE), "reaches beyond"),
        (tensor_program(b"K\x02\x85", HUGE + b"\x85"), "reaches beyond"),
        (tensor_program(b"K\x04\x85", b"J\xff\xff\xff\xff\x85"), "reaches beyond"),
        (tensor_program(b"K\x02\x85", b"K\x01\x85", offset=b"J\xff\xff\xff\xff"), "reaches beyond"),
        (tensor_program(b"K\x04\x85", b"K\x01\x85", count=HUGE), "missing"),
        (tensor_program(b"K\x04\x85", b"K\x01\x85", key=b"7"), "missing"),
        (tensor_program(b"K\x04\x85", b"K\x01\x85", key=b"../version"), "missing"),
        (tensor_program(b"K\x02K\x02\x86", b"K\x01\x85"), "not one that torch.save writes"),
        (tensor_program(b"K\x00\x85", b"K\x01\x85"), "without values"),
        (b"\x80\x02K\x01.", "must hold a state dict"),
        (b"\x80\x02}K\x01K\x02s.", "is no tensor"),
        (b"\x80\x02}X\x01\x00\x00\x00aK\x02s.", "'a' of the file is no tensor"),
        (b"\x80\x02}.", "holds 0 tensors"),
        (b"\x80\x02.", "not one that torch.save writes"),
        (b"\x80\x02}", "not one that torch.save writes"),
        (b"", "not one that torch.save writes"),
        (b"\x80\x02}))ss.", "not one that torch.save writes"),
        (b"\x80\x02cbuiltins\neval\nX\x01\x00\x00\x001\x85R.", "builtins.eval"),
        (b"\x80\x02ctorch\nload\nX\x01\x00\x00\x001\x85R.", "torch.load"),
        (b"\x80\x02ctorch.FloatStorage\nload\n)R.", "torch.FloatStorage.load"),
        (b"\x80\x02ccollections\nOrderedDict\n]\x85R.", "not one that torch.save writes"),
        (b"\x80\x02(ios\nsystem\n.", "INST"),
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"\x80\x02r\xff\xff\xff\xff.", "not one that torch.save writes"),
        (b"\x80\x02}r\xff\xff\xff\xff.", "holds 0 tensors"),
    ],
)
def test_pickles_that_are_no_state_dict_are_refused_with_the_reason(program: bytes, reason: str) -> None:
    with pytest.raises(Refused, match=re.escape(reason)):
        read_state_dict(with_program(program), "m.pt")


def test_the_handmade_pickle_is_read_where_nothing_is_wrong_with_it() -> None:
    found = read_state_dict(with_program(tensor_program(b"K\x04\x85", b"K\x01\x85")), "m.pt")
    assert torch.equal(found["w.weight"], torch.zeros(4))


def test_the_stride_of_an_axis_of_length_one_may_be_any_number() -> None:
    beyond_64_bits = b"\x8a\x0a" + (10**20).to_bytes(10, "little")
    found = read_state_dict(with_program(tensor_program(b"K\x01\x85", beyond_64_bits + b"\x85")), "m.pt")
    assert torch.equal(found["w.weight"], torch.zeros(1))


def test_a_pickle_that_doubles_at_every_step_is_refused_in_no_time() -> None:
    program = b"\x80\x02)" + b"q\x00h\x00\x86" * 200 + b"q\x01}h\x01h\x01s."
    with pytest.raises(Refused, match="is no tensor"):
        read_state_dict(with_program(program), "m.pt")


@pytest.mark.slow
def test_a_pickle_of_too_many_instructions_is_refused() -> None:
    with pytest.raises(Refused, match="more than 200,000 instructions"):
        read_state_dict(with_program(b"\x80\x02" + b"]" * 300_000 + b"."), "m.pt")


@pytest.mark.slow
def test_a_state_dict_of_4096_tensors_is_read() -> None:
    state = OrderedDict((f"layer{index}.weight", torch.tensor([float(index)])) for index in range(4096))
    assert_same_state(read_state_dict(saved(state), "m.pt"), state)


def test_other_kinds_of_tensors_are_refused() -> None:
    quantized = torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)
    for tensor in (torch.eye(3).to_sparse(), quantized, torch.nested.nested_tensor([torch.ones(2)])):
        with pytest.raises(Refused, match="only plain dense tensors"):
            read_state_dict(saved({"fc.weight": tensor}), "m.pt")


@pytest.mark.parametrize("dtype", [torch.complex64, torch.uint16, torch.float8_e4m3fn], ids=str)
def test_other_types_of_values_are_refused(dtype: torch.dtype) -> None:
    with pytest.raises(Refused, match="could run code"):
        read_state_dict(saved({"fc.weight": torch.zeros(3).to(dtype)}), "m.pt")


def test_a_pickled_module_is_refused_with_what_to_save_instead() -> None:
    with pytest.raises(Refused, match=r"torch\.nn\.modules.*torch\.save\(model\.state_dict\(\), path\)"):
        read_state_dict(saved(small_network()), "m.pt")


def test_the_old_format_of_pytorch_is_refused_with_what_to_save_instead() -> None:
    buffer = io.BytesIO()
    torch.save(small_network().state_dict(), buffer, _use_new_zipfile_serialization=False)
    with pytest.raises(Refused, match=r"before PyTorch 1\.6.*torch\.save\(model\.state_dict\(\), path\)"):
        read_state_dict(buffer.getvalue(), "m.pt")


def test_torchscript_is_refused() -> None:
    buffer = io.BytesIO()
    with pytest.warns((DeprecationWarning, FutureWarning), match="torch.jit"):
        torch.jit.save(torch.jit.script(nn.Linear(2, 2)), buffer)
    with pytest.raises(Refused, match="TorchScript"):
        read_state_dict(buffer.getvalue(), "m.pt")


def test_a_weight_of_whole_numbers_is_refused_and_a_buffer_is_not() -> None:
    with pytest.raises(Refused, match="holds int8"):
        read_state_dict(saved({"fc.weight": torch.ones(2, 2, dtype=torch.int8)}), "m.pt")
    assert (
        read_state_dict(saved({"bn.num_batches_tracked": torch.tensor(7)}), "m.pt")["bn.num_batches_tracked"]
        == 7
    )


def test_float64_beyond_float32_is_refused_and_infinity_is_kept() -> None:
    with pytest.raises(Refused, match="beyond"):
        read_state_dict(saved({"fc.weight": torch.tensor([1e300], dtype=torch.float64)}), "m.pt")
    state = {"fc.weight": torch.tensor([torch.inf, torch.nan], dtype=torch.float64)}
    assert read_state_dict(saved(state), "m.pt")["fc.weight"].isnan().tolist() == [False, True]


# What is refused: archives and sizes


def rezipped(content: bytes, compression: int, repeat: str = "") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", compression) as new:
        for member in old.namelist():
            new.writestr(member, old.read(member))
        if repeat:
            with pytest.warns(UserWarning, match="Duplicate name"):
                new.writestr(repeat, b"")
    return buffer.getvalue()


def test_a_file_that_unpacks_to_more_than_a_file_may_weigh_is_refused() -> None:
    bomb = rezipped(saved({"fc.weight": torch.zeros(1_000_000)}), zipfile.ZIP_DEFLATED)
    assert len(bomb) < 20_000
    with pytest.raises(Refused, match=r"would unpack to 4,000,\d{3} bytes"):
        read_state_dict(bomb, "m.pt", capped(file_bytes=1_000_000))


def test_a_compressed_state_dict_is_refused_however_small_it_unpacks() -> None:
    content = rezipped(saved(small_network().state_dict()), zipfile.ZIP_DEFLATED)
    with pytest.raises(Refused, match="is compressed, which torch"):
        read_state_dict(content, "m.pt")


@pytest.mark.parametrize("shape", [(600, 600), (1, 600_000), (90, 80, 10, 10)])
def test_a_tensor_that_shows_few_values_again_and_again_is_refused(shape: tuple[int, ...]) -> None:
    expanded = saved({"fc.weight": torch.ones(1).expand(shape)})
    assert len(expanded) < 2000
    with pytest.raises(Refused, match=r"claims \d+,000 values, but the file stores 1 for it"):
        read_state_dict(expanded, "m.pt")


def test_an_axis_of_one_may_have_any_stride() -> None:
    row = torch.arange(4.0).expand(1, 4)
    assert read_state_dict(saved({"fc.weight": row}), "m.pt")["fc.weight"].tolist() == [[0, 1, 2, 3]]


def test_few_values_under_very_many_names_are_refused() -> None:
    shared = torch.zeros(20_000)
    with pytest.raises(Refused, match="each is shared by more than 16 names"):
        read_state_dict(saved({f"layer{i}.weight": shared for i in range(40)}), "m.pt")
    twelve = read_state_dict(saved({f"layer{i}.weight": shared for i in range(12)}), "m.pt")
    assert len(twelve) == 12


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressions_that_neither_torch_nor_numpy_write_are_refused(compression: int) -> None:
    with pytest.raises(Refused, match="compressed in a way"):
        read_state_dict(rezipped(saved({"fc.weight": torch.zeros(9)}), compression), "m.pt")


def test_two_members_of_one_name_are_refused() -> None:
    content = saved(small_network().state_dict())
    with pytest.raises(Refused, match="same name"):
        read_state_dict(rezipped(content, zipfile.ZIP_STORED, "archive/data/0"), "m.pt")


def test_members_that_overlap_are_refused() -> None:
    """Many entries of the directory that lead to the same bytes: more unpacked than the file weighs."""
    content = with_program(tensor_program(b"K\x04\x85", b"K\x01\x85"), bytes(5000))
    assert read_state_dict(content, "m.pt", capped(file_bytes=20_000))
    start = content.index(b"PK\x01\x02")
    end = content.index(b"PK\x05\x06")
    directory = b"".join(content[start:end].replace(b"archive/", b"archiv%d/" % i) for i in range(10))
    record = bytearray(content[end:])
    record[8:12] = (40).to_bytes(2, "little") * 2
    record[12:16] = len(directory).to_bytes(4, "little")
    with pytest.raises(Refused, match=r"would unpack to 5\d,\d{3} bytes"):
        read_state_dict(content[:start] + directory + bytes(record), "m.pt", capped(file_bytes=20_000))


def test_a_directory_that_overstates_a_member_is_noticed() -> None:
    content = bytearray(rezipped(saved({"fc.weight": torch.ones(64)}), zipfile.ZIP_STORED))
    entry = content.rindex(b"PK\x01\x02", 0, content.rindex(b"archive/data/0"))
    content[entry + 24 : entry + 28] = (64 * 4 + 4).to_bytes(4, "little")
    with pytest.raises(Refused, match="'archive/data/0' of the zip file is cut off or damaged"):
        read_state_dict(bytes(content), "m.pt")


def test_a_flipped_bit_in_the_values_is_noticed() -> None:
    content = bytearray(saved({"fc.weight": torch.full((64,), 1.5)}))
    content[content.index(b"\x00\x00\xc0\x3f" * 8) + 20] ^= 1
    with pytest.raises(Refused, match="damaged"):
        read_state_dict(bytes(content), "m.pt")


def test_another_byte_order_is_refused() -> None:
    content = rezipped(saved({"a.b": torch.ones(2)}), zipfile.ZIP_STORED).replace(b"little", b"biggie")
    with pytest.raises(Refused, match=r"byte order|damaged"):
        read_state_dict(content, "m.pt")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"GGUF", b"\x89HDF", bytes(100), b"\xff" * 100])
def test_files_of_another_kind_are_refused(content: bytes) -> None:
    with pytest.raises(Refused):
        read_state_dict(content, "m.bin")


def test_caps_on_bytes_tensors_and_values_hold() -> None:
    state = small_network().state_dict()
    for write in (saved, safetensors.torch.save):
        content = write(state)
        with pytest.raises(Refused, match="bytes; at most 100"):
            read_state_dict(content, "m", capped(file_bytes=100))
        with pytest.raises(Refused, match="tensors"):
            read_state_dict(content, "m", capped(tensors=3))
        with pytest.raises(Refused, match="in all; at most 30"):
            read_state_dict(content, "m", capped(elements=30))
        total = sum(tensor.numel() for tensor in state.values())
        read_state_dict(content, "m", capped(file_bytes=len(content), tensors=len(state), elements=total))


def test_what_a_file_calls_itself_cannot_fill_the_page() -> None:
    with pytest.raises(Refused) as caught:
        read_state_dict(with_program(b"\x80\x02c" + b"a" * 50_000 + b"\nb\n."), "n" * 50_000)
    assert len(str(caught.value)) < 400


# Fuzzing: whatever the bytes, Refused and nothing else

SOUND = {
    "torch": saved(small_network().state_dict()),
    "safetensors": safetensors.torch.save(small_network().state_dict()),
}


@pytest.mark.parametrize("kind", SOUND)
def test_a_file_cut_off_anywhere_is_refused(kind: str) -> None:
    content = SOUND[kind]
    for length in range(0, len(content), 64):
        assert not assert_refused_or_read(content[:length]), length


def mutated(content: bytes, seed: int) -> bytes:
    """One to eight changes: a byte, a run of bytes, a piece taken out or doubled."""
    chance = random.Random(seed)
    changed = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        place = chance.randrange(len(changed))
        match chance.randrange(4):
            case 0:
                changed[place] = chance.randrange(256)
            case 1:
                changed[place : place + 4] = chance.choice([b"\xff" * 4, bytes(4), chance.randbytes(4)])
            case 2:
                del changed[place : place + chance.randint(1, 16)]
            case _:
                changed[place:place] = changed[place : place + chance.randint(1, 64)]
    return bytes(changed)


@pytest.mark.parametrize("kind", SOUND)
def test_mutations_of_a_sound_file_are_read_or_refused(kind: str) -> None:
    refused = sum(not assert_refused_or_read(mutated(SOUND[kind], seed)) for seed in range(300))
    assert refused > 100


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_mutations_of_the_pickle_alone_are_read_or_refused() -> None:
    with zipfile.ZipFile(io.BytesIO(SOUND["torch"])) as archive:
        program = archive.read("archive/data.pkl")
    refused = sum(not assert_refused_or_read(with_program(mutated(program, seed))) for seed in range(300))
    assert refused > 100


def test_mutations_of_the_safetensors_header_alone_are_read_or_refused() -> None:
    content = SOUND["safetensors"]
    end = 8 + int.from_bytes(content[:8], "little")
    headers = (b"{" + mutated(content[9:end], seed) for seed in range(300))
    assert sum(not assert_refused_or_read(as_safetensors(header, content[end:])) for header in headers) > 100


@given(st.binary(max_size=300), st.sampled_from([b"", b"PK\x03\x04", b"\x80\x02", b"\x40" + bytes(7) + b"{"]))
@settings(max_examples=300, deadline=None)
def test_random_bytes_are_refused(content: bytes, start: bytes) -> None:
    assert not assert_refused_or_read(start + content)


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_random_pickles_are_refused(program: bytes) -> None:
    assert not assert_refused_or_read(with_program(b"\x80\x02" + program))
