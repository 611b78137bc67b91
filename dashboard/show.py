"""How figures, numbers and refusals look on every page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import streamlit as st

from compress_core.foundation.number import fixed
from dashboard.figures.words import in_bytes, plain, short
from dashboard.long_searches import GroupsNotFoundError
from dashboard.text import _, current_language, literal, refusal, refusals_told, spoken

if TYPE_CHECKING:
    import pandas as pd
    from streamlit.delta_generator import DeltaGenerator

    from compress_core.apply.lineage import Lineage
    from compress_core.foundation.csv_table import Provenance
    from compress_core.foundation.errors import Refused
    from compress_core.foundation.number import Number
    from compress_core.network.layers.kinds import Untouched
    from compress_core.subject.split import Split
    from compress_core.subject.subject import Subject
    from dashboard.figures.drawn import Drawn

DARK = "dark"
SMALLEST_P = 0.0001
_NEEDLESS = ("lasso2d", "select2d", "zoomIn2d", "zoomOut2d", "autoScale2d")  # the wheel zooms as well


def is_dark() -> bool:
    """Whether the visitor's theme is dark."""
    return st.context.theme.type == DARK


def kept(name: str, content: str, make: Callable[[], Drawn]) -> Drawn:
    """A figure, made once for each content, theme and language; a page draws it on every run."""
    from dashboard import engine

    key = f"figure:{name}:{content}:{is_dark()}:{current_language()}"
    return engine.store().get(key, make, lambda _: 2**19)


def provenance(
    *, split: str = "", items: int | None = None, item: int | None = None, lineage: Lineage | None = None
) -> Provenance:
    """What downloads of this page speak of: the visitor's model, and the items it was measured on.

    lineage: what was done to another model of the tree, to which an older result belongs.
    """
    from compress_core.foundation.csv_table import UNCHANGED, Provenance
    from dashboard import state

    view = state.current()
    if view is None:
        return Provenance("", UNCHANGED, split, items, item)
    from compress_core.decide.lineage_provenance import provenance_of_lineage

    asked = view.lineage if lineage is None else lineage
    return provenance_of_lineage(state.subject(view).name, asked, split, items, item)


def about_item(split: Split, item: int, *, items: int | None = None) -> Provenance:
    """The same for one item of a split; items: of how many the numbers are, where that is known."""
    about = provenance(split=split.name, items=items, item=item)
    return replace(about, file_item=split.number_in_file(item))


def calibration_provenance(base: Subject) -> Provenance:
    """What a download of output errors speaks of: the calibration items, where there are any."""
    split = base.splits.get("calibration")
    return provenance() if split is None else provenance(split=split.name, items=len(split))


def csv_button(
    place: DeltaGenerator,
    key: str,
    frame: pd.DataFrame | Callable[[], pd.DataFrame],
    of: Provenance | None = None,
    *,
    width: Literal["stretch", "content"] = "stretch",
) -> None:
    """The numbers as a file that says of which model, recipe, split and how many items they are.

    frame: the numbers, or how they are worked out once somebody takes them away.
    """
    about = of or provenance()
    place.download_button(
        _("CSV"),
        partial(_written, frame, about),
        about.file_name(key),
        "text/csv",
        key=f"{key}.csv",
        help=_("The numbers of this figure or table"),
        on_click="ignore",
        icon=":material/download:",
        width=width,
    )


def _written(frame: pd.DataFrame | Callable[[], pd.DataFrame], about: Provenance) -> bytes:
    from compress_core.foundation.csv_table import as_csv

    return as_csv(frame() if callable(frame) else frame, about)


def _phone_title(drawn: Drawn, key: str) -> None:
    """The title as text that breaks into lines: page_style.css shows it where the screen is narrow."""
    lines = [plain(line).strip() for line in (drawn.figure.layout.title.text or "").split("<br>")]
    with st.container(key=f"phone_title.{key}"):
        st.markdown(
            "  \n".join([f"**{literal(lines[0])}**", *(f":small[{literal(s)}]" for s in lines[1:] if s)])
        )


def panels_of(drawn: Drawn) -> int:
    """How many panels of a figure stand side by side."""
    axes = (getattr(drawn.figure.layout, name) for name in drawn.figure.layout if name.startswith("xaxis"))
    return len({axis.domain[0] if axis.domain else 0.0 for axis in axes}) or 1


