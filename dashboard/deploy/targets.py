"""Where does it help? Which runtimes and chips can use which step of the recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from compress_core.apply.model import Model
from compress_core.measure.cost.portability import PortabilityRow, PortableStep, usable
from dashboard.text import _, label, literal

CHOSEN = "slimscope.deploy.target"
_MARKS = {
    "used": ":material/check_circle:",
    "partly": ":material/contrast:",
    "lost": ":material/cancel:",
}


def draw(model: Model) -> None:
    """The table of all targets, then the reasons for the chosen one."""
    rows = usable(model)
    if not rows:
        st.info(
            _("The recipe has no step yet, so there is nothing to use or to lose."), icon=":material/info:"
        )
        return
    titles = {row.target.id: _(row.target.title) for row in rows}
    steps = list(dict.fromkeys(row.step for row in rows))
    st.table(_frame(rows, steps, titles), border="horizontal", hide_index=True)
    st.caption(
        _("Used: it saves time, memory or energy there. Partly: only under a condition. Lost: no gain.")
    )
    ids = list(titles)
    wish = st.session_state.get(CHOSEN, ids[0])
    chosen = st.selectbox(
        _("The reasons on"),
        ids,
        ids.index(wish) if wish in ids else 0,
        format_func=lambda target: titles[target],
        key="deploy.target",
    )
    st.session_state[CHOSEN] = chosen
    for row in rows:
        if row.target.id == chosen:
            _detail(row)


def _frame(
    rows: Sequence[PortabilityRow], steps: Sequence[PortableStep], titles: Mapping[str, str]
) -> pd.DataFrame:
    words = use_words()
    cells = {(row.target.id, row.step): f"{_MARKS[row.use]} {words[row.use]}" for row in rows}
    columns = {step_title(step, steps): [cells[target, step] for target in titles] for step in steps}
    assert len(columns) == len(steps), "a column of its own for each step"
    return pd.DataFrame({"": [literal(title) for title in titles.values()], **columns})


def use_words() -> Mapping[str, str]:
    """What becomes of a step, in the visitor's language."""
    return {"used": _("used"), "partly": _("partly"), "lost": _("lost")}


def step_title(step: PortableStep, steps: Sequence[PortableStep]) -> str:
    """The technique, and on which layers where the same technique stands there twice."""
    title = literal(label(step.technique))
    alike = [other for other in steps if other.technique == step.technique]
    if len(alike) < 2:
        return title
    shown = _some_layers(step)
    if sum(_some_layers(other) == shown for other in alike) > 1:  # in two stages, or too many to name
        shown += f"; {label(step.stage.name.lower())} {alike.index(step) + 1}"
    return f"{title} ({literal(shown)})"


def _some_layers(step: PortableStep) -> str:
    return ", ".join(step.layers[:2]) + (" …" if len(step.layers) > 2 else "")


def _detail(row: PortabilityRow) -> None:
    title, use = literal(label(row.step.technique)), use_words()[row.use]
    why, source = literal(_(row.why)), f"[{_('source')}]({row.source})"
    st.markdown(f"{_MARKS[row.use]} **{title}**, {use}: {why} {source}")
