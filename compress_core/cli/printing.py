"""How results are printed: JSON with every number in one form, or aligned tables."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Generator, Iterable, Sequence
from typing import TypeVar

import typer

from compress_core.foundation.number import Number
from compress_core.foundation.printable import printable
from compress_core.foundation.progress import Progress

Result = TypeVar("Result")

Content = dict[str, object]

_NARROWEST = 24
_PLACES = {
    "share": 2,
    "points": 2,
    "ratio": 2,
    "nat": 4,
    "p": 4,
    "similarity": 3,
    "ms": 3,
    "uJ": 2,
    "logit": 4,
    "cosine": 4,
    "R squared": 4,
    "value": 4,
    "value change": 4,
    "tokens": 2,
}
_SUFFIXES = {"share": " %", "points": " points", "ratio": " x", "nat": " nat", "byte": " B", "ms": " ms"}


def with_progress(work: Generator[Progress, None, Result]) -> Result:
    """Run it; a person at a terminal sees how far it is."""
    watched = sys.stderr.isatty()
    while True:
        try:
            step = next(work)
        except StopIteration as end:
            if watched:
                typer.echo("\r\033[K", nl=False, err=True)
            found: Result = end.value
            return found
        if watched:
            typer.echo(f"\r\033[K{step.share:4.0%} {step.note}", nl=False, err=True)


def print_json(content: object) -> None:
    """Indented JSON; a number that JSON cannot hold is our own mistake."""
    typer.echo(json.dumps(content, indent=2, allow_nan=False))


def exact(value: float, unit: str) -> Number:
    """A number that was counted."""
    return Number(value, unit, "exact")


def exact_or_missing(value: float | None, unit: str, reason: str) -> Number:
    """A number that was counted, or why there is none."""
    return Number.missing(unit, reason) if value is None else exact(value, unit)


def value_of(number: Number) -> str:
    """The value with its unit, shares in per cent."""
    return "-" if number.value is None else _written(number.value, number.unit) + _suffix(number.unit)


def interval_of(number: Number) -> str:
    """The 95 % interval in the unit of the value, empty where there is none."""
    if number.low is None or number.high is None:
        return ""
    low, high = _written(number.low, number.unit), _written(number.high, number.unit)
    return f"{low} to {high}{_suffix(number.unit)}"


def with_interval(number: Number) -> str:
    """Value and interval in one cell."""
    interval = interval_of(number)
    return f"{value_of(number)} ({interval})" if interval else value_of(number)


def how_of(number: Number) -> str:
    """Measured, estimated or exact, and why there is no interval; or why it is missing."""
    if number.reason is not None:
        return f"not measured: {number.reason}"
    return number.kind if number.no_interval is None else f"{number.kind}. {number.no_interval}"


def _written(value: float, unit: str) -> str:
    places = _PLACES.get(unit, 0)
    if unit == "p" and value < 0.5 * 10**-places:
        return f"< {10**-places}"
    shown = round(100 * value if unit == "share" else value, places) + 0.0  # no minus before a zero
    return f"{shown:,.{places}f}"


def _suffix(unit: str) -> str:
    return _SUFFIXES.get(unit, "")


def number_rows(numbers: Iterable[tuple[str, Number]]) -> list[list[str]]:
    """Rows of a table of numbers, under NUMBER_HEADS."""
    return [
        [title, value_of(n), interval_of(n), "" if n.n is None else f"{n.n:,}", how_of(n)]
        for title, n in numbers
    ]


NUMBER_HEADS = ("", ">value", ">95 % interval", ">N", "how")


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Aligned columns; a head that begins with > stands over numbers. The last column is wrapped to fit."""
    cells = [[head.removeprefix(">") for head in heads], *([printable(c) for c in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    right = [head.startswith(">") for head in heads]
    lines = [line for row in cells for line in _lines(row, widths, right)]
    ruler = "  ".join("-" * width for width in widths[:-1]) + "  " + "-" * min(widths[-1], _NARROWEST)
    typer.echo("\n".join([lines[0], ruler, *lines[1:]]))


def _lines(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> list[str]:
    padded = [
        cell.rjust(width) if numeric else cell.ljust(width)
        for cell, width, numeric in zip(row, widths, right, strict=True)
    ]
    before = "".join(f"{cell}  " for cell in padded[:-1])
    if not sys.stdout.isatty():
        return [(before + padded[-1]).rstrip()]
    room = max(_NARROWEST, shutil.get_terminal_size().columns - len(before))
    parts = textwrap.wrap(padded[-1], room, drop_whitespace=not right[-1]) or [""]
    return [(before + parts[0]).rstrip(), *(" " * len(before) + part for part in parts[1:])]