def figure(
    drawn: Drawn,
    key: str,
    of: Provenance | None = None,
    *,
    selectable: bool = False,
    on_click: Callable[[], None] | None = None,
    boxes: bool = False,
) -> object:
    """A figure with its alternative text and its numbers to download; gives what was clicked.

    of: what the numbers speak of, where they were measured on items or belong to an older result. boxes:
    boxes are drawn over it instead of points clicked.
    """
    with st.container(border=True):
        _phone_title(drawn, key)
        with st.container(key=f"panels_{panels_of(drawn)}.{key}"):
            clicked = st.plotly_chart(
                drawn.figure,
                width="stretch",
                theme=None,
                key=key,
                on_select=on_click or ("rerun" if selectable else "ignore"),
                selection_mode="box" if boxes else "points",
                config={"displaylogo": False, "modeBarButtonsToRemove": list(_NEEDLESS)},
            )
        words, download = st.columns([5, 1], vertical_alignment="center")
        words.caption(literal(drawn.alternative))
        csv_button(download, key, drawn.table, of)
    return clicked


@contextmanager
def refusals() -> Iterator[None]:
    """Show what was refused as a sentence, a search of groups that is missing as a job; the page goes on."""
    from dashboard import group_search

    with refusals_told(_warn):
        try:
            yield
        except GroupsNotFoundError as missing:  # to draw it may be refused as well
            group_search.draw_missing(missing)


def left_out_text(layer: str, reason: Refused) -> str:
    """Why nothing is said of a layer: a reason that begins with its name says it once."""
    said = refusal(reason)
    return literal(said) if said.startswith(layer) else f"{literal(layer)}: {literal(said)}"


def _warn(sentence: str) -> None:
    st.warning(literal(sentence), icon=":material/block:")


def number_text(number: Number) -> str:
    """A number with its unit, as short as it may be; a missing one says so."""
    if number.value is None:
        return _("not measured")
    about = "≈ " if number.kind == "estimated" else ""
    return about + _VALUES.get(number.unit, _in_its_unit)(number.value, number.unit)


def _in_its_unit(value: float, unit: str) -> str:
    return f"{value + 0.0:.4g} {_(unit)}"


_VALUES: Mapping[str, Callable[[float, str], str]] = MappingProxyType(
    {
        "share": lambda value, _unit: f"{fixed(100 * value)} %",
        "points": lambda value, _unit: f"{fixed(value, 2, '+')} {_('points')}",
        "byte": lambda value, _unit: in_bytes(value),
        "ratio": lambda value, _unit: f"{fixed(value)}x",
        "item": lambda value, _unit: fixed(value, 0, ","),
        "MAC": lambda value, _unit: fixed(value, 0, ","),
        "value": lambda value, _unit: f"{value + 0.0:.4g}",
        "value change": lambda value, _unit: f"{value + 0.0:+.4g}",
        "cosine": lambda value, _unit: fixed(value, 4),
        "rank correlation": lambda value, _unit: fixed(value, 4),
        "similarity": lambda value, _unit: fixed(value, 3),
        "p": lambda value, _unit: p_text(value),
        "R squared": lambda value, _unit: fixed(value, 4),
        "parameter": lambda value, _unit: fixed(value, 0, ","),
        "uJ": lambda value, _unit: f"{short(value)} µJ",
    }
)


def p_text(value: float) -> str:
    """The p of a test: no unit stands behind it, and what is close to zero is not written as zero."""
    return f"p < {SMALLEST_P}" if value < SMALLEST_P else f"p = {value:.3g}"


_BOUNDS: Mapping[str, Callable[[float], str]] = MappingProxyType(
    {
        "share": lambda bound: fixed(100 * bound),
        "item": lambda bound: fixed(bound, 0, ","),
        "points": lambda bound: fixed(bound, 2, "+"),
        "ratio": fixed,
        "cosine": lambda bound: fixed(bound, 4),
        "rank correlation": lambda bound: fixed(bound, 4),
    }
)


def interval_text(number: Number) -> str:
    """The 95 % interval of a number in its unit, as fine as the number itself; empty where it has none."""
    if number.low is None or number.high is None:
        return ""
    low, high = (_BOUNDS.get(number.unit, short)(bound) for bound in (number.low, number.high))
    return f"[{low}, {high}]" + " %" * (number.unit == "share")


def with_interval(number: Number) -> str:
    """A number and its interval; the unit is said once."""
    return f"{number_text(number)} {interval_text(number).removesuffix(' %')}".strip()


def said_of(number: Number) -> str:
    """Its interval; or why it has none, or no value."""
    why = number.reason or number.no_interval
    return interval_text(number) if why is None else _(why)


def untouched_text(left: Untouched) -> str:
    """A module that is left alone and why, as Markdown; the network itself has no name."""
    return _("Left alone: {layer} ({kind}): {reason}").format(
        layer=literal(left.name) or _("the network itself"),
        kind=literal(spoken(left.kind)),
        reason=literal(_(left.reason)),
    )
