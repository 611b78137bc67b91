"""Figures of a report as text that needs no script: intervals as SVG, items as small PNG."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from compress_core.foundation.number import Number
from compress_core.numerics.wave_pixels import wave_pixels
from compress_core.reviews.alike import Alikeness
from compress_core.reviews.gate_verdict import JudgedGate
from compress_core.subject.input_form import InputForm
from compress_core.subject.item_words import item_words
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject
from compress_core.subject.wave_form import wave_form

WIDTH, HEIGHT, _EDGE = 220, 26, 10
MOST_TEXTS = 200
SIDE = 48  # pixels of a picture at most
WAVE, MOST_WAVE_ROWS, WAVE_GRAY = (96, 48), 4, 96  # pixels across and down, channels, how light the line is
_HEAD = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" aria-hidden="true">'
MOST_PICTURES, MOST_PICTURE_BYTES = 48, 400_000


def interval_drawing(judged: JudgedGate) -> str:
    """The interval as a bar, its value as a dot and the limit as a line; empty for what is not measured."""
    number, limit = judged.number, judged.gate.limit
    if number.value is None:
        return ""
    low, high = (number.value if end is None else end for end in (number.low, number.high))
    least, most = min(low, limit, number.value), max(high, limit, number.value)
    scale = (WIDTH - 2 * _EDGE) / ((most - least) or 1.0)

    def at(value: float) -> str:
        return f"{_EDGE + (value - least) * scale:.1f}"

    middle = HEIGHT // 2
    bar = f'<line class="bar" x1="{at(low)}" x2="{at(high)}" y1="{middle}" y2="{middle}"/>'
    dot = f'<circle class="dot" cx="{at(number.value)}" cy="{middle}" r="4"/>'
    line = f'<line class="limit" x1="{at(limit)}" x2="{at(limit)}" y1="2" y2="{HEIGHT - 2}"/>'
    return f"{_HEAD}{bar}{line}{dot}</svg>"


def shift_drawings(rows: Sequence[Alikeness]) -> list[str]:
    """Each row as a bar with a dot between chance (left line) and noise (right line), all on one scale.

    Empty for what is not measured.
    """
    ends = [
        end
        for row in rows
        for number in (row.similarity, row.ceiling, row.floor)
        for end in (number.value, number.low, number.high)
        if end is not None
    ]
    least, most = min(ends, default=0.0), max(ends, default=1.0)
    return [_shift(row, least, (WIDTH - 2 * _EDGE) / ((most - least) or 1.0)) for row in rows]


def _shift(row: Alikeness, least: float, scale: float) -> str:
    def at(value: float) -> str:
        return f"{_EDGE + (value - least) * scale:.1f}"

    number = row.similarity
    if number.value is None:
        return ""
    low, high = (number.value if end is None else end for end in (number.low, number.high))
    middle = HEIGHT // 2
    lines = "".join(
        f'<line class="limit" x1="{at(end)}" x2="{at(end)}" y1="2" y2="{HEIGHT - 2}"/>'
        for end in (row.floor.value, row.ceiling.value)
        if end is not None
    )
    bar = f'<line class="bar" x1="{at(low)}" x2="{at(high)}" y1="{middle}" y2="{middle}"/>'
    dot = f'<circle class="dot" cx="{at(number.value)}" cy="{middle}" r="4"/>'
    return f"{_HEAD}{lines}{bar}{dot}</svg>"


def pictures_of(split: Split, form: InputForm, items: Iterable[int]) -> Mapping[int, str]:
    """Items as PNG in a data address, by their place; none where they are no images."""
    found: dict[int, str] = {}
    size = 0
    if not form.is_image or form.shape[0] not in {1, 3}:
        return found
    for item in list(items)[:MOST_PICTURES]:
        pixels = form.raw(split.inputs[item : item + 1])[0].numpy()
        content = base64.b64encode(png(_shrunk(pixels))).decode()
        size += len(content)
        if size > MOST_PICTURE_BYTES:
            break
        found[item] = f"data:image/png;base64,{content}"
    return found


def waves_of(split: Split, subject: Subject, items: Iterable[int]) -> Mapping[int, str]:
    """Items as lines over time, PNG in a data address, by their place; none where they are no waves."""
    form = wave_form(subject)
    if form is None:
        return {}
    found = {}
    for item in list(items)[:MOST_PICTURES]:
        inside = wave_pixels(form.of(subject, split, item)[:MOST_WAVE_ROWS], *WAVE)
        gray = np.where(inside, WAVE_GRAY, 255).astype(np.uint8)[..., None]
        found[item] = f"data:image/png;base64,{base64.b64encode(png(gray)).decode()}"
    return found


def texts_of(split: Split, form: InputForm, items: Iterable[int]) -> Mapping[int, str]:
    """Items as their words, by their place; none where they are no text."""
    if not form.is_text:
        return {}
    return {item: item_words(form, split.inputs[item]).said for item in list(items)[:MOST_TEXTS]}


def _shrunk(pixels: NDArray[np.floating]) -> NDArray[np.uint8]:
    """An image [C, H, W] with values from 0 to 1 as bytes [H, W, C], at most SIDE pixels a side."""
    step = max(1, -(-max(pixels.shape[1:]) // SIDE))
    high, wide = (side // step * step for side in pixels.shape[1:])
    blocks = pixels[:, :high, :wide].reshape(len(pixels), high // step, step, wide // step, step)
    shown: NDArray[np.uint8] = (blocks.mean(axis=(2, 4)).clip(0, 1) * 255).round().astype(np.uint8)
    return np.ascontiguousarray(shown.transpose(1, 2, 0))


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Bytes [H, W, 1 or 3] as a PNG file.

    W3C, Portable Network Graphics (PNG) Specification, 2003, sections 5 and 11.
    """
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 0 if channels == 1 else 2, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def value_in_report(number: Number) -> str:
    """A value without its unit, shares in per cent; empty where it is missing."""
    return "" if number.value is None else _rounded(number.value, number.unit)


def interval_in_report(number: Number) -> str:
    """The interval without its unit; empty where there is none."""
    if number.low is None or number.high is None:
        return ""
    return f"{_rounded(number.low, number.unit)} … {_rounded(number.high, number.unit)}"


def _rounded(value: float, unit: str) -> str:
    places = 0 if unit in {"byte", "item", "MAC"} else 2 if unit in {"share", "points"} else 3
    return f"{round(100 * value if unit == 'share' else value, places) + 0.0:,.{places}f}"
