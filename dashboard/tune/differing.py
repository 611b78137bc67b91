"""One knob for layers that differ: it says what they have instead of a value that is not so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import streamlit as st

from dashboard.bound_widget import beside, by_hand, refused_beside, showing
from dashboard.text import _

VARIOUS = -1.0
MOST_TOLD = 4
KnobPlace = float | str  # where the knob of a layer stands; words where the knob has no such place


def knob(
    title: str,
    now: Sequence[KnobPlace],
    places: Sequence[float],
    words: Callable[[float], str],
    *,
    key: str,
    on_change: Callable[[float], None],
    of_groups: bool = False,
    help: str | None = None,  # noqa: A002 - as Streamlit calls it
) -> None:
    """A slider at the place that all layers share; where they differ it stands at "various" and says how.

    now: one place for each layer. on_change is called with the new place, and may raise Refused.
    """
    first = now[0]
    same = len(set(now)) == 1 and not isinstance(first, str)
    options = sorted({*places, first}) if same and not isinstance(first, str) else [VARIOUS, *places]
    key = key if same else f"{key}.various"
    st.select_slider(
        title,
        options,
        format_func=lambda place: _("various") if place == VARIOUS else words(place),
        key=showing(key, first if same else VARIOUS),
        on_change=by_hand(key, _moved, key, on_change),
        help=help,
    )
    beside(key)
    if not same:
        said = [place if isinstance(place, str) else words(place) for place in now]
        st.caption(told(said, of_groups=of_groups))


def _moved(key: str, on_change: Callable[[float], None]) -> None:
    place = st.session_state[key]
    with refused_beside(key, place):
        if place != VARIOUS:
            on_change(place)


def told(values: Sequence[str], *, of_groups: bool = False) -> str:
    """How many layers, or groups, have what: 3 layers at 90 %, 2 at 50 %."""
    counts = Counter(values).most_common()
    many = _("{count} groups at {value}") if of_groups else _("{count} layers at {value}")
    one = _("1 group at {value}") if of_groups else _("1 layer at {value}")
    value, count = counts[0]
    said = [(many if count > 1 else one).format(count=count, value=value)]
    said += [_("{count} at {value}").format(count=c, value=v) for v, c in counts[1:MOST_TOLD]]
    rest = sum(count for _value, count in counts[MOST_TOLD:])
    if rest:
        said.append(_("{count} at others").format(count=rest))
    return _("Now {layers}.").format(layers=", ".join(said))
