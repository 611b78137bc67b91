"""What a cell of the layer table does to the recipe, and what was refused there until it is typed anew."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import streamlit as st

from compress_core.foundation.errors import Refused
from compress_core.recipe.edit import step_for_layer
from compress_core.recipe.values import Step
from compress_core.techniques.contract.technique import Stage
from dashboard import asked_change, group_search, state
from dashboard.layer_list.layer_row import Column
from dashboard.text import label, refusal
from dashboard.tune.held_by_link import held_by_link, with_held_layers
from dashboard.tune.steps import CHOICES, FIRST_CHOICE, MAIN_KNOB, change_step
from dashboard.view import View

if TYPE_CHECKING:
    from compress_core.apply.lineage import Lineage
    from compress_core.recipe.values import ResolvedRecipe

KEY = "slimscope.tune.refused_cells"
STAGES: Mapping[Column, Stage] = MappingProxyType(
    {"prune": Stage.PRUNE, "rank": Stage.FACTOR, "bits": Stage.QUANTIZE}
)
SHARE_DIGITS = 6
_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)\s*%?")
_WHOLE = re.compile(r"\d+")
_OFF: Mapping[Column, tuple[int, ...]] = MappingProxyType({"rank": (0,), "bits": (0, 16, 32)})  # as loaded


@dataclass(frozen=True)
class RefusedCell:
    """What was typed into a cell and why it cannot be done to that model as it was then.

    waits: by which it is known where it is done later.
    """

    model: str
    lineage: Lineage
    typed: str
    reason: Refused
    waits: str | None = None

    def stands_at(self, view: View) -> bool:
        """Whether it is still so: a change that waited and was dropped is asked for by nobody any more."""
        is_here = (self.model, self.lineage) == (view.model, view.lineage)
        return is_here and not asked_change.is_dropped(self.waits)


def refused_cells(view: View) -> Mapping[tuple[str, Column], RefusedCell]:
    """What is refused now, by layer and column; another recipe or model forgets it."""
    kept: dict[tuple[str, Column], RefusedCell] = st.session_state.get(KEY, {})
    return {at: cell for at, cell in kept.items() if cell.stands_at(view)}


def lock(layer: str, is_locked: bool) -> None:
    """Lock a layer or set it free; what was refused of it is said no longer."""
    view = state.required()
    if not is_locked and layer in with_held_layers(view).locked - view.locked:
        state.notice(refusal(held_by_link(layer)))
    locked = view.locked | {layer} if is_locked else view.locked - {layer}
    _keep({at: cell for at, cell in refused_cells(view).items() if at[0] != layer})
    state.keep(replace(view, locked=locked))


def enter(layer: str, column: Column, typed: str) -> None:
    """Do to the recipe what was typed; what cannot be done is kept with the reason and changes nothing."""
    view = state.required()
    refused = {at: cell for at, cell in refused_cells(view).items() if at != (layer, column)}
    try:
        if typed != text_of(view.recipe, layer, column):
            _change(view, layer, column, typed)
    except Refused as reason:
        waits = asked_change.word_behind(reason)
        refused[layer, column] = RefusedCell(view.model, view.lineage, typed, reason, waits)
    _keep(refused)


def _keep(refused: Mapping[tuple[str, Column], RefusedCell]) -> None:
    st.session_state[KEY] = dict(refused)


def text_of(recipe: ResolvedRecipe, layer: str, column: Column) -> str:
    """What a cell shows: the number that the recipe says, exactly; empty where it says none."""
    step = step_for_layer(recipe, layer, STAGES[column])
    if step is None:
        return ""
    if column == "prune":
        return "" if step.sparsity is None else f"{round(100 * step.sparsity, 4):.10g}"
    number: int | None = getattr(step.knobs, MAIN_KNOB[STAGES[column]], None)
    return "" if number is None else str(number)


def _change(view: View, layer: str, column: Column, typed: str) -> None:
    """Change the recipe as a cell says; raises Refused where that cannot be done, and changes nothing."""
    if layer in with_held_layers(view).locked - view.locked:
        raise held_by_link(layer)
    if layer in view.locked:
        raise Refused("{layer} is locked: take the tick out of its lock first.", layer=layer)
    if layer not in group_search.model_of_view(view).base.by_name:
        raise Refused("{layer} lies in a block that is left out, so it has nothing to set.", layer=layer)
    stage, number = STAGES[column], _number(column, typed)
    change_step(layer, stage, lambda before: None if number is None else _step(layer, stage, before, number))


def _step(layer: str, stage: Stage, before: Step | None, number: float) -> Step:
    """The step as it was with another number; its other knobs stay."""
    knob = MAIN_KNOB[stage]
    if before is None:
        return Step.of(FIRST_CHOICE[stage], **{knob: number})
    if knob not in before.method.knobs.model_fields:
        raise Refused(
            "{layer} is treated by {technique}, which has no such number: choose another technique for it "
            "beside this table first.",
            layer=layer,
            technique=label(before.technique),
        )
    others = {k: v for k, v in before.changed.items() if stage is not Stage.FACTOR or k not in CHOICES}
    return Step.of(before.technique, **{**others, knob: number})


def _number(column: Column, typed: str) -> float | None:
    """What was typed as the knob's value, None where it leaves the layer as it is; raises Refused."""
    if not typed:
        return None
    if column == "prune":
        found = _NUMBER.fullmatch(typed)
        percent = -1.0 if found is None else float(found[1])
        if not 0 <= percent <= 100:
            raise Refused(
                "Prune takes a percentage from 0 to 100, such as 87.5, and {typed!r} is none: correct it, or "
                "empty the cell.",
                typed=typed,
            )
        share = round(percent / 100, SHARE_DIGITS)
        if share in {0, 1} and 100 * share != percent:
            raise Refused(
                "A share is kept as a multiple of 0.0001 %, so {typed!r} would be {percent:.0f} %: type "
                "0.0001 to 99.9999, or {percent:.0f} if you mean it.",
                typed=typed,
                percent=100 * share,
            )
        return share or None
    if _WHOLE.fullmatch(typed) is None:
        raise Refused(
            "{column} takes a whole number, and {typed!r} is none: correct it, or empty the cell.",
            column=label(column),
            typed=typed,
        )
    return None if int(typed) in _OFF[column] else int(typed)
