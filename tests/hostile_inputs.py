"""Items, recipes and links that mean no good, made here."""

from __future__ import annotations

import base64
import io
import json
import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from tests.hostile_weights import Runs, canary

Make = Callable[[], bytes]
Text = Callable[[], str]


def zipped(**arrays: Any) -> bytes:
    """As numpy writes it, but for the level: that of numpy takes twice as long for zeros."""
    return members(**{name: plain(values) for name, values in arrays.items()})


def plain(values: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def claimed(text: str, values: bytes = bytes(64), version: int = 1) -> bytes:
    """An .npy file around a header of our own."""
    content = text.encode("latin-1")
    length = struct.pack("<H" if version == 1 else "<I", len(content))
    return b"\x93NUMPY" + bytes([version, 0]) + length + content + values


def array(shape: object, descr: str = "'<f4'", order: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


def members(**contents: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in contents.items():
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def items() -> dict[str, Make]:
    """Every hostile file of items by its name; the network they go with takes 8 values and has 3 classes."""
    return {**dict(_headers()), **dict(_arrays()), **dict(_pictures()), **dict(_tables())}


def _headers() -> Iterator[tuple[str, Make]]:
    write = f"__import__('os').system('touch {canary()}')"
    texts = {
        "code": write,
        "code as shape": array(f"({write},)"),
        "comprehension": array("tuple(range(10**9))"),
        "power": array("(9**9**9,)"),
        "nested": array("(" * 2000 + ")" * 2000),
        "text times": array("('a' * 10**9,)"),
        "escape": array("('\\d',)"),
        "huge": array("(10**12, 8)".replace("10**12", str(10**12))),
        "overflow": array(f"({2**32}, {2**32})"),
        "negative": array("(-2, 8)"),
        "truth": array("(True, 8)"),
        "fraction": array("(2.0, 8)"),
        "no tuple": array("[2, 8]"),
        "nothing": array("(0, 8)"),
        "empty item": array("(2, 0)"),
        "scalar": array("()"),
        "dimensions": array("(1,) * 40"),
        "objects": array("(2, 8)", "'|O'"),
        "records": array("(2,)", "[('a', '<f4')]"),
        "texts": array("(2,)", "'<U1000000'"),
        "raw": array("(2,)", "'|V32'"),
        "complex": array("(2, 4)", "'<c8'"),
        "dates": array("(2, 4)", "'<M8[D]'"),
        "order": array("(2, 8)", order="1"),
        "no dict": "['<f4']\n",
        "no text": "\xff\xfe",
    }
    for name, text in texts.items():
        yield f"npy {name}", lambda text=text: claimed(text)
    yield "npy long header", lambda: claimed(" " * 60_000)
    yield "npy announced header", lambda: b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}"
    yield "npy version", lambda: claimed(array("(2, 8)"), version=9)
    yield "npy cut", lambda: plain(np.zeros((4, 8), np.float32))[:-3]
    yield "npy more", lambda: plain(np.zeros((4, 8), np.float32)) + b"x"


def _arrays() -> Iterator[tuple[str, Make]]:
    yield "rows of zeros", lambda: zipped(inputs=np.zeros((100_000, 1000), np.float32))
    yield "many images", lambda: zipped(images=np.zeros((200_000, 28, 28), np.uint8))
    yield "many items", lambda: zipped(inputs=np.zeros((200_001, 8), np.uint8))
    yield "large beside", lambda: zipped(inputs=np.zeros((2, 8)), other=np.zeros(30_000_000))
    yield "large labels", lambda: zipped(inputs=np.zeros((2, 8)), labels=np.zeros(30_000_000, np.int64))
    yield "deflated pickle", lambda: members(inputs=pickle.dumps(Runs(os.system, f"touch {canary()}")))
    objects = np.empty(1, object)
    objects[0] = Runs(os.system, f"touch {canary()}")
    yield "objects", lambda: zipped(inputs=objects)
    yield "labels of objects", lambda: zipped(inputs=np.zeros((1, 8)), labels=objects)
    one = np.zeros((3, 8), np.float32)
    labels = {
        "not a number": np.full(3, np.nan),
        "negative": np.array([-1, 0, 1]),
        "large": np.array([0, 1, 2**62]),
        "unsigned": np.array([0, 1, 2**64 - 1], np.uint64),
        "fewer": np.zeros(2, np.int64),
        "three axes": np.zeros((3, 1, 1), np.int64),
        "texts": np.array(["a", "b", "c"]),
        "imaginary": np.array([1j, 0, 1]),
        "beyond the classes": np.array([0, 1, 9]),
    }
    for name, values in labels.items():
        yield f"labels {name}", lambda values=values: zipped(inputs=one, labels=values)
    for name, value in {"nan": np.nan, "infinite": np.inf, "beyond float32": 1e300}.items():
        yield f"inputs {name}", lambda value=value: zipped(inputs=np.full((3, 8), value))
    yield "inputs of another shape", lambda: zipped(inputs=np.zeros((3, 9)))
    yield "inputs and images", lambda: zipped(inputs=one, images=one)
    yield "neither", lambda: zipped(**{"no argument": one})
    yield "no array inside", lambda: members(inputs=b"hello")
    yield "member announces more", lambda: members(inputs=claimed(array("(1000, 8)")))
    for kind, sign in {
        "png": b"\x89PNG\r\n\x1a\n",
        "gif": b"GIF89a",
        "xz": b"\xfd7zXZ\0",
        "csv": b"=cmd|'x'!A1,2",
    }.items():
        yield f"{kind} as items", lambda sign=sign: sign + bytes(1000)
    yield "empty items", lambda: b""


def filed(files: Mapping[str, bytes], packed: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive of files by name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packed) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, rows: bytes = b"", *beside: tuple[bytes, bytes]) -> bytes:
    """A gray PNG that announces a size, around compressed rows of our own."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    others = b"".join(chunk(kind, content) for kind, content in beside)
    return b"\x89PNG\r\n\x1a\n" + header + others + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _pictures() -> Iterator[tuple[str, Make]]:
    """Archives of pictures that would become large, lie elsewhere or are none."""
    bomb = zlib.compress(bytes(2**26))
    yield "picture of all pixels", lambda: filed({"a/x.png": png(2**31 - 1, 2**31 - 1, bomb)})
    yield "picture of many pixels", lambda: filed({"a/x.png": png(8192, 8192, bomb)})
    yield "picture of a line", lambda: filed({"a/x.png": png(2**24, 1, bomb)})
    yield "pictures of many pixels", lambda: filed({f"a/{i}.png": png(4096, 4096, bomb) for i in range(20)})
    text = b"a\0\0" + zlib.compress(bytes(2**27))
    yield (
        "picture with a text",
        lambda: filed({"a/x.png": png(2, 2, zlib.compress(bytes(6)), (b"zTXt", text))}),
    )
    yield "picture cut", lambda: filed({"a/x.png": png(4, 4, zlib.compress(bytes(20)))[:40]})
    yield "very many pictures", lambda: filed({f"a/{i}.png": b"" for i in range(60_000)}, zipfile.ZIP_STORED)
    yield "picture deflated", lambda: filed({"a/x.png": bytes(2**28)})
    yield (
        "pictures elsewhere",
        lambda: filed({"../../a/x.png": b"x", "/etc/b/y.png": b"x", "loose.png": b"x"}),
    )
    yield "program called a picture", lambda: filed({"a/x.bmp": f"touch {canary()}".encode()})
    script = f"%!PS\n(r) (w) file {canary()}".encode()
    yield "script called a picture", lambda: filed({"a/x.png": script, "a/y.jpg": script})


def _tables() -> Iterator[tuple[str, Make]]:
    """Tables and texts that lack something, or are too many of anything."""
    yield "table of columns", lambda: b"," * 2_000_000
    yield "table of a cell", lambda: b"a,b\n1," + b"9" * 30_000_000
    yield "table of quotes", lambda: b'a,b\n"' + b"\n" * 5_000_000
    yield "table of names", lambda: b"a,b\n" + b"".join(b"1,%d.5x\n" % i for i in range(200_000))
    yield "table of formulas", lambda: b"=1+1,=cmd|'x'!A1\n=2,0\n"
    yield "table of zeros", lambda: b"a,b\n" + b"0,0\n" * 4_000_000
    yield "table without an end", lambda: b"PAR1" + bytes(1000) + b"PAR1"
    yield "table announces all", lambda: b"PAR1" + b"\xff" * 2000 + struct.pack("<I", 1990) + b"PAR1"
    yield "texts in texts", lambda: b'{"text": ' + b"[" * 500_000
    yield "texts of digits", lambda: b'{"text": ' + b"9" * 900_000 + b"}"
    yield "texts of nothing", lambda: b"{}\n" * 1_000_000
    yield "texts", lambda: b'{"text": "a", "label": 0}\n' * 100_000


def step(knobs: str) -> str:
    return f"layers: [{{match: fc1, steps: [{{technique: magnitude, {knobs}}}]}}]"


def recipes() -> dict[str, Text]:
    """Every hostile recipe by its name."""
    laughs = "a0: &a0 [x, x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30)
    )
    merges = "a0: &a0 {x: 1}\n" + "".join(
        f"a{i}: &a{i}\n  <<: [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9)
    )
    return {
        "aliases": lambda: laughs,
        "merge keys": lambda: merges,
        "itself": lambda: "layers: &x [*x]",
        "rules": lambda: "layers:\n" + "- {match: a, steps: []}\n" * 16_000,
        "more rules": lambda: "layers:\n" + "  - {match: fc1, steps: []}\n" * 20_000,
        "steps": lambda: "layers: [{match: a, steps: [" + "magnitude, " * 30_000 + "]}]",
        "values": lambda: "[" + "a," * 190_000 + "]",
        "names": lambda: "".join(f"k{i}: 0\n" for i in range(40_000)),
        "lists": lambda: "[" * 190_000,
        "dashes": lambda: "- " * 190_000,
        "questions": lambda: "? " * 190_000,
        "braces": lambda: "{a: " * 90_000,
        "characters": lambda: "#" * 50_000_000,
        "comments": lambda: "#\n" * 190_000,
        "documents": lambda: "---\n" * 90_000,
        "directives": lambda: "".join(f"%TAG !a{i}! tag:x\n" for i in range(20_000)),
        "quotes": lambda: 'layers: "' + "\n" * 390_000 + '"',
        "object": lambda: f"layers: !!python/object/apply:os.system ['touch {canary()}']",
        "new object": lambda: f"!!python/object/new:os.system ['touch {canary()}']",
        "name": lambda: "!!python/name:os.system ''",
        "module": lambda: "!!python/module:antigravity ''",
        "binary": lambda: "layers: !!binary aGVsbG8=",
        "set": lambda: "!!set {layers}",
        "pairs": lambda: "!!pairs [layers: []]",
        "twice": lambda: "layers: []\nlayers: []",
        "stars": lambda: "layers: [{match: '" + "*a" * 90_000 + "', steps: []}]",
        "digits": lambda: step("sparsity: " + "9" * 300_000),
        "fewer digits": lambda: step("sparsity: " + "9" * 4_000),
        "truth": lambda: step("sparsity: true"),
        "text": lambda: step("sparsity: '0.5'"),
        "infinite": lambda: step("sparsity: 1e999"),
        "not a number": lambda: step("sparsity: .nan"),
        "a mapping": lambda: step("sparsity: {a: 1}"),
        "attribute": lambda: step("__class__: 1"),
        "path": lambda: "layers: [{match: fc1, steps: [{technique: ../../etc/passwd}]}]",
        "key no text": lambda: "{[a]: 1}",
        "null sign": lambda: "\0",
        "half a sign": lambda: "layers: ['\\ud800']",
        "terminal": lambda: "layers: ['\\e[31m']\n\x1b[31m",
        "backwards": lambda: "\u202elayers: []",
    }


def link(values: object) -> str:
    return _packed(values if isinstance(values, bytes) else json.dumps(values).encode())


def _packed(content: bytes) -> str:
    return base64.urlsafe_b64encode(zlib.compress(content, 9)).decode().rstrip("=")


def links() -> dict[str, Text]:
    """Every hostile link by its name."""
    made = {"operation": "compress", "recipe": []}
    rule = ["fc1", [{"technique": "magnitude", "sparsity": 0.5}]]
    return {
        "bomb": lambda: _packed(b"[" + b" " * 10**8 + b"]"),
        "lists": lambda: link(b"[" * 150_000),
        "braces": lambda: link(b'{"a":' * 30_000),
        "digits": lambda: link(b"[" + b"9" * 150_000 + b"]"),
        "operations": lambda: link([made] * 5_000),
        "rules": lambda: link([{**made, "recipe": [rule] * 3_000}]),
        "steps": lambda: link([{**made, "recipe": [["fc1", ["magnitude"] * 10_000]]}]),
        "twice": lambda: link(b'[{"operation": "compress", "recipe": [], "recipe": []}]'),
        "section": lambda: link([{**made, "recipe": {"layers": [], "run": "os.system"}}]),
        "field": lambda: link([{**made, "run": "os.system"}]),
        "operation": lambda: link([{"operation": "os.system", "recipe": []}]),
        "constants": lambda: link(b"[NaN, Infinity]"),
        "truth": lambda: link(
            [{**made, "recipe": [["fc1", [{"technique": "magnitude", "sparsity": True}]]]}]
        ),
        "name": lambda: link([{**made, "recipe": [[{"a": 1}, []]]}]),
        "no steps": lambda: link([{**made, "recipe": [["fc1", None]]}]),
        "text": lambda: link("compress"),
        "number": lambda: link(7),
        "signs": lambda: "%%%",
        "very long": lambda: "A" * 10_000_000,
        "cut": lambda: link([made])[:-4],
        "no text": lambda: link(b"\xff\xfe"),
    }
