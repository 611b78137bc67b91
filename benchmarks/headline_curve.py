"""The curve of error against ratio beside what others published, as an SVG that needs nothing to be shown."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from string import ascii_lowercase

from benchmarks.published_ratios import Published

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 720, 420, 60, 20, 40, 50
_OURS, _THEIRS, _TEXT = "#0072B2", "#D55E00", "#595959"
_TICKS = (20, 50, 100, 200, 500, 1000, 2000)


@dataclass(frozen=True)
class CurvePoint:
    """One trained network: ratio of bytes, error in % with its interval, both on validation items."""

    ratio: float
    error: float
    low: float
    high: float


@dataclass(frozen=True)
class _Frame:
    """Where ratios, on a logarithmic axis, and errors lie in the picture."""

    smallest: float
    largest: float
    most_error: float

    def x(self, ratio: float) -> float:
        span = math.log(self.largest / self.smallest)
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * math.log(ratio / self.smallest) / span

    def y(self, error: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * error / self.most_error


def curve_svg(title: str, ours: Sequence[CurvePoint], published: Sequence[Published]) -> str:
    """The picture: ours as a line with intervals, others as points with their names."""
    ratios = [*(point.ratio for point in ours), *(point.ratio for point in published)]
    errors = [*(point.high for point in ours), *(point.error for point in published)]
    frame = _Frame(min(ratios) / 1.3, max(ratios) * 1.3, 1.15 * max(errors))
    box = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box}>',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        _text(_LEFT, 20, title, "#1a1a1a", 14),
        *_axes(frame),
        *_ours(frame, sorted(ours, key=lambda point: point.ratio)),
        *_theirs(frame, published),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _axes(frame: _Frame) -> Iterator[str]:
    bottom = _HEIGHT - _BOTTOM
    yield _line(_LEFT, bottom, _WIDTH - _RIGHT, bottom, _TEXT)
    yield _line(_LEFT, _TOP, _LEFT, bottom, _TEXT)
    for ratio in (tick for tick in _TICKS if frame.smallest <= tick <= frame.largest):
        yield _text(frame.x(ratio) - 10, bottom + 18, f"{ratio}x", _TEXT)
    for half in range(1, int(2 * frame.most_error) + 1):
        yield _line(_LEFT - 4, frame.y(half / 2), _LEFT, frame.y(half / 2), _TEXT)
        yield _text(_LEFT - 34, frame.y(half / 2) + 4, f"{half / 2:.1f}", _TEXT)
    yield _text(_LEFT, _HEIGHT - 10, "bytes in fp32 over bytes of the whole packed file", _TEXT)
    yield _text(4, _TOP - 6, "error, %", _TEXT)


def _ours(frame: _Frame, points: Sequence[CurvePoint]) -> Iterator[str]:
    places = [(frame.x(point.ratio), frame.y(point.error)) for point in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    yield f'<polyline points="{path}" fill="none" stroke="{_OURS}" stroke-width="2"/>'
    for point, (x, y) in zip(points, places, strict=True):
        yield _line(x, frame.y(point.low), x, frame.y(point.high), _OURS)
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{_OURS}"/>'
    yield _text(_WIDTH - 230, _TOP, "ours, validation, N = 6,000", _OURS)


def _theirs(frame: _Frame, published: Sequence[Published]) -> Iterator[str]:
    """A letter for each method, which the empty corner at small errors explains."""
    methods = list(dict.fromkeys(each.method for each in published))
    letters = dict(zip(methods, ascii_lowercase, strict=False))
    for each in published:
        x, y = frame.x(each.ratio), frame.y(each.error)
        yield f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="{_THEIRS}"/>'
        yield _text(x + 7, y + 4, letters[each.method], _THEIRS)
    for line, (method, letter) in enumerate(letters.items(), start=1):
        yield _text(_LEFT + 14, _HEIGHT - _BOTTOM - 15 * line, f"{letter}  {method}", _THEIRS, 11)
    yield _text(_WIDTH - 230, _TOP + 16, "published, test, N = 10,000", _THEIRS)


def _line(x1: float, y1: float, x2: float, y2: float, color: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}"/>'


def _text(x: float, y: float, words: str, color: str, size: int = 12) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" fill="{color}" font-size="{size}"'
    return f"<text {place}>{escape(words)}</text>"
