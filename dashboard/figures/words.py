"""Words inside figures: names made safe to draw, numbers as people read them."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from compress_core.foundation.number import fixed
from dashboard.text import _

LONGEST_NAME = 40
FAR_BEYOND = 1e4


def shortened(name: str, longest: int = LONGEST_NAME) -> str:
    """A name on one line, its middle left out when it is too long to draw."""
    line = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    if len(line) <= longest:
        return line
    head = (longest - 1) // 2
    return f"{line[:head]}…{line[len(line) - (longest - 1 - head) :]}"


def safe(name: str, longest: int = LONGEST_NAME) -> str:
    """A name that came with a file, as Plotly text: no markup, no template, no formula.

    Plotly draws a subset of HTML in titles, ticks and hovers, fills in %{...} in hover templates and
    sets $...$ as a formula where MathJax is loaded.
    """
    escaped = html.escape(shortened(name, longest), quote=False)
    return escaped.replace("{", "&#123;").replace("}", "&#125;").replace("$", "&#36;")


def safe_names(names: Sequence[str], longest: int = LONGEST_NAME) -> list[str]:
    """Every name as Plotly text."""
    return [safe(name, longest) for name in names]


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
