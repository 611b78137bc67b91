"""What shrinks together: coupled channels, heads and blocks, with one knob for each and one for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from compress_core.apply.base import Cutting, cutting_of, groups_of
from compress_core.apply.model import Model
from compress_core.foundation.natural_order import natural
from compress_core.foundation.printable import printable
from compress_core.measure.tables.group_table import group_table
from compress_core.recipe.edit import with_group
from compress_core.recipe.values import ResolvedRecipe, Step
from compress_core.selection.group_selection import GroupSelection
from compress_core.structure.group import Group, GroupKind
from compress_core.techniques.contract.technique import techniques
from dashboard import engine, state
from dashboard.bound_widget import beside, picked, refused_beside, showing, shown
from dashboard.figures.coupling_graph import Node, coupling
from dashboard.figures.words import percent, whole
from dashboard.knob_form import knob_form
from dashboard.live_slider.live_slider import live_slider
from dashboard.live_slider.live_table import LiveTable, Readout
from dashboard.show import figure, is_dark, kept, refusals
from dashboard.text import _, label, literal, translated
from dashboard.tune.steps import keep, take, with_knob
from dashboard.view import View

SHARE = "share_removed"
FIRST_CRITERION = "magnitude"
DROP = "drop_block"
KEY = "tune.groups"
Groups = Mapping[str, Group]


def draw(view: View, model: Model) -> None:
    """One knob for all groups and one for each; what is coupled is found out when somebody looks."""
    with st.spinner(_("Finding out which channels must shrink together …")):
        found = groups_of(model.subject, view.recipe.prepare, engine.store())
    groups = {name: _as_locked(view, group) for name, group in found.items()}
    st.caption(
        _(
            "Unlike single weights, these are really cut out: layers get fewer channels, "
            "and so do all that read them or are added to them."
        )
    )
    free = {name: g for name, g in groups.items() if g.locked is None and g.kind is not GroupKind.BLOCK}
    if free:
        _together(view, model, free)
        _blocks(view, groups)
        _table(view, model, free)
    else:
        st.info(_("No group of this model is free; the reasons stand below."), icon=":material/lock:")
        _blocks(view, groups)
    _locked(groups)
    _one(view, model, groups)


def _as_locked(view: View, group: Group) -> Group:
    """A group that touches a layer which the visitor locked is locked too."""
    inside = f"{group.name}."
    held = [
        layer
        for layer in sorted(view.locked, key=natural)
        if any(member.module == layer for member in group.members)
        or (group.kind is GroupKind.BLOCK and f"{layer}.".startswith(inside))
    ]
    if not held or group.locked is not None:
        return group
    return replace(group, locked=_("{layer} is locked in the table below").format(layer=held[0]))


def step_of(recipe: ResolvedRecipe, group: str) -> Step | None:
    """The step of one group, None where it is left alone."""
    return next((steps[0] for name, steps in recipe.groups if name == group), None)


def _criteria() -> list[str]:
    return [name for name, method in techniques().items() if method.serves_groups and name != DROP]


# One knob for all ------------------------------------------------------------------------------------------


def _together(view: View, model: Model, free: Groups) -> None:
    steps = [step_of(view.recipe, name) for name in free]
    first = next((s for s in steps if s is not None), None)
    how, knob = st.columns([1, 2], gap="medium")
    key = f"{KEY}.all"
    show = showing if first else picked
    with how:
        technique = st.selectbox(
            _("Criterion"),
            _criteria(),
            format_func=label,
            key=show(f"{key}.technique", first.technique if first else FIRST_CRITERION),
            on_change=partial(_all_otherwise, tuple(free), f"{key}.technique", "technique"),
        )
        beside(f"{key}.technique")
        scope = st.segmented_control(
            _("Share counted in"),
            ["group", "network"],
            format_func=label,
            key=show(f"{key}.scope", getattr(first.knobs, "scope", "group") if first else "group"),
            on_change=partial(_all_otherwise, tuple(free), f"{key}.scope", "scope"),
            required=True,
        )
        beside(f"{key}.scope")
    step = _at_share(technique, 0.5, scope=scope or "group")
    same = len(set(steps)) == 1
    with knob, refusals():
        _slider(
            view,
            model,
            {name: group.units for name, group in free.items()},
            step,
            value=_share(steps[0]) if same else 0.0,
            title=_("Same share for all {count} free groups").format(count=len(free)),
            key=f"{key}.slider",
        )
        if not same:
            st.caption(_("These groups have different shares now.") + " " + _left_now(model))


def _left_now(model: Model) -> str:
    weights = sum(layer.weights for layer in model.base.layers)
    return _("The network has {weights} of its weights.").format(
        weights=_of(sum(layer.weights for layer in model.subject.layers), weights)
    )


def _at_share(technique: str, share: float, **knobs: object) -> Step:
    return Step.of_group(technique, **{**knobs, SHARE: share})


def _share(step: Step | None) -> float:
    return step.knobs.share_removed if step and isinstance(step.knobs, GroupSelection) else 0.0


def _slider(
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
        Readout(_("Units left"), "", rows.units, text=partial(_of, sum(units.values()))),
        Readout(_("Weights left"), "", rows.weights, text=partial(_of, weights)),
    ]
    if rows.macs is not None:
        macs = sum(layer.macs or 0 for layer in subject.layers)
        readouts.append(Readout(_("MACs for one item"), "", rows.macs, text=partial(_of, macs)))
    live_slider(
        title,
        LiveTable(rows.share, tuple(readouts)),
        value=shown(key, value),
        key=key,
        unit="%",
        factor=100,
        text_of=lambda share: _("{share:.3g} % cut out").format(share=100 * share),
        help=_("Exact numbers of the whole network, looked up while you drag; it is rebuilt on release."),
        on_change=partial(_moved, key, tuple(units), step),
    )
    beside(key)


def _of(total: int, count: float) -> str:
    return f"{whole(count)} ({percent(count / max(1, total))})"


def _moved(key: str, names: Sequence[str], step: Step, share: float) -> None:
    knobs = {k: v for k, v in step.knobs if k != SHARE}
    with refused_beside(key, share):
        chosen = _at_share(step.technique, share, **knobs) if share else None
        take(_with_groups(dict.fromkeys(names, chosen)))


def _all_otherwise(names: Sequence[str], key: str, knob: str) -> None:
    """Another criterion, or another scope, for the groups that have a step; their shares stay."""
    recipe, chosen = state.required().recipe, st.session_state[key]
    steps = {name: step for name in names if (step := step_of(recipe, name)) is not None}
    with refused_beside(key, chosen):
        take(_with_groups({name: _otherwise(step, knob, chosen) for name, step in steps.items()}))


def _otherwise(step: Step, knob: str, chosen: str) -> Step:
    if knob != "technique":
        return with_knob(step, knob, chosen)
    return Step.of_group(
        chosen, **{k: v for k, v in step.changed.items() if k in GroupSelection.model_fields}
    )


def _with_groups(steps: Mapping[str, Step | None]) -> ResolvedRecipe:
    """The recipe with other steps for some groups."""
    recipe = state.required().recipe
    for name, step in steps.items():
        recipe = with_group(recipe, name, step)
    return recipe


# Blocks, all groups in a table, locked ones ----------------------------------------------------------------


def _blocks(view: View, groups: Groups) -> None:
    names = [name for name, group in groups.items() if group.kind is GroupKind.BLOCK and group.locked is None]
    if not names:
        return
    key = f"{KEY}.blocks"
    st.pills(
        _("Blocks left out"),
        names,
        selection_mode="multi",
        format_func=literal,
        key=showing(key, [name for name in names if step_of(view.recipe, name) is not None]),
        on_change=partial(_blocks_chosen, names, key),
        help=translated(techniques()[DROP].summary),
    )
    beside(key)


def _blocks_chosen(names: Sequence[str], key: str) -> None:
    gone = set(st.session_state[key])
    with refused_beside(key, st.session_state[key]):
        take(_with_groups({name: Step.of(DROP) if name in gone else None for name in names}))


def _table(view: View, model: Model, free: Groups) -> None:
    cutting = cutting_of(model.subject, view.recipe, engine.store())
    frame = pd.DataFrame([_row(view, group, cutting) for group in free.values()])
    key = f"{KEY}.table.{view.version}.{view.recipe.sha[:12]}"
    st.data_editor(
        frame,
        key=key,
        hide_index=True,
        width="stretch",
        height=min(36 * (len(frame) + 1) + 3, 290),
        disabled=[c for c in frame.columns if c != "share"],
        column_config=_columns(),
        on_change=_edited,
        args=(key, list(free)),
    )


def _row(view: View, group: Group, cutting: Cutting) -> dict[str, Any]:
    step = step_of(view.recipe, group.name)
    left = cutting.kept.get(group.name)
    return {
        "group": printable(group.name),
        "kind": _(group.kind.label),
        "units": group.units,
        "share": 100 * _share(step),
        "left": group.units if left is None else int(left.count_nonzero()),
        "technique": label(step.technique) if step else "",
        "layers": len({member.module for member in group.members}),
    }


def _columns() -> dict[str, Any]:
    number = st.column_config.NumberColumn
    return {
        "group": st.column_config.TextColumn(
            _("Group"), pinned=True, help=_("Named by the first layer that makes its channels.")
        ),
        "kind": st.column_config.TextColumn(_("Kind")),
        "units": number(_("Units")),
        "share": number(_("Cut out (%)"), min_value=0.0, max_value=99.9, step=0.1, format="%.1f"),
        "left": number(_("Units left")),
        "technique": st.column_config.TextColumn(_("Criterion")),
        "layers": number(_("Modules that shrink")),
    }


def _edited(key: str, names: list[str]) -> None:
    recipe = state.required().recipe
    changed: dict[str, Step | None] = {}
    for row, cells in st.session_state[key]["edited_rows"].items():
        name, share = names[int(row)], (cells.get("share") or 0.0) / 100
        before = step_of(recipe, name) or Step.of_group(FIRST_CRITERION)
        knobs = {k: v for k, v in before.knobs if k != SHARE}
        changed[name] = _at_share(before.technique, share, **knobs) if share else None
    keep(_with_groups(changed))


def _locked(groups: Groups) -> None:
    locked = [group for group in groups.values() if group.locked is not None]
    if not locked:
        return
    with st.popover(_("Locked groups and why: {count}").format(count=len(locked)), icon=":material/lock:"):
        for group in locked:
            st.markdown(
                _("**{group}** ({kind}): {reason}").format(
                    group=literal(group.name), kind=_(group.kind.label), reason=_reason(group)
                )
            )


def _reason(group: Group) -> str:
    return literal(_(group.locked or ""))


# One group --------------------------------------------------------------------------------------------------


def _one(view: View, model: Model, groups: Groups) -> None:
    """The chosen group: its knobs, and its coupling as a graph."""
    names = [name for name, group in groups.items() if group.members]
    if not names:
        return
    layer = view.layer
    nearest = next((name for name in names if layer in groups[name].producers), names[0])
    choose, knobs = st.columns([1, 2], gap="medium")
    key = f"{KEY}.one.{layer}"
    picked = choose.selectbox(_("Group"), names, names.index(nearest), format_func=printable, key=key)
    group = groups[picked]
    choose.caption(
        _("{units} {kind}, in {count} modules").format(
            units=group.units, kind=_(group.kind.label), count=len({m.module for m in group.members})
        )
    )
    if group.locked is not None:
        knobs.info(_reason(group), icon=":material/lock:")
    else:
        _knobs(choose, knobs, view, model, group)
    _graph(view, model, group)


def _knobs(left: DeltaGenerator, right: DeltaGenerator, view: View, model: Model, group: Group) -> None:
    step = step_of(view.recipe, group.name)
    treated = step or Step.of_group(FIRST_CRITERION)
    key = f"{KEY}.one.{group.name}"
    partners = _counted_with(view.recipe, group.name, step)
    groups = groups_of(model.subject, view.recipe.prepare, engine.store())
    with right, refusals():
        _slider(
            view,
            model,
            {name: groups[name].units for name in partners},
            treated,
            value=_share(step),
            title=_("Share cut out"),
            key=f"{key}.slider",
        )
        if len(partners) > 1:
            st.caption(_("Counted over {count} groups together.").format(count=len(partners)))
    if step is None:
        return
    with left:
        st.selectbox(
            _("Criterion"),
            _criteria(),
            format_func=label,
            key=showing(f"{key}.technique", step.technique),
            on_change=partial(_all_otherwise, (group.name,), f"{key}.technique", "technique"),
        )
        beside(f"{key}.technique")
        st.caption(literal(translated(step.method.summary)))
        with st.expander(_("More knobs"), key=f"{key}.more"):
            knob_form(
                step.knobs,
                without=frozenset({SHARE}),
                key=key,
                on_change=partial(_knob_moved, group.name),
            )


def _counted_with(recipe: ResolvedRecipe, group: str, step: Step | None) -> list[str]:
    """The groups among which the share of this one is counted, itself included."""
    if step is None or getattr(step.knobs, "scope", "group") != "network":
        return [group]
    return [name for name, steps in recipe.groups if steps[0] == step]


def _knob_moved(group: str, knob: str, value: Any) -> None:
    step = step_of(state.required().recipe, group)
    if step is not None:
        take(_with_groups({group: with_knob(step, knob, value)}))


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
        figure(drawn, f"tune.coupling.{group.name}")
