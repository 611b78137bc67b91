"""Files of weights that mean no good, made here: pickles that would run, bombs, tensors that do not exist."""

from __future__ import annotations

import io
import itertools
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

CANARY = "SLIMSCOPE_TEST_CANARY"
"""The variable that names a file which only code out of a hostile file would write."""

Make = Callable[[], bytes]


class Runs:
    """An object whose pickle calls a function when it is read."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def canary() -> str:
    return os.environ.get(CANARY, "canary")


def saved(state: object, protocol: int = 2) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer, pickle_protocol=protocol)
    return buffer.getvalue()


def archived(program: bytes, values: bytes = bytes(64), *, packed: bool = False, **others: bytes) -> bytes:
    """A zip as torch.save lays it out, around a pickle of our own."""
    buffer = io.BytesIO()
    compression = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        members = {"data.pkl": program, "byteorder": b"little", "data/0": values, "version": b"3\n", **others}
        for name, content in members.items():
            archive.writestr(f"archive/{name}", content)
    return buffer.getvalue()


def number(value: int) -> bytes:
    return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)


def numbers(*values: int) -> bytes:
    return b"(" + b"".join(map(number, values)) + b"t"


def view(shape: tuple[int, ...], stride: tuple[int, ...], offset: int = 0, count: int = 16) -> bytes:
    """The pickle of {"w.weight": a look into a storage of `count` values}."""
    storage = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu"
    rebuilt = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + number(count) + b"tQ"
    rebuilt += number(offset) + numbers(*shape) + numbers(*stride) + b"\x89ccollections\nOrderedDict\n)RtR"
    return b"\x80\x02}X\x08\x00\x00\x00w.weight" + rebuilt + b"s."


def header(text: object, values: bytes = b"") -> bytes:
    """A safetensors file around a header of our own."""
    content = text if isinstance(text, bytes) else json.dumps(text).encode()
    return struct.pack("<Q", len(content)) + content + values


def entry(shape: object, begin: object, end: object, kind: object = "F32") -> dict[str, object]:
    return {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}


def running() -> Iterator[tuple[str, Make]]:
    """Pickles that call something when they are loaded."""
    write = f"open({canary()!r}, 'w').close()"
    calls: Mapping[str, tuple[Any, ...]] = {
        "os.system": (os.system, f"touch {canary()}"),
        "exec": (exec, write),
        "eval": (eval, write),
        "open": (open, canary(), "w"),
        "getattr": (getattr, "text", "upper"),
        "iterator": (itertools.repeat, 0),
        "bytearray": (bytearray, 2**32),
    }
    for name, call in calls.items():
        yield f"reduce {name}", lambda call=call: saved({"a.weight": Runs(*call)})
        yield f"bare {name}", lambda call=call: pickle.dumps({"a.weight": Runs(*call)}, 4)
    shell = f"touch {canary()}".encode()
    yield "inst", lambda: archived(b"(S'" + shell + b"'\nios\nsystem\n.")
    yield "obj", lambda: archived(b"(cos\nsystem\nS'" + shell + b"'\no.")
    yield "newobj", lambda: archived(b"\x80\x02cos\nsystem\n(S'" + shell + b"'\nt\x81.")
    yield "stack global", lambda: archived(b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.")
    yield "extension", lambda: archived(b"\x80\x02\x82\x01.")
    yield "persistent name", lambda: archived(b"Pos.system\n.")
    yield "build", lambda: archived(b"\x80\x02ccollections\nOrderedDict\n)R}X\x05\x00\x00\x00itemsK\x01sb.")
    yield "code in an archive", lambda: archived(view((2,), (1,)), **{"code/run.py": write.encode()})
    yield "a whole module", lambda: saved(nn.Linear(2, 2))
    yield "member outside", lambda: archived(view((2,), (1,)), **{"../../../tmp/x": b"x"})


def checkpoints() -> Iterator[tuple[str, Make]]:
    """Checkpoints of trainings in which something else than weights stands, beside them or in their place."""
    write = f"open({canary()!r}, 'w').close()"
    state = {"a.weight": torch.zeros(3, 4)}
    yield "beside: exec", lambda: saved({"model": state, "x": Runs(exec, write)})
    yield "beside: exec, as frames", lambda: saved({"model": state, "x": [{"y": Runs(exec, write)}]}, 4)
    yield "beside: what makes names", lambda: saved({"model": state, "x": {(1, 2): Runs(eval, write)}})
    yield "in place: exec", lambda: saved({"model": Runs(exec, write), "epoch": 1})
    yield "in place: a dict that runs", lambda: saved({"model": {"a.weight": Runs(dict, [])}})
    yield "in place: average", lambda: saved({"ema": {**state, "b.weight": Runs(exec, write)}})
    yield "in place: wrapped", lambda: saved({"state": {"model": {"state_dict": {"a": Runs(exec, write)}}}})
    yield "tensor made by another", lambda: archived(_called(b"ctorch._utils\n_rebuild_from_type_v2\n"))
    yield "tensor of a made storage", lambda: archived(_called(b"ctorch._utils\n_rebuild_tensor_v2\n"))
    yield "class called like a storage", lambda: archived(b"\x80\x02ctorch\nFloatStorage\n)\x81.")
    yield "method of what was made", lambda: archived(b"\x80\x02cos\npopen\n)R)R" * 3 + b".")
    yield (
        "keys that collide",
        lambda: archived(b"\x80\x02}(" + b"".join(map(_colliding, range(40_000))) + b"u."),
    )
    yield "dicts in dicts", lambda: archived(_nested_dicts(3, 60))
    yield "names of dots", lambda: saved({"." * 199 + f"{i}": {**state} for i in range(200)})
    yield "very many state dicts", lambda: saved({f"part{i}": {**state} for i in range(500)})
    yield "filled without a dict", lambda: archived(b"\x80\x02cos\nsystem\nX\x01\x00\x00\x00aK\x01s.")
    yield "attributes of a number", lambda: archived(b"\x80\x02K\x01}b.")
    yield "items of a list", lambda: archived(b"\x80\x04](K\x01\x90.")


def _called(maker: bytes) -> bytes:
    """The pickle of {"model": {"a.weight": what a maker gives for what another one gave}}."""
    return b"\x80\x02}X\x05\x00\x00\x00model}X\x08\x00\x00\x00a.weight" + maker + b"cos\npopen\n)R\x85Rss."


def _colliding(index: int) -> bytes:
    """Whole numbers that Python hashes to one place."""
    return b"\x8a\x0a" + (index * (2**61 - 1)).to_bytes(10, "little") + b"K\x00"


def _nested_dicts(depth: int, names: int) -> bytes:
    """A dict whose values are all one dict, whose values are all one, and so on."""
    program = b"\x80\x02}q\x00"
    for level in range(1, depth + 1):
        entries = b"".join(b"X\x02\x00\x00\x00%02dh%c" % (i, level - 1) for i in range(names))
        program += b"0}q%c(" % level + entries + b"u"
    return program + b"."


def unfolding() -> Iterator[tuple[str, Make]]:
    """Little that would become much."""
    yield "stride 0", lambda: saved({"a.weight": torch.zeros(1).expand(7000, 7000)})
    yield "stride 0 in a row", lambda: archived(view((2**25,), (0,)))
    yield "many names for one", lambda: saved({f"l{i}.weight": SHARED for i in range(3000)})
    yield "deflated", lambda: archived(view((2**25,), (1,), count=2**25), bytes(2**27), packed=True)
    yield "deflated small", lambda: archived(view((4,), (1,)), packed=True)
    yield "tuples of tuples", lambda: archived(b"\x80\x02K\x00" + b"2\x86" * 60 + b".")
    yield (
        "memo of tuples",
        lambda: archived(b"\x80\x02)" + b"".join(b"q%ch%ch%c\x86" % (i, i, i) for i in range(100)) + b"."),
    )
    yield "deep list", lambda: archived(b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".")
    yield "marks", lambda: archived(b"\x80\x02" + b"(" * 190_000 + b".")
    yield "very many instructions", lambda: archived(b"\x80\x02" + b"K\x000" * 400_000 + b".")
    yield "large pickle", lambda: archived(b"\x80\x02X" + struct.pack("<I", 2**24) + b"a" * 2**24 + b".")
    yield "long number", lambda: archived(b"\x80\x02\x8b" + struct.pack("<i", 2**20) + b"\x7f" * 2**20 + b".")
    yield "announced bytes", lambda: archived(b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b".")
    yield "announced text", lambda: archived(b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"a.")
    yield "million tensors", lambda: header({f"t{i}": entry([0], 0, 0) for i in range(100_000)})
    yield (
        "million tensors of one",
        lambda: header({f"t{i}.weight": entry([1], 4 * i, 4 * i + 4) for i in range(20_000)}, bytes(80_000)),
    )
    yield "header announces all", lambda: struct.pack("<Q", 2**62) + b"{}"
    yield "header of braces", lambda: header(b"{" * 2_000_000)
    yield "header of lists", lambda: header(b'{"a": ' + b"[" * 1_000_000 + b"}")
    yield "header of digits", lambda: header(b'{"a": ' + b"9" * 1_000_000 + b"}")
    yield "header of spaces", lambda: header(b"{}" + b" " * (2**21 - 2))
    yield "metadata", lambda: header({"__metadata__": {f"k{i}": "v" for i in range(100_000)}})


SHARED = torch.zeros(10_000)


def untrue() -> Iterator[tuple[str, Make]]:
    """Tensors that are not where or what they claim to be."""
    places: Mapping[str, tuple[tuple[int, ...], tuple[int, ...], int, int]] = {
        "negative stride": ((4,), (-1,), 3, 16),
        "negative offset": ((4,), (1,), -4, 16),
        "offset beyond": ((4,), (1,), 2**40, 16),
        "stride beyond": ((4,), (2**40,), 0, 16),
        "count beyond": ((4,), (1,), 0, 2**40),
        "shape beyond": ((2**40,), (1,), 0, 16),
        "product overflows": ((2**32, 2**32), (0, 0), 0, 16),
        "negative shape": ((-4,), (1,), 0, 16),
        "no values": ((0, 2**40), (1, 1), 0, 16),
        "dimensions": ((1,) * 64, (1,) * 64, 0, 16),
        "other number of strides": ((2, 2), (1,), 0, 16),
    }
    for name, (shape, stride, offset, count) in places.items():
        yield f"view {name}", lambda place=(shape, stride, offset, count): archived(view(*place))
    entries: Mapping[str, dict[str, object]] = {
        "overlap": {"a.weight": entry([4], 0, 16), "b.weight": entry([4], 8, 24)},
        "gap": {"a.weight": entry([4], 0, 16), "b.weight": entry([4], 20, 36)},
        "backwards": {"a.weight": entry([4], 16, 0)},
        "negative": {"a.weight": entry([-4], 0, 16)},
        "truth": {"a.weight": entry([True], 0, 4)},
        "fractions": {"a.weight": entry([4.0], 0, 16)},
        "text": {"a.weight": entry("4", 0, 16)},
        "huge": {"a.weight": entry([2**62, 4], 0, 16)},
        "huge place": {"a.weight": entry([4], 2**70, 2**70 + 16)},
        "kind": {"a.weight": entry([4], 0, 16, "F8_E4M3")},
        "kind no text": {"a.weight": entry([4], 0, 16, ["F32"])},
        "more fields": {"a.weight": {**entry([4], 0, 16), "run": "os.system"}},
        "fewer fields": {"a.weight": {"dtype": "F32"}},
        "no tensors": {},
        "complex": {"a.weight": entry([2], 0, 16, "C64")},
        "left over": {"a.weight": entry([2], 0, 8)},
    }
    for name, content in entries.items():
        yield f"header {name}", lambda content=content: header(content, bytes(16))
    twice = b'{"a.weight": %b, "a.weight": %b}' % ((json.dumps(entry([4], 0, 16)).encode(),) * 2)
    yield "header twice", lambda: header(twice, bytes(16))
    yield "header latin", lambda: header(b'{"\xff": 1}')
    yield "header no number", lambda: header(b'{"a.weight": NaN}')
    yield "header cut", lambda: header({"a.weight": entry([4], 0, 16)})[:-7]
    others: Mapping[str, Tensor] = {
        "sparse": torch.eye(3).to_sparse(),
        "csr": torch.eye(3).to_sparse_csr(),
        "complex": torch.zeros(3, dtype=torch.complex64),
        "meta": torch.zeros(3, device="meta"),
        "too large for float32": torch.full((3,), 1e300, dtype=torch.float64),
        "whole numbers": torch.zeros(3, 3, dtype=torch.int64),
    }
    for name, tensor in others.items():
        yield f"tensor {name}", lambda tensor=tensor: saved({"a.weight": tensor})
    for name in (
        "a\0b.weight",
        "\u202ea.weight",
        "a" * 10_000,
        "![x](http://a.b).weight",
        "",
        "a..weight",
        ".",
    ):
        yield f"name {name[:8]!r}", lambda name=name: saved({name: torch.zeros(2, 2)})
    yield "no tensors by name", lambda: saved({"a": 1, 2: torch.zeros(2)})
    yield "a list", lambda: saved([torch.zeros(2)])
    yield "itself", lambda: archived(b"\x80\x02}q\x00X\x08\x00\x00\x00w.weighth\x00s.")


def archives() -> Iterator[tuple[str, Make]]:
    """Archives that are broken or lie."""
    plain = saved({"a.weight": torch.zeros(4)})
    yield "cut archive", lambda: plain[: len(plain) // 2]
    yield "flipped bits", lambda: bytes(b ^ (i % 97 == 0) for i, b in enumerate(plain))
    yield "without a pickle", lambda: archived(b"").replace(b"data.pkl", b"data.pkx")
    yield "without an end", lambda: archived(b"\x80\x02}")
    yield (
        "two members of a name",
        lambda: archived(view((2,), (1,)), **{"data/1": b""}).replace(b"data/1", b"data/0"),
    )
    yield "members that overlap", _overlapping
    yield "zip in a zip", lambda: archived(view((2,), (1,)), plain)
    yield "big endian", lambda: archived(view((2,), (1,)), byteorder=b"big")
    yield "encrypted", lambda: _flagged(plain, 1)
    yield "members without end", lambda: archived(view((2,), (1,)), **{f"m{i}": b"" for i in range(20_000)})
    yield "nothing", lambda: b""
    yield "half a sign", lambda: b"PK\x03\x04"
    for kind, sign in {
        "png": b"\x89PNG\r\n\x1a\n",
        "elf": b"\x7fELF",
        "html": b"<html>",
        "gguf": b"GGUF",
    }.items():
        yield f"{kind} as weights", lambda sign=sign: sign + bytes(1000)


def _overlapping() -> bytes:
    content = archived(view((2,), (1,)), bytes(50_000))
    start, end = content.index(b"PK\x01\x02"), content.index(b"PK\x05\x06")
    entries = b"".join(content[start:end].replace(b"archive/", b"arc%04d/" % i) for i in range(900))
    record = bytearray(content[end:])
    record[8:12] = (4 * 900).to_bytes(2, "little") * 2
    record[12:16] = len(entries).to_bytes(4, "little")
    return content[:start] + entries + bytes(record)


def _flagged(content: bytes, flag: int) -> bytes:
    changed = bytearray(content)
    at = changed.index(b"PK\x01\x02")
    changed[at + 8] |= flag
    return bytes(changed)


def networks() -> Iterator[tuple[str, Make]]:
    """Weights that are there, of networks that would take too much."""
    layers: Mapping[str, Callable[[], nn.Module]] = {
        "wide convolution": lambda: nn.Sequential(
            nn.Conv2d(1, 50_000, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(50_000, 2)
        ),
        "kernel beyond the image": lambda: nn.Sequential(
            nn.Conv2d(1, 1, 999), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2)
        ),
        "many classes": lambda: nn.Sequential(nn.Linear(1, 100_000)),
        "one class": lambda: nn.Sequential(nn.Linear(4, 1)),
    }
    for name, make in layers.items():
        yield f"network {name}", lambda make=make: saved(make().state_dict())
    equal = {f"{name}.weight": torch.zeros(8, 8) for name in "zyxwvutsrqponmlkjihgfedcba"}
    yield "network in any order", lambda: safetensors.torch.save(equal)
    yield "network of names", lambda: saved({"forward.weight": torch.zeros(3, 4)})
    yield "network of attributes", lambda: saved({"__class__.weight": torch.zeros(3, 4)})
    yield "network deep in names", lambda: saved({".".join("a" * 99) + ".weight": torch.zeros(3, 4)})
    yield "network not a number", lambda: saved({"a.weight": torch.full((3, 4), torch.nan)})
    yield "network of many layers", lambda: saved({f"l{i}.weight": torch.zeros(2, 2) for i in range(2000)})


def weights() -> dict[str, Make]:
    """Every hostile file of weights by its name."""
    kinds = (running, checkpoints, unfolding, untrue, archives, networks)
    return dict(each for kind in kinds for each in kind())
