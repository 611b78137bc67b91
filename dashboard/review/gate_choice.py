"""Which gates a model is judged by: ready-made ones, or a file of one's own, fixed when it is read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st
import yaml

from compress_core.foundation.errors import Refused
from compress_core.foundation.printable import printable
from compress_core.reviews.gate_file import (
    OF_OTHER_TASKS,
    USUAL,
    gates_in,
    gates_noted,
    read_gates,
    ready_made_gates,
)
from dashboard import engine, state
from dashboard.bound_widget import by_hand, showing
from dashboard.refused_here import notice_beside
from dashboard.review import target_choice
from dashboard.shared_choice import SharedChoice
from dashboard.text import _, literal, refusal
from dashboard.uploaded_files import just_given, let_go

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from compress_core.reviews.gate import Gates
    from compress_core.subject.subject import Subject

BOX, FILE = "review.gates", "review.gates_file"
_SHA = re.compile(r"[0-9a-f]{64}")
_OWN = "slimscope.review.own_gates"


def _read(text: str) -> str | None:
    """A name of ready-made gates, or the digest of gates that are noted here and can still be read."""
    if text in ready_made_gates():
        return text
    try:
        return text if _SHA.fullmatch(text) and _gates_of(text) else None
    except Refused:
        return None


CHOSEN: SharedChoice[str] = SharedChoice("gates", USUAL, _read)


def chosen_gates(subject: Subject) -> Gates:
    """The gates that the visitor chose; raises Refused where they are not kept any more."""
    return _gates_of(_chosen(subject))


def _chosen(subject: Subject) -> str:
    """What was chosen, unless it is ready-made for models of another kind."""
    chosen, offered = CHOSEN.chosen(), _ready_made(subject)
    return chosen if chosen in offered or chosen not in ready_made_gates() else offered[0]


def _ready_made(subject: Subject) -> tuple[str, ...]:
    """The ready-made gates that ask for something that a model answers with, the usual ones first."""
    special = OF_OTHER_TASKS.get(subject.task)
    if special is not None:
        return (special,)
    general = [name for name in ready_made_gates() if name not in OF_OTHER_TASKS.values()]
    return tuple(sorted(general, key=lambda name: name != USUAL))


def _gates_of(name: str) -> Gates:
    ready = ready_made_gates()
    if name in ready:
        return read_gates(ready[name])
    noted = engine.workspace().gates.content(name)
    if noted is None:
        raise Refused("These gates are not kept here any more: choose others, or upload the file again.")
    return gates_noted(noted)


def draw(subject: Subject) -> DeltaGenerator:
    """The box, what the chosen gates say, a place for a file, and where the model is meant to run.

    Gives the row of buttons, for what else is asked.
    """
    chosen = _chosen(subject)
    own: tuple[str, ...] = st.session_state.get(_OWN, ())
    known = dict.fromkeys([*_ready_made(subject), *own, chosen])
    st.selectbox(
        _("Gates"),
        list(known),
        format_func=lambda name: printable(gates_title(_gates_of(name))),
        key=showing(BOX, chosen),
        on_change=by_hand(BOX, lambda: _choose(st.session_state[BOX])),
        help=_("What must hold before the model goes out, written down before anybody looks at test items."),
    )
    notice_beside(BOX)
    row = st.container(horizontal=True, gap="small")
    with row:
        with st.popover(_("What they say"), icon=":material/rule:"):
            _told(_gates_of(chosen))
        with st.popover(_("Own gates"), icon=":material/upload_file:"):
            st.file_uploader(
                _("A YAML file of gates"), ["yaml", "yml", "json"], key=FILE, on_change=_take_file
            )
            notice_beside(FILE)
            st.caption(_("It is noted with its digest and the time when it is read: fixed from then on."))
        target_choice.draw()
    return row


def gates_title(gates: Gates) -> str:
    """What gates are called: their own title, or the beginning of their digest."""
    return _(gates.title) if gates.title else _("Own gates {sha}").format(sha=gates.sha[:8])


def _told(gates: Gates) -> None:
    """Each gate with its reason, then the file itself, which serves as a pattern for another one."""
    rows = {
        _("Gate"): [literal(_(gates.in_words(gate))) for gate in gates.gates],
        "": [_("required") if gate.required else _("advisory") for gate in gates.gates],
        _("Why this limit"): [literal(_(gate.reason)) for gate in gates.gates],
    }
    st.table(pd.DataFrame(rows), border="horizontal", hide_index=True)
    st.code(yaml.safe_dump(gates.as_json(), sort_keys=False, allow_unicode=True), "yaml", height=180)


def _choose(name: str) -> None:
    """Choose gates: from now on they are fixed."""
    try:
        _fix(_gates_of(name))
    except Refused as refused:
        state.notice(refusal(refused), beside=BOX)
        return
    CHOSEN.choose(name)


def _take_file() -> None:
    """Read a file, fix the gates in it and choose them; what is refused is said on the next run."""
    file = just_given(FILE)
    if file is None:
        return
    try:
        gates = gates_in(file.getvalue(), file.name)
        _fix(gates)
    except Refused as refused:
        state.notice(refusal(refused), beside=FILE)
        return
    finally:
        let_go(file)
    own: tuple[str, ...] = st.session_state.get(_OWN, ())
    st.session_state[_OWN] = (*(sha for sha in own if sha != gates.sha), gates.sha)
    CHOSEN.choose(gates.sha)


def _fix(gates: Gates) -> None:
    """Note gates with the time, also where that ends with the server: the choice is found by its digest."""
    engine.workspace().gates.fix(gates.sha, gates.as_json())
