"""What was tried: a line for each release of a knob, to return to, to name, to compare, to take away."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from compress_core.apply.model import Model
from compress_core.foundation.csv_table import Provenance, as_csv
from compress_core.foundation.errors import Refused
from compress_core.foundation.workspace.trials import Trial
from compress_core.subject.subject import Subject
from dashboard import state, trial_log
from dashboard.text import _, literal, refusal
from dashboard.tune import two_trials, unmeasured
from dashboard.tune.trial_words import TriedLine, csv_frame, described
from dashboard.view import View

MOST_SHOWN = 200
RETURNS, REFUSED = "slimscope.tried.returns", "slimscope.tried.refused"
_ROW_PX, _MOST_ROWS = 35, 8


def draw(view: View, model: Model) -> None:
    """The table of what was tried, the newest first; two ticked lines stand side by side below it."""
    subject = model.subject
    lines = _completed(subject, trial_log.lines(subject, MOST_SHOWN))
    _refused()
    searched, name, save, csv = st.columns([2, 2, 1.2, 0.8], vertical_alignment="bottom")
    told = described(subject, lines)
    found = _matching(searched, told)
    place = st.container()
    chosen = _table(found, model) if found else []
    unmeasured.draw(subject, told)
    with place:
        _how_many(subject, len(found), bool(lines))
    _naming(name, save, view, [line.trial for line in chosen])
    csv.download_button(
        _("CSV"),
        partial(_csv, subject),
        Provenance(subject.name, "").file_name("tried"),
        "text/csv",
        key="tried.csv",
        help=_("Every line with model, recipe, split and N"),
        on_click="ignore",
        icon=":material/download:",
        width="stretch",
        disabled=not lines,
    )
    if len(chosen) == 1:
        _one(subject, chosen[0])
    if len(chosen) == 2:
        two_trials.draw(*sorted(chosen, key=lambda line: line.trial.number))


def _completed(subject: Subject, lines: tuple[Trial, ...]) -> tuple[Trial, ...]:
    """The lines, with what was measured after their page had moved on."""
    waiting = [line.model for line in lines if not line.split]
    if not waiting or trial_log.SPLIT not in subject.splits:
        return lines
    trial_log.complete_from_evaluations(subject, subject.split(trial_log.SPLIT), waiting)
    return trial_log.lines(subject, MOST_SHOWN)


def _matching(place: DeltaGenerator, lines: list[TriedLine]) -> list[TriedLine]:
    """Those that hold what is searched for: in name, layer, technique or recipe."""
    typed = place.text_input(
        _("Filter"), key="tried.filter", placeholder=_("layer, technique, name or recipe")
    )
    wanted = (typed or "").casefold()
    return [line for line in lines if wanted in _words_of(line).casefold()]


def _words_of(line: TriedLine) -> str:
    return f"{line.trial.name} {line.what} {line.recipe_name} {line.sha}"


def _how_many(subject: Subject, shown: int, is_any: bool) -> None:
    if not is_any:
        st.info(_("Nothing was tried yet: every knob that you let go leaves a line here."))
        return
    count = trial_log.count(subject)
    said = [_("{shown:,} of {count:,} lines, the newest first.").format(shown=shown, count=count)]
    if count > MOST_SHOWN:
        said.append(_("Only the newest {most} are looked through; the CSV has all.").format(most=MOST_SHOWN))
    said.append(_("Click a cell to return to its recipe; tick two lines to compare them."))
    st.caption(" ".join(said))


def _table(lines: list[TriedLine], model: Model) -> list[TriedLine]:
    """Draw the lines; gives those that are ticked."""
    newest = max(line.trial.number for line in lines)
    typed = st.session_state.get("tried.filter") or ""
    key = (
        f"tried.table.{st.session_state.get(RETURNS, 0)}.{newest}.{len(lines)}.{typed}"  # rows go by position
    )
    selected = st.dataframe(
        _frame(lines, model.key),
        key=key,
        hide_index=True,
        width="stretch",
        height=_ROW_PX * (min(len(lines), _MOST_ROWS) + 1) + 3,
        column_config=_columns(),
        placeholder=_("not measured"),
        on_select=partial(_clicked, key, [line.trial.model for line in lines]),
        selection_mode=["multi-row", "single-cell"],
    )
    rows: list[int] = selected["selection"]["rows"]
    return [lines[row] for row in rows if row < len(lines)]


def _frame(lines: list[TriedLine], here: str) -> pd.DataFrame:
    zone = ZoneInfo(st.context.timezone or "UTC")
    return pd.DataFrame(
        {
            "here": ["▶" if line.trial.model == here else "" for line in lines],
            "when": [datetime.fromtimestamp(line.trial.time, UTC).astimezone(zone) for line in lines],
            "name": [line.trial.name for line in lines],
            "what": [line.what for line in lines],
            "recipe": [line.recipe_name for line in lines],
            "kibibytes": [None if line.bytes is None else line.bytes / 1024 for line in lines],
            "change": [line.change.value for line in lines],
            "interval": [line.said for line in lines],
            "n": [line.change.n for line in lines],
        }
    )


def _columns() -> dict[str, Any]:
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    return {
        "here": text("", width=30, help=_("The recipe that is set now")),
        "when": st.column_config.DatetimeColumn(_("When"), format="MM-DD HH:mm:ss"),
        "name": text(_("Name")),
        "what": text(_("What changed"), width="large"),
        "recipe": text(_("Recipe")),
        "kibibytes": number(_("Size (KiB)"), format="%.1f", help=_("Bytes of the plain file")),
        "change": number(_("Accuracy change (points)"), format="%+.2f"),
        "interval": text(_("95 % interval")),
        "n": number("N", format="localized", help=_("Items of the validation split")),
    }


def _clicked(key: str, models: list[str]) -> None:
    """A cell was clicked, not a line ticked: the view returns to what its line tried."""
    cells = st.session_state[key]["selection"]["cells"]
    if cells and int(cells[0][0]) < len(models):
        return_to(models[int(cells[0][0])])


def return_to(key: str) -> None:
    """Look again at a model that was tried; Undo leads back."""
    st.session_state[RETURNS] = st.session_state.get(RETURNS, 0) + 1
    try:
        state.keep(state.returned(state.required(), key))
    except Refused as refused:
        st.session_state[REFUSED] = refusal(refused)


def _refused() -> None:
    sentence = st.session_state.pop(REFUSED, None)
    if sentence:
        st.warning(literal(sentence), icon=":material/block:")


def _naming(place: DeltaGenerator, button: DeltaGenerator, view: View, chosen: list[Trial]) -> None:
    """A name for the line that is ticked, else for the recipe that is set now."""
    typed = place.text_input(_("Name"), key="snapshot.name", max_chars=40)
    button.button(
        _("Name this line") if len(chosen) == 1 else _("Save this recipe"),
        key="snapshot.save",
        help=_("A snapshot keeps the recipe under a name, to come back to it or compare with it."),
        on_click=_save,
        args=(view, chosen[0].number if len(chosen) == 1 else None),
        disabled=not typed or len(chosen) > 1,
        width="stretch",
    )


def _save(view: View, number: int | None) -> None:
    name = st.session_state["snapshot.name"]
    try:
        if number is None:
            trial_log.name_current(state.model(view), name)
        else:
            trial_log.give_name(state.subject(view), number, name)
    except Refused as refused:
        st.session_state[REFUSED] = refusal(refused)
        return
    st.session_state["snapshot.name"] = ""


def _one(subject: Subject, line: TriedLine) -> None:
    """What can be done with one line, for those who do not click on cells."""
    back, drop, _rest = st.columns([1.4, 1.4, 3])
    back.button(
        _("Return to {recipe}").format(recipe=line.trial.name or line.recipe_name),
        key="tried.return",
        icon=":material/undo:",
        on_click=return_to,
        args=(line.trial.model,),
        width="stretch",
    )
    if line.trial.name:
        drop.button(
            _("Take the name away"),
            key="tried.unname",
            icon=":material/label_off:",
            on_click=trial_log.give_name,
            args=(subject, line.trial.number, ""),
            width="stretch",
        )


def _csv(subject: Subject) -> bytes:
    """All lines, however many; texts are safe to open in a spreadsheet."""
    return as_csv(csv_frame(subject, described(subject, trial_log.lines(subject))))
