"""A slider whose readouts and threshold line move during the drag, without asking the server.

Streamlit's own slider speaks on release only. This one carries a small table (one row for each place of the
knob) to the browser, looks it up while the knob moves, and tells the server where it was let go. It names
the session that it tells: one that is new, as of a server that began anew, is told again what no server has
answered, and does not do again what the old one did. What was told is noted as heard once it is done: a run
that is overtaken in between leaves it to the next one, and doing it twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import streamlit as st

from dashboard.hearing import hear_all, listen, noted_once_done
from dashboard.live_slider.live_table import Histogram, LiveTable, Moves
from dashboard.session_word import session_word
from dashboard.text import _

_FAR = 1e300  # beyond it lie infinity and integers that no float can hold; NaN is not below it either
_HERE = Path(__file__).parent
MOVED_KNOBS = (_HERE / "moved_knobs.js").read_text(encoding="utf-8")
JAVASCRIPT = "\n".join(
    (_HERE / name).read_text(encoding="utf-8")
    for name in ("live_slider.js", "knob_elsewhere.js", "moved_knobs.js")
)
_mount = st.components.v2.component(
    "slimscope_live_slider",
    css=(_HERE / "live_slider.css").read_text(encoding="utf-8"),
    js=JAVASCRIPT,
)


@dataclass(frozen=True)
class _Commit:
    """What the browser said to which session; the serial number tells what is new from what was heard."""

    value: float
    serial: str
    session: str


@dataclass(frozen=True, eq=False)
class _Knob:
    """Where the knob may stand: on the rows of its table, or on every multiple of a step between them."""

    table: LiveTable
    step: float | None

    def allowed(self, value: float) -> float:
        if self.step is None:
            return self.table.nearest(value)
        low, high = float(self.table.positions[0]), float(self.table.positions[-1])
        stepped = round(round(min(max(value, low), high) / self.step) * self.step, 12)
        return min(max(stepped, low), high)


def live_slider(
    label: str,
    table: LiveTable,
    *,
    value: float,
    key: str,
    unit: str = "",
    factor: float = 1.0,
    step: float | None = None,
    text_of: Callable[[float], str] | None = None,
    histogram: Histogram | None = None,
    help: str = "",  # noqa: A002 - its name in every widget of Streamlit
    disabled: bool = False,
    moves: Moves | None = None,
    on_change: Callable[[float], None] | None = None,
) -> float:
    """A slider with readouts that follow the knob; gives the value to use in this run.

    The page owns the value: pass the current one and keep what is returned, or what `on_change` is called
    with before the run begins. Passing another value moves the knob. Value, positions and step have the
    knob's own unit; the number box shows value * factor and `unit`. It snaps to the rows of the table, or
    to multiples of `step` where one is given. text_of says a place in words: "90 % of the weights removed".
    moves: what else is stale once the knob is moved; the slider itself, once another moves the same layer.
    """
    assert histogram is None or len(histogram.marks) == len(table.positions), (
        "one row of marks for each place"
    )
    knob = _Knob(table, step)
    if on_change is None:
        current = _returned(knob, key, value)
    else:
        current = float(value)
        listen(key, partial(_hear, knob, key, on_change))
    contents = _appearance(label, table, histogram, help, unit) | {
        "id": key,
        "disabled": disabled,
        "moves": None if moves is None else vars(moves),
        "acknowledged": st.session_state.get(_heard_key(key)),
        "session": session_word(),
        **_numbers(knob, current, factor, text_of or (lambda place: f"{place * factor:g} {unit}".strip())),
    }
    _mount(key=key, data=contents, default={"commit": None}, on_commit_change=hear_all)
    return current


def _hear(knob: _Knob, key: str, on_change: Callable[[float], None]) -> None:
    """Do, then note: every access to the session may end a run that was overtaken."""
    commit = _unheard(knob, key)
    if commit is not None:
        with noted_once_done(_heard_key(key), commit.serial):
            on_change(commit.value)


def _returned(knob: _Knob, key: str, value: float) -> float:
    """Where nobody is called: the value of the browser's last commit, once, and else that of the page."""
    commit = _unheard(knob, key)
    if commit is None:
        return float(value)
    st.session_state[_heard_key(key)] = commit.serial
    return commit.value


def _unheard(knob: _Knob, key: str) -> _Commit | None:
    """The browser's last commit, if it was not heard; a rerun must not repeat it over an undo."""
    commit = _parsed(st.session_state.get(key), knob)
    if commit is None or commit.session != session_word():
        return None
    return None if commit.serial == st.session_state.get(_heard_key(key)) else commit


def _parsed(state: object, knob: _Knob) -> _Commit | None:
    """A browser may send anything: only a finite number with a serial counts, moved to an allowed place."""
    match state:
        case {
            "commit": {"value": int() | float() as value, "serial": str(serial), "session": str(session)}
        } if abs(value) < _FAR:
            return _Commit(knob.allowed(float(value)), serial[:64], session)
        case _:
            return None


def _heard_key(key: str) -> str:
    return f"slimscope.live_slider.{key}"


def _numbers(knob: _Knob, value: float, factor: float, text_of: Callable[[float], str]) -> dict[str, object]:
    """Where the knob is, where it can be, and how that reads; decimals enough for every place."""
    places = [float(f"{place:.10g}") for place in np.asarray(knob.table.positions, float).tolist()]
    grid = [*places, value] if knob.step is None else [knob.step, value]
    return {
        "value": value,
        "text": text_of(value),
        "places": places,
        "texts": [text_of(place) for place in places],
        "factor": factor,
        "step": knob.step,
        "digits": next((d for d in range(6) if all(_has_digits(p * factor, d) for p in grid)), 6),
    }


def _has_digits(number: float, digits: int) -> bool:
    return abs(round(number, digits) - number) <= 1e-9 * max(1.0, abs(number))


def _appearance(
    label: str, table: LiveTable, histogram: Histogram | None, help_text: str, unit: str
) -> dict[str, object]:
    words = _words()
    return {
        "label": label,
        "help": help_text,
        "unit": unit,
        "words": words,
        "readouts": [readout.as_json(words["missing"]) for readout in table.readouts],
        "plot": histogram.as_json() if histogram else None,
    }


def _words() -> dict[str, str]:
    """The slider's own words, in the visitor's language."""
    return {
        "exact": _("exact"),
        "estimated": _("estimated"),
        "measured": _("measured"),
        "missing": _("not measured"),
        "removed": _("removed"),
        "help": _("Help"),
        "play": _("Play"),
        "stop": _("Stop"),
        "stale": _("stale"),
        "outside": _("{got} is not between {low} and {high}."),
    }
