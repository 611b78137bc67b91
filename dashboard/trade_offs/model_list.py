"""All models as a table, or the best of them by one measure; a click picks a model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from compress_core.foundation.csv_table import as_csv
from dashboard.done_words import done_in_words
from dashboard.figures.measures import Measure
from dashboard.figures.words import counted_models
from dashboard.number_table import height_of, width_of
from dashboard.text import _
from dashboard.trade_offs import picked_models

_KEY, _BEST, _COUNT, _CLICKS = (f"trade_offs.list.{name}" for name in ("table", "best", "count", "clicks"))
MOST_PX = 420
LEAST_PX, MOST_DONE_PX = 140, 420
LEAST_NAME_PX, MOST_NAME_PX, LEAST_NUMBER_PX, MOST_NUMBER_PX = 70, 200, 60, 240
MARK_PX, RUNS_PX, ITEMS_PX, WORDS_PX, TIME_PX = 44, 78, 72, 120, 108
ROOM_PX = 1310  # of a table in a window of 1366
_SAID_PX = MappingProxyType({"runs": RUNS_PX, "tags": WORDS_PX, "note": WORDS_PX})
_FIRST_SIZES = ("packed_bytes", "size_ratio")


def draw(models: pd.DataFrame, offered: Sequence[Measure], up: Measure, here: str) -> None:
    """How many of the best by which measure, and their table. here: the key of the model that is open."""
    by_name = {measure.name: measure for measure in offered}
    count, best, words = st.columns([1, 2, 3.5], vertical_alignment="bottom")
    st.session_state.setdefault(_COUNT, 0)
    most = int(count.number_input(_("Best, 0 for all"), 0, max(1, len(models)), step=1, key=_COUNT))
    if st.session_state.get(_BEST) not in by_name:
        st.session_state[_BEST] = up.name
    name = best.selectbox(_("by"), list(by_name), format_func=lambda name: by_name[name].axis, key=_BEST)
    found = best_of(models, by_name[name], most)
    words.caption(
        _("{shown:,} of {all}. Click a cell to pick its model, or to let it go.").format(
            shown=len(found), all=counted_models(len(models))
        )
    )
    shown = fitting(found, offered, (name, up.name, *first_told()))
    draw_table(found, shown, here, _KEY)
    left = [_(measure.title) for measure in offered if measure not in shown]
    if left:
        names = ", ".join(left)
        st.caption(
            _("Further numbers stand under Every measure and in the CSV: {names}.").format(names=names)
        )


def first_told() -> tuple[str, ...]:
    """The names of the numbers that come before others: sizes, then the headlines of every task."""
    from compress_core.measure.behavior.metric import Shown, every_shown, metrics

    changes = {metric.change_of: metric.name for metric in metrics().values() if metric.change_of}
    headlines = (metric.name for metric in every_shown(Shown.HEADLINE))
    return (*_FIRST_SIZES, *(each for name in headlines for each in (name, changes.get(name)) if each))


def fitting(models: pd.DataFrame, offered: Sequence[Measure], first: Sequence[str]) -> tuple[Measure, ...]:
    """The measures for which a window of 1366 px has room, in their order.

    first: names of those that come before others; the first two of them stand there in any case.
    """
    by_name = {measure.name: measure for measure in offered}
    silent = _silent(models)
    room = ROOM_PX - MARK_PX - ITEMS_PX - TIME_PX - _name_px(models) - _done_px(models)
    room -= sum(px for name, px in _SAID_PX.items() if name not in silent)
    chosen: set[str] = set()
    for name in dict.fromkeys([*(name for name in first if name in by_name), *by_name]):
        width = _number_px(by_name[name])
        if width <= room or name in first[:2]:
            chosen.add(name)
            room -= width
    return tuple(measure for measure in offered if measure.name in chosen)


def _name_px(models: pd.DataFrame) -> int:
    return width_of(map(str, models["label"]), LEAST_NAME_PX, MOST_NAME_PX)


def _done_px(models: pd.DataFrame) -> int:
    return width_of([done_in_words(what) for what in models["what"]], LEAST_PX, MOST_DONE_PX)


def _number_px(measure: Measure) -> int:
    """Its heading is longer than its values."""
    return width_of([measure.axis], LEAST_NUMBER_PX, MOST_NUMBER_PX)


def best_of(models: pd.DataFrame, measure: Measure, count: int) -> pd.DataFrame:
    """The best by a measure, the best first; all of them for 0. What was not measured comes last."""
    values = pd.Series(measure.of(models), index=models.index)
    order = values.sort_values(
        ascending=measure.direction == "lower", na_position="last", kind="stable"
    ).index
    found = models.loc[order]
    if count:
        found = found[values.loc[order].notna()].head(count)
    return found.reset_index(drop=True)


def draw_table(models: pd.DataFrame, offered: Sequence[Measure], here: str, key: str) -> None:
    """A row for each model; a click on a cell picks it. key: of its place on the page."""
    frame = _frame(models, offered, here)
    clicks = st.session_state.setdefault(_CLICKS, 0)
    place = f"{key}.{clicks}"
    st.dataframe(
        frame,
        key=place,
        hide_index=True,
        width="stretch",
        height=height_of(len(frame), MOST_PX),
        column_config=_columns(offered, models),
        placeholder=_("not measured"),
        on_select=partial(_clicked, place, list(models["key"])),
        selection_mode="single-cell",
    )
    st.download_button(
        _("CSV"),
        partial(_written, models),
        "models.csv",
        "text/csv",
        key=f"{key}.csv",
        help=_("Every model with its recipe, split, N, numbers and intervals"),
        on_click="ignore",
        icon=":material/download:",
    )


def _written(models: pd.DataFrame) -> bytes:
    """The file, once somebody takes it away; each row says of which recipe, split and N it is."""
    return as_csv(taken(models))


def _clicked(place: str, keys: Sequence[str]) -> None:
    cells = st.session_state[place]["selection"]["cells"]
    if cells and int(cells[0][0]) < len(keys):
        st.session_state[_CLICKS] += 1  # a new table has no cell clicked
        picked_models.toggle(keys[int(cells[0][0])])


def _frame(models: pd.DataFrame, offered: Sequence[Measure], here: str) -> pd.DataFrame:
    letters = picked_models.letters(models)
    zone = ZoneInfo(st.context.timezone or "UTC")
    marks = [" ".join(filter(None, [letters.get(key, ""), "▶" * (key == here)])) for key in models["key"]]
    facts: dict[str, Any] = {
        "picked": marks,
        "name": models["label"].to_numpy(),
        "what": [done_in_words(what) for what in models["what"]],
        "runs": models["runs"].to_numpy(),
        **{measure.name: measure.of(models) for measure in offered},
        "n": models["n"].to_numpy(),
        "tags": [list(tags) for tags in models["tags"]],
        "note": models["note"].to_numpy(),
        "when": models["time"].dt.tz_convert(zone),
    }
    return pd.DataFrame(facts).drop(columns=_silent(models))


def _silent(models: pd.DataFrame) -> list[str]:
    """Columns that say nothing of any model: seeds where each was run once, tags and notes of none."""
    says = {
        "runs": bool((models["runs"] > 1).any()),
        "tags": any(map(len, models["tags"])),
        "note": any(models["note"]),
    }
    return [name for name, is_said in says.items() if not is_said]


def _columns(offered: Sequence[Measure], models: pd.DataFrame) -> dict[str, Any]:
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    return {
        "picked": text(
            "", width=MARK_PX, pinned=True, help=_("The letter of a picked model; ▶ the one that is open")
        ),
        "name": text(_("Name"), width=_name_px(models), pinned=True),
        "what": text(_("What was done"), width=_done_px(models)),
        "runs": number(_("Seeds"), width=RUNS_PX),
        **{
            measure.name: number(
                measure.axis, format=f"%.{measure.drawing.digits}f", width=_number_px(measure)
            )
            for measure in offered
        },
        "n": number("N", format="localized", width=ITEMS_PX),
        "tags": st.column_config.ListColumn(_("Tags"), width=WORDS_PX),
        "note": text(_("Note"), width=WORDS_PX),
        "when": st.column_config.DatetimeColumn(_("When"), format="MM-DD HH:mm", width=TIME_PX),
    }


def taken(models: pd.DataFrame) -> pd.DataFrame:
    """What the file holds: all that is known, in the units of the core."""
    return models.assign(tags=[", ".join(tags) for tags in models["tags"]]).dropna(axis="columns", how="all")
