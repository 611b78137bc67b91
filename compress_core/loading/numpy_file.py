"""Arrays as numpy writes them, read by rules of our own: sizes are checked before an array is made."""

from __future__ import annotations

import ast
import math
import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compress_core.foundation.errors import Refused
from compress_core.loading.file_format import ItemArrays, ItemCaps
from compress_core.loading.items import check_array_shape, check_float32_bytes
from compress_core.loading.stored import shown
from compress_core.loading.zipped import Zipped, open_zip

_MAGIC = b"\x93NUMPY"
_HEADER_MOST = 4096
_DESCR = re.compile(r"[<>|=]?(f2|f4|f8|[iu][1248]|b1)")
_INPUT_NAMES = ("inputs", "images")
_LABEL_NAMES = ("labels", "y")


@dataclass(frozen=True)
class _Header:
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    fortran_order: bool
    length: int


def items_in_archive(content: bytes, caps: ItemCaps) -> ItemArrays:
    """`inputs` or `images`, or several inputs by name, and `labels` if they are there. Raises Refused.

    Where the one or the other is there, other arrays are not read.
    """
    archive = open_zip(content, most_members=64, most_bytes=caps.unpacked_bytes)
    there = [name.removesuffix(".npy") for name in archive.sizes if name.endswith(".npy")]
    found = [name for name in _INPUT_NAMES if name in there]
    named = [name for name in there if name not in _LABEL_NAMES] if not found else []
    if len(found) > 1 or not (found or named):
        raise Refused(
            "The .npz file holds {names}; it must hold 'inputs' or 'images', one of them, or arrays that are "
            "called as the arguments of forward. Save it with "
            "numpy.savez(path, inputs=inputs, labels=labels).",
            names=shown(", ".join(sorted(archive.sizes)) or "nothing"),
        )
    labels = ["labels"] if "labels" in there else []
    shapes = {
        n: _checked_shape(archive, n, caps) for n in (*found, *named, *labels)
    }  # before one is unpacked
    for name in (*found, *named):
        check_float32_bytes(shapes[name], caps)
    arrays = {name: read_array(archive.read(f"{name}.npy"), name, caps) for name in shapes}
    answers = arrays.pop("labels", None)
    return ItemArrays(arrays[found[0]] if found else arrays, answers)


def _checked_shape(archive: Zipped, name: str, caps: ItemCaps) -> tuple[int, ...]:
    header = _header(archive.read(f"{name}.npy", most=_HEADER_MOST + 16), name, caps)
    _check_size(header, name, archive.sizes[f"{name}.npy"])
    return header.shape


def read_array(content: bytes, name: str, caps: ItemCaps) -> npt.NDArray[np.generic]:
    """The array, of any shape, in the bytes of an .npy file, not copied; objects are refused, never read."""
    header = _header(content[: _HEADER_MOST + 16], name, caps)
    _check_size(header, name, len(content))
    values = np.frombuffer(content, header.dtype, offset=header.length)
    return values.reshape(header.shape, order="F" if header.fortran_order else "C")


def _header(head: bytes, name: str, caps: ItemCaps) -> _Header:
    """What the array claims to be, as numpy.lib.format lays it down."""
    width = {1: 2, 2: 4, 3: 4}.get(head[6] if len(head) > 7 else 0, 0)
    length = int.from_bytes(head[8 : 8 + width], "little")
    if not head.startswith(_MAGIC) or not width or not 0 < length <= min(_HEADER_MOST, len(head) - 8 - width):
        raise _unreadable(name)
    text = head[8 + width : 8 + width + length].decode("latin-1").strip()
    if "\\" in text:  # an unknown escape would write a warning to the server's log
        raise _unreadable(name)
    try:
        fields: object = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as broken:
        raise _unreadable(name) from broken
    match fields:
        case {"descr": descr, "fortran_order": bool(order), "shape": tuple(shape)} if all(
            type(size) is int and size >= 0 for size in shape
        ):
            check_array_shape(shape, name, caps)
            return _Header(_dtype(descr, name), shape, order, 8 + width + length)
    raise _unreadable(name)


def _dtype(descr: object, name: str) -> np.dtype[np.generic]:
    if not isinstance(descr, str) or not _DESCR.fullmatch(descr):
        raise Refused(
            "The array '{array}' has the type {dtype}; it must hold integers, floating-point numbers or "
            "booleans. Convert it with .astype('float32') and save it again.",
            array=name,
            dtype=shown(descr) if isinstance(descr, str) else "record",
        )
    return np.dtype(descr)


def _check_size(header: _Header, name: str, available: int) -> None:
    wanted = header.length + math.prod(header.shape) * header.dtype.itemsize
    if wanted != available:
        raise Refused(
            "The array '{array}' claims another number of values than its bytes hold. "
            "The file is cut off or damaged: save it anew.",
            array=name,
        )


def _unreadable(name: str) -> Refused:
    return Refused(
        "The array '{array}' has no header that numpy writes. The file is damaged: "
        "save it anew with numpy.savez.",
        array=name,
    )
