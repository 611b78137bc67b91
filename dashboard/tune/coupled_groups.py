"""What shrinks together: coupled channels, heads and blocks, with one knob for each and one for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from compress_core.apply.base import Cutting, cutting_of
from compress_core.apply.model import Model
from compress_core.foundation.natural_order import natural
from compress_core.foundation.printable import printable
from compress_core.recipe.values import Step
from compress_core.structure.group import Group, GroupKind
from compress_core.techniques.contract.technique import techniques
from dashboard import engine, state
from dashboard.bound_widget import beside, by_hand, picked, refused_beside, showing
from dashboard.figures.words import percent
from dashboard.lineage_name import lineage_name
from dashboard.show import csv_button, refusals
from dashboard.text import _, label, literal, translated
from dashboard.tune import one_group
from dashboard.tune.differing import knob
from dashboard.tune.group_share import (
    DROP,
    FIRST_CRITERION,
    KEY,
    SHARE,
    Groups,
    all_otherwise,
    at_share,
    criteria,
    of_all,
    share_of,
    share_slider,
    step_of,
    with_groups,
)
from dashboard.tune.groups_job import groups_or_job
from dashboard.tune.one_group import reason_of
from dashboard.tune.steps import take
from dashboard.view import View

SHARES = [float(share) for share in range(100)]
HIGHEST_TABLE_PX = 164  # with what stands above, the tab fits below the header at 768 px


def draw(view: View, model: Model) -> None:
    """One knob for all groups and one for each; what is coupled is found out when somebody looks."""
    if view.stands_on:
        st.info(
            _(
                "This recipe stands on top of {name}. Groups are cut here from the model as loaded only: go "
                "back to the first recipe for that, or write them into this one under Recipe."
            ).format(name=literal(lineage_name(view.stands_on))),
            icon=":material/layers:",
        )
        return
    found = groups_or_job(view, model)
    if found is None:
        return
    groups = {name: _as_locked(view, group) for name, group in found.items()}
    st.caption(
        _(
            "Unlike single weights, these are really cut out: layers get fewer channels, "
            "and so do all that read them or are added to them."
        )
    )
    free = {name: g for name, g in groups.items() if g.locked is None and g.kind is not GroupKind.BLOCK}
    every, one = st.columns([1.1, 1], gap="large")
    with every:
        if free:
            _together(view, model, free)
        else:
            st.info(_("No group of this model is free; the reasons stand below."), icon=":material/lock:")
        _blocks(view, groups)
        if free:
            _table(view, model, free)
    with one:
        one_group.draw(view, model, groups)


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
    return replace(group, locked=_("{layer} is locked in the layer table").format(layer=held[0]))


# One knob for all ------------------------------------------------------------------------------------------


def _together(view: View, model: Model, free: Groups) -> None:
    steps = [step_of(view.recipe, name) for name in free]
    first = next((s for s in steps if s is not None), None)
    key = f"{KEY}.all"
    show = showing if first else picked
    how, where = st.columns(2, gap="medium")
    with how:
        technique = st.selectbox(
            _("Criterion"),
            criteria(),
            format_func=label,
            key=show(f"{key}.technique", first.technique if first else FIRST_CRITERION),
            on_change=by_hand(
                f"{key}.technique", all_otherwise, tuple(free), f"{key}.technique", "technique"
            ),
        )
        beside(f"{key}.technique")
    with where:
        scope = st.segmented_control(
            _("Share counted in"),
            ["group", "network"],
            format_func=label,
            key=show(f"{key}.scope", getattr(first.knobs, "scope", "group") if first else "group"),
            on_change=by_hand(f"{key}.scope", all_otherwise, tuple(free), f"{key}.scope", "scope"),
            required=True,
        )
        beside(f"{key}.scope")
    step = at_share(technique, 0.5, scope=scope or "group")
    units = {name: group.units for name, group in free.items()}
    title = _("Same share for all {count} free groups").format(count=len(free))
    with refusals():
        if len(set(steps)) == 1:
            share_slider(view, model, units, step, value=share_of(steps[0]), title=title, key=f"{key}.slider")
            return
        knob(
            title,
            [round(100 * share_of(one), 4) for one in steps],
            SHARES,
            lambda share: percent(share / 100),
            key=f"{key}.share",
            of_groups=True,
            on_change=lambda share: _all_at(list(units), step, share / 100),
        )
        st.caption(_left_now(model))


def _all_at(names: Sequence[str], step: Step, share: float) -> None:
    knobs = {k: v for k, v in step.knobs if k != SHARE}
    take(with_groups(dict.fromkeys(names, at_share(step.technique, share, **knobs) if share else None)))


def _left_now(model: Model) -> str:
    weights = sum(layer.weights for layer in model.base.layers)
    return _("The network has {weights} of its weights.").format(
        weights=of_all(sum(layer.weights for layer in model.subject.layers), weights)
    )


# Blocks, all groups in a table, locked ones ----------------------------------------------------------------


def _blocks(view: View, groups: Groups) -> None:
    """The blocks that can be left out; beside them what cannot be cut."""
    names = [name for name, group in groups.items() if group.kind is GroupKind.BLOCK and group.locked is None]
    if not names:
        _locked(groups)
        return
    key = f"{KEY}.blocks"
    choose, locked = st.columns([3, 2], vertical_alignment="bottom")
    choose.pills(
        _("Blocks left out"),
        names,
        selection_mode="multi",
        format_func=literal,
        key=showing(key, [name for name in names if step_of(view.recipe, name) is not None]),
        on_change=by_hand(key, _blocks_chosen, names, key),
        help=translated(techniques()[DROP].summary),
    )
    with locked:
        _locked(groups)
    beside(key)


def _blocks_chosen(names: Sequence[str], key: str) -> None:
    gone = set(st.session_state[key])
    with refused_beside(key, st.session_state[key]):
        take(with_groups({name: Step.of(DROP) if name in gone else None for name in names}))


def _table(view: View, model: Model, free: Groups) -> None:
    cutting = cutting_of(model.subject, view.recipe, engine.store())
    frame = pd.DataFrame([_row(view, group, cutting) for group in free.values()])
    key = f"{KEY}.table.{view.version}.{view.recipe.sha[:12]}"
    st.data_editor(
        frame,
        key=key,
        hide_index=True,
        width="stretch",
        height=min(36 * (len(frame) + 1) + 3, HIGHEST_TABLE_PX),
        disabled=[c for c in frame.columns if c != "share"],
        column_config=_columns(),
        on_change=_edited,
        args=(key, list(free)),
    )
    beside(f"{KEY}.table")
    _rest, download = st.columns([5, 1])
    csv_button(download, f"{KEY}.groups", frame.assign(**_untranslated(view, free)))


def _untranslated(view: View, groups: Groups) -> dict[str, list[str]]:
    """What the file holds in the place of words that have another language on the page."""
    steps = [step_of(view.recipe, name) for name in groups]
    return {
        "kind": [group.kind.value for group in groups.values()],
        "technique": ["" if step is None else step.technique for step in steps],
    }


def _row(view: View, group: Group, cutting: Cutting) -> dict[str, Any]:
    step = step_of(view.recipe, group.name)
    left = cutting.kept.get(group.name)
    return {
        "group": printable(group.name),
        "kind": _(group.kind.label),
        "units": group.units,
        "share": 100 * share_of(step),
        "left": group.units if left is None else int(left.count_nonzero()),
        "technique": label(step.technique) if step else "",
        "layers": len(group.shrinking),
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
        changed[name] = at_share(before.technique, share, **knobs) if share else None
    with refused_beside(f"{KEY}.table", None):  # what was typed stays in its cell
        take(with_groups(changed))


def _locked(groups: Groups) -> None:
    locked = [group for group in groups.values() if group.locked is not None]
    if not locked:
        return
    with st.popover(_("Locked groups and why: {count}").format(count=len(locked)), icon=":material/lock:"):
        for group in locked:
            st.markdown(
                _("**{group}** ({kind}): {reason}").format(
                    group=literal(group.name), kind=_(group.kind.label), reason=reason_of(group)
                )
            )
