"""Words inside figures: names made safe to draw, numbers as people read them."""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Sequence

from compress_core.foundation.number import fixed
from dashboard.text import _

LONGEST_NAME = 40
FAR_BEYOND = 1e4


def shortened(name: str, longest: int = LONGEST_NAME) -> str:
    """A name on one line, its middle left out when it is too long to draw."""
    line = _one_line(name)
    if len(line) <= longest:
        return line
    head = (longest - 1) // 2
    return f"{line[:head]}…{line[len(line) - (longest - 1 - head) :]}"


def shortened_apart(names: Sequence[str], longest: int = LONGEST_NAME) -> list[str]:
    """Names that are shown together, each as `shortened` has it, but with what tells it from the others.

    Where shortening leaves no difference, a number stands behind.
    """
    lines = [_one_line(name) for name in names]
    short = [shortened(line, longest) for line in lines]
    alike: dict[str, set[str]] = {}
    for line, said in zip(lines, short, strict=True):
        alike.setdefault(said, set()).add(line)
    found = [
        _with_its_part(line, alike[said], longest) if len(alike[said]) > 1 else said
        for line, said in zip(lines, short, strict=True)
    ]
    called: dict[str, dict[str, int]] = {}
    for line, said in zip(lines, found, strict=True):
        numbers = called.setdefault(said, {})
        numbers.setdefault(line, len(numbers) + 1)
    return [
        said if len(called[said]) == 1 else _numbered(line, called[said][line], longest)
        for line, said in zip(lines, found, strict=True)
    ]


def _one_line(name: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in name).split())


def _numbered(line: str, number: int, longest: int) -> str:
    return f"{shortened(line, longest - len(f' {number}'))} {number}"


def _with_its_part(line: str, alike: Collection[str], longest: int) -> str:
    """A name with the parts between dots that others do not have, and what fits around them."""
    every = [other.split(".") for other in alike]
    fewest = min(map(len, every))
    head = next((place for place in range(fewest) if len({e[place] for e in every}) > 1), fewest)
    tail = next((n for n in range(fewest - head) if len({e[-1 - n] for e in every}) > 1), fewest - head)
    parts = line.split(".")
    last = len(parts) - tail
    before, own, after = (".".join(some) for some in (parts[:head], parts[head:last], parts[last:]))
    own = shortened(f"{own}." if after else own, longest - 2)
    room = longest - len(own)
    if len(after) > room - 1:
        shown = max(0, room - 1) // 2
        own = f"{own}…{after[len(after) - shown :] if shown else ''}"[:longest]
    else:
        own += after
    room = longest - len(own) - 1
    return f"{before[: max(0, room)]}…{own}"[-longest:] if before else own


def safe(name: str, longest: int = LONGEST_NAME) -> str:
    """A name that came with a file, as Plotly text: no markup, no template, no formula.

    Plotly draws a subset of HTML in titles, ticks and hovers, fills in %{...} in hover templates and
    sets $...$ as a formula where MathJax is loaded.
    """
    escaped = html.escape(shortened(name, longest), quote=False)
    return escaped.replace("{", "&#123;").replace("}", "&#125;").replace("$", "&#36;")


def safe_names(names: Sequence[str], longest: int = LONGEST_NAME) -> list[str]:
    """Every name as Plotly text; those that are shown together stay apart."""
    return [safe(name, longest) for name in shortened_apart(names, longest)]


def item_words(item: int, number: int | None) -> str:
    """The number of an item in its split, and that in the visitor's file where it is another."""
    return (
        f"{item}" if number is None else _("{item} ({number} in the file)").format(item=item, number=number)
    )


def percent(share: float, digits: int = 1) -> str:
    """A share between 0 and 1 as a percentage; what is far beyond 1 in three significant digits."""
    return f"{fixed(100 * share, digits) if abs(share) < FAR_BEYOND else short(100 * share)} %"


def whole(count: float) -> str:
    """A count with its thousands marked."""
    return fixed(count, 0, ",")


def signed(value: float, digits: int = 2) -> str:
    """A change with its sign; nothing is written as -0."""
    return fixed(value, digits, "+")


def short(value: float) -> str:
    """A real number in three significant digits."""
    return f"{value + 0.0:.3g}"


def counted_models(count: int) -> str:
    """So many models, in words."""
    return _("1 model") if count == 1 else _("{count} models").format(count=whole(count))


def in_bytes(count: float) -> str:
    """A number of bytes in the unit that suits it (1 KiB = 1,024 bytes)."""
    for unit, size in (("MiB", 1024**2), ("KiB", 1024)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{whole(count)} B"


def unit_of_bytes(largest: float) -> tuple[str, int]:
    """The unit in which numbers of bytes stand below each other, and how many bytes it has."""
    return ("MiB", 1024**2) if largest >= 1024**2 else ("KiB", 1024)


def hover(*lines: tuple[str, str], heading: str = "") -> str:
    """A hover template: a heading, then one line for each (label, expression)."""
    body = [f"{label}: {expression}" for label, expression in lines]
    return "<br>".join(([f"<b>{heading}</b>"] if heading else []) + body) + "<extra></extra>"


def plain(text: str) -> str:
    """Plotly text without its markup: what a screen reader should say."""
    return html.unescape(re.sub(r"<[^>]*>", " ", text))
