"""One coupled group: its share and its other knobs, and its coupling as a graph."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from compress_core.apply.base import cutting_of, groups_of
from compress_core.apply.model import Model
from compress_core.foundation.printable import printable
from compress_core.recipe.values import ResolvedRecipe, Step
from compress_core.structure.group import Group
from dashboard import engine, state
from dashboard.bound_widget import beside, by_hand, showing
from dashboard.figures.coupling_graph import Node, coupling
from dashboard.knob_form import knob_form
from dashboard.show import figure, is_dark, kept, refusals
from dashboard.text import _, label, literal, translated
from dashboard.tune.group_share import (
    FIRST_CRITERION,
    KEY,
    SHARE,
    Groups,
    all_otherwise,
    criteria,
    share_of,
    share_slider,
    step_of,
    with_groups,
)
from dashboard.tune.steps import take, with_knob
from dashboard.view import View

GRAPH_PX = 248  # with what stands above, the tab fits below the header at 768 px; a longer one scrolls


def draw(view: View, model: Model, groups: Groups) -> None:
    """The chosen group: its knobs, and its coupling as a graph."""
    names = [name for name, group in groups.items() if group.members]
    if not names:
        return
    layer = view.layer
    nearest = next((name for name in names if layer in groups[name].producers), names[0])
    which, how, more = st.columns([1.3, 1, 0.9], gap="small", vertical_alignment="bottom")
    picked = which.selectbox(
        _("Group"), names, names.index(nearest), format_func=printable, key=f"{KEY}.one.{layer}"
    )
    group = groups[picked]
    if group.locked is None:
        _knobs(view, model, group, how, more)
    else:
        st.caption(_size(group))
        st.info(reason_of(group), icon=":material/lock:")
    _graph(view, model, group)


def _size(group: Group) -> str:
    return _("{units} {kind}, in {count} modules").format(
        units=group.units, kind=_(group.kind.label), count=len(group.shrinking)
    )


def reason_of(group: Group) -> str:
    """Why a group is locked, as Markdown."""
    return literal(_(group.locked or ""))


def _knobs(view: View, model: Model, group: Group, how: DeltaGenerator, more: DeltaGenerator) -> None:
    step = step_of(view.recipe, group.name)
    key = f"{KEY}.one.{group.name}"
    if step is not None:
        _criterion(step, group, key, how, more)
    partners = _counted_with(view.recipe, group.name, step)
    groups = groups_of(model.subject, view.recipe.prepare, engine.store())
    with refusals():
        share_slider(
            view,
            model,
            {name: groups[name].units for name in partners},
            step or Step.of_group(FIRST_CRITERION),
            value=share_of(step),
            title=_("Share cut out of {size}").format(size=_size(group)),
            key=f"{key}.slider",
        )
        if len(partners) > 1:
            st.caption(_("Counted over {count} groups together.").format(count=len(partners)))


def _criterion(step: Step, group: Group, key: str, how: DeltaGenerator, more: DeltaGenerator) -> None:
    """By what the units are chosen, and all its other knobs."""
    how.selectbox(
        _("Criterion"),
        criteria(),
        format_func=label,
        key=showing(f"{key}.technique", step.technique),
        on_change=by_hand(f"{key}.technique", all_otherwise, (group.name,), f"{key}.technique", "technique"),
        help=literal(translated(step.method.summary)),
    )
    with more.popover(_("More knobs"), key=f"{key}.more", width="stretch"):
        knob_form(
            step.knobs,
            without=frozenset({SHARE}),
            key=key,
            on_change=partial(_knob_moved, group.name),
        )
    beside(f"{key}.technique")


def _counted_with(recipe: ResolvedRecipe, group: str, step: Step | None) -> list[str]:
    """The groups among which the share of this one is counted, itself included."""
    if step is None or getattr(step.knobs, "scope", "group") != "network":
        return [group]
    return [name for name, steps in recipe.groups if steps[0] == step]


def _knob_moved(group: str, knob: str, value: Any) -> None:
    step = step_of(state.required().recipe, group)
    if step is not None:
        take(with_groups({group: with_knob(step, knob, value)}))


def _graph(view: View, model: Model, group: Group) -> None:
    with refusals():
        cutting = cutting_of(model.subject, view.recipe, engine.store())
        left = {(cut.module, cut.side): len(cut.kept) for cut in cutting.cuts}
        nodes = [
            Node(m.module, m.role.value, m.width, left.get((m.module, m.side), m.width))
            for m in group.members
        ]
        drawn = kept(
            f"coupling:{group.name}",
            f"{model.subject.key}:{view.recipe.structure_sha}",
            lambda: coupling(group.name, nodes, group.edges, dark=is_dark()),
        )
        with st.container(height=GRAPH_PX, border=False):
            figure(drawn, f"tune.coupling.{group.name}")
