"""The share that coupled groups lose: what the recipe says, a slider for it, what a change does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import streamlit as st

from compress_core.apply.base import groups_of
from compress_core.apply.model import Model
from compress_core.measure.tables.group_table import group_table
from compress_core.recipe.edit import with_group
from compress_core.recipe.values import ResolvedRecipe, Step
from compress_core.selection.group_selection import GroupSelection
from compress_core.structure.group import Group
from compress_core.techniques.contract.technique import techniques
from dashboard import engine, state
from dashboard.bound_widget import beside, refused_beside, shown
from dashboard.figures.words import percent, whole
from dashboard.live_slider.live_slider import live_slider
from dashboard.live_slider.live_table import LiveTable, Moves, Readout
from dashboard.text import _
from dashboard.tune.steps import take, with_knob
from dashboard.view import View

SHARE = "share_removed"
FIRST_CRITERION = "magnitude"
DROP = "drop_block"
KEY = "tune.groups"
Groups = Mapping[str, Group]


def step_of(recipe: ResolvedRecipe, group: str) -> Step | None:
    """The step of one group, None where it is left alone."""
    return next((steps[0] for name, steps in recipe.groups if name == group), None)


def criteria() -> list[str]:
    return [name for name, method in techniques().items() if method.serves_groups and name != DROP]


def at_share(technique: str, share: float, **knobs: object) -> Step:
    return Step.of_group(technique, **{**knobs, SHARE: share})


def share_of(step: Step | None) -> float:
    return step.knobs.share_removed if step and isinstance(step.knobs, GroupSelection) else 0.0


def share_slider(
    view: View,
    model: Model,
    units: Mapping[str, int],
    step: Step,
    *,
    value: float,
    title: str,
    key: str,
) -> None:
    """The share that some groups lose, with what would be left of the whole network."""
    rows = group_table(model.subject, view.recipe, list(units.items()), step, engine.store())
    subject = model.subject
    weights = sum(layer.weights for layer in subject.layers)
    readouts = [
        Readout(_("Units left"), "", rows.units, text=partial(of_all, sum(units.values()))),
        Readout(_("Weights left"), "", rows.weights, text=partial(of_all, weights)),
    ]
    if rows.macs is not None:
        macs = sum(layer.macs or 0 for layer in subject.layers)
        readouts.append(Readout(_("MACs for one item"), "", rows.macs, text=partial(of_all, macs)))
    live_slider(
        title,
        LiveTable(rows.share, tuple(readouts)),
        value=shown(key, value),
        key=key,
        unit="%",
        factor=100,
        text_of=lambda share: _("{share:.3g} % cut out").format(share=100 * share),
        help=_("Exact numbers of the whole network, looked up while you drag; it is rebuilt on release."),
        moves=_moves(view, model, units),
        on_change=partial(_share_moved, key, tuple(units), step),
    )
    beside(key)


def _moves(view: View, model: Model, names: Iterable[str]) -> Moves:
    """Every layer that some groups make narrower, in front of all its stages."""
    groups = groups_of(model.subject, view.recipe.prepare, engine.store())
    layers = set[str]().union(*(groups[name].shrinking for name in names))
    return Moves(tuple(sorted(layers)), "groups", view.recipe.sha)


def of_all(total: int, count: float) -> str:
    """A count with its share of all, which stays in one line."""
    share = percent(count / max(1, total)).replace(" ", "\N{NO-BREAK SPACE}")
    return f"{whole(count)} ({share})"


def _share_moved(key: str, names: Sequence[str], step: Step, share: float) -> None:
    knobs = {k: v for k, v in step.knobs if k != SHARE}
    with refused_beside(key, share):
        chosen = at_share(step.technique, share, **knobs) if share else None
        take(with_groups(dict.fromkeys(names, chosen)))


def all_otherwise(names: Sequence[str], key: str, knob: str) -> None:
    """Another criterion, or another scope, for the groups that have a step; their shares stay."""
    recipe, chosen = state.required().recipe, st.session_state[key]
    steps = {name: step for name in names if (step := step_of(recipe, name)) is not None}
    with refused_beside(key, chosen):
        take(with_groups({name: _otherwise(step, knob, chosen) for name, step in steps.items()}))


def _otherwise(step: Step, knob: str, chosen: str) -> Step:
    if knob != "technique":
        return with_knob(step, knob, chosen)
    return Step.of_group(
        chosen, **{k: v for k, v in step.changed.items() if k in GroupSelection.model_fields}
    )


def with_groups(steps: Mapping[str, Step | None]) -> ResolvedRecipe:
    """The recipe with other steps for some groups."""
    recipe = state.required().recipe
    for name, step in steps.items():
        recipe = with_group(recipe, name, step)
    return recipe
