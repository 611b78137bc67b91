"""Several criteria side by side at one share, on the selected layer or on all: magnitude against random."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from compress_core.apply.model import Model
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.printable import printable
from compress_core.foundation.store import digest
from compress_core.foundation.texts import Phrase
from compress_core.measure.tables.criterion_rows import CriterionRow, criterion_rows
from compress_core.recipe.edit import step_for_layer
from compress_core.recipe.values import Step
from compress_core.techniques.contract.technique import Stage, techniques
from dashboard import engine
from dashboard.figures.words import percent, unit_of_bytes, whole
from dashboard.number_table import number_table
from dashboard.show import interval_text, provenance, said_of
from dashboard.text import _, current_language, label, literal, refusal
from dashboard.tune.steps import names_of, set_step, sparsity_of
from dashboard.view import View

KEY = "tune.criteria"
ONE, ALL = "layer", "network"
FIRST = ("magnitude", "random_pruning")
SPLIT, ITEMS = "validation", 1000
SHARE, LEAST, MOST = 0.5, 0.5, 99.5
NAME_PX, SIZE_PX, CHANGE_PX = 125, 95, 135


def draw(view: View, model: Model) -> None:
    """Which criteria, which layers, which share; and a table that says what each of them does."""
    free = [name for name in model.base.by_name if name not in view.locked]
    steps, layers = _choice(view, free)
    if not layers:
        st.info(_("No unlocked layer matches: choose another kind or pattern."))
        return
    if not steps:
        st.info(_("Choose at least one criterion."))
        return
    if not _tried_within(engine.PATIENCE_S, model, layers, steps):
        st.info(_("Trying {count} criteria …").format(count=len(steps)), icon=":material/hourglass_top:")
        st.fragment(_until_tried, run_every=engine.ASK_EVERY_S)(model, layers, steps)
        return
    rows, changes = _tried(model, layers, steps)
    of = literal(layers[0]) if layers == [view.layer] else _("{count} layers").format(count=len(layers))
    st.markdown("**" + _("Criteria on {layers}").format(layers=of) + "**")
    _table(rows, changes, layers)
    _captions(rows, changes, layers)
    _take(layers, rows)


def _tried_within(seconds: float, model: Model, layers: Sequence[str], steps: Sequence[Step]) -> bool:
    """Have them tried away from the page's own thread; whether that ended in time."""
    key = digest("criteria", model.key, layers, [step.as_json() for step in steps])
    return engine.compared_within(seconds, key, partial(_tried, model, layers, steps))


def _until_tried(model: Model, layers: Sequence[str], steps: Sequence[Step]) -> None:
    """Draws nothing; once all criteria are tried, the page is drawn with them."""
    if _tried_within(0, model, layers, steps):
        st.rerun()


def _tried(
    model: Model, layers: Sequence[str], steps: Sequence[Step]
) -> tuple[tuple[CriterionRow, ...], list[Number | None]]:
    """What each criterion does, and the change of accuracy that follows; the store has it from then on."""
    rows = criterion_rows(model, layers, steps, engine.store())
    return rows, [_change(row) for row in rows]


def criteria() -> list[str]:
    """The pruning techniques that score weights."""
    return [name for name in names_of(Stage.PRUNE) if techniques()[name].is_criterion]


def _choice(view: View, free: Sequence[str]) -> tuple[list[Step], list[str]]:
    which, where, share = st.columns([2.6, 1.5, 2], gap="medium")
    chosen = which.multiselect(
        _("Criteria"), criteria(), FIRST, format_func=label, key=f"{KEY}.which.{current_language()}"
    )
    words = {ONE: printable(view.layer), ALL: _("all unlocked")}
    at = where.segmented_control(
        _("Layers"),
        list(words),
        default=ONE if view.layer in free else ALL,
        format_func=words.__getitem__,
        key=f"{KEY}.where.{current_language()}.{view.layer}",
        required=True,
    )
    now = sparsity_of(step_for_layer(view.recipe, view.layer, Stage.PRUNE))
    start = min(MOST, max(LEAST, 100 * (now or SHARE)))
    percents = share.slider(_("Prune"), LEAST, MOST, start, 0.5, format="%.1f %%", key=f"{KEY}.share")
    scope = "layer" if at == ONE else "network"
    steps = [Step.of(name, sparsity=round(percents / 100, 6), scope=scope) for name in chosen]
    return steps, [name for name in free if at != ONE or name == view.layer]


def _change(row: CriterionRow) -> Number | None:
    """The change of accuracy on the first items; None where the criterion was refused or there are none."""
    if row.model is None or SPLIT not in row.model.subject.splits:
        return None
    try:
        quick = engine.quick_numbers(row.model, row.model.subject.split(SPLIT), ITEMS)
        return quick.numbers["accuracy_change"]
    except Refused as refused:  # no classifier, say: the other columns stand
        return Number.missing("points", Phrase(refused.text, **refused.values))


def _table(rows: Sequence[CriterionRow], changes: Sequence[Number | None], layers: Sequence[str]) -> None:
    made = [(row, change) for row, change in zip(rows, changes, strict=True) if row.model is not None]
    unit, size = unit_of_bytes(max((row.bytes for row, _change in made), default=0))
    frame = pd.DataFrame(  # the cost first: a phone shows no more without a push to the side
        {
            "criterion": [label(row.step.technique) for row, _change in made],
            "size": [row.bytes / size for row, _change in made],
            "change": pd.array([None if c is None else c.value for _row, c in made], dtype="Float64"),
            "interval": ["" if c is None else interval_text(c) for _row, c in made],
            "error": pd.array([_in_percent(row.median_error) for row, _change in made], dtype="Float64"),
            "worst": [_worst(row) for row, _change in made],
            "removed": [row.removed for row, _change in made],
        }
    )
    left_out = ["worst"] if len(layers) == 1 else []
    items = next((c.n for c in changes if c is not None), None)
    number_table(
        frame.drop(columns=left_out),
        KEY,
        provenance(split="" if items is None else SPLIT, items=items),
        taken=taken_frame(made, layers),
        column_config=_columns(len(layers), unit),
    )


def taken_frame(made: Sequence[tuple[CriterionRow, Number | None]], layers: Sequence[str]) -> pd.DataFrame:
    """What each criterion does, errors as shares, in words that no language changes."""
    return pd.DataFrame(
        {
            "layers": " ".join(layers),
            "criterion": [row.step.technique for row, _change in made],
            "sparsity": [row.step.sparsity for row, _change in made],
            "removed": [row.removed for row, _change in made],
            "weights": [row.weights for row, _change in made],
            "output_error_median": [row.median_error for row, _change in made],
            "worst_layer": [row.worst_layer or "" for row, _change in made],
            "bytes": [row.bytes for row, _change in made],
            "accuracy_change_points": [None if c is None else c.value for _row, c in made],
            "low": [None if c is None else c.low for _row, c in made],
            "high": [None if c is None else c.high for _row, c in made],
        }
    )


def _in_percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _worst(row: CriterionRow) -> str:
    name = row.worst_layer
    return "" if name is None else f"{printable(name)} {percent(row.output_errors[name].value or 0)}"


def _columns(layers: int, unit: str) -> dict[str, Any]:
    """How they are called; name, size and change of accuracy are as wide as a phone's page together."""
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    error = _("Output error (%)") if layers == 1 else _("Output error (%), median of layers")
    told = _("Squared change of a layer's output over its squared size, on calibration items.")
    points = _("points")
    return {
        "criterion": text(_("Criterion"), pinned=True, width=NAME_PX),
        "size": number(
            _("Plain file"), format=f"%.1f {unit}", help=_("Bytes of the plain file."), width=SIZE_PX
        ),
        "change": number(_("Accuracy change"), format=f"%+.2f {points}", width=CHANGE_PX),
        "interval": text(_("95 % interval")),
        "error": number(error, format="%.2f", help=told),
        "worst": text(_("Worst layer")),
        "removed": number(_("Weights removed"), format="localized"),
    }


def _captions(rows: Sequence[CriterionRow], changes: Sequence[Number | None], layers: Sequence[str]) -> None:
    """What the table cannot hold: of how many weights, on which items, what was refused, why not measured."""
    first = next((row for row in rows if row.model is not None), None)
    if first is not None:
        said = [_("Of {weights} weights.").format(weights=whole(first.weights))]
        known = next((change for change in changes if change is not None), None)
        if known is not None and known.reason is not None:
            said.append(_("Accuracy change: not measured. {reason}").format(reason=literal(_(known.reason))))
        elif known is not None and known.n is not None:
            said.append(
                _("Accuracy on the first {items:,} items of the {split} split.").format(
                    items=known.n, split=_(SPLIT)
                )
            )
        if any("seed" in row.step.method.knobs.model_fields for row in rows):
            said.append(_("Random: one draw."))
        st.caption(" ".join(said))
        missing = [e for e in first.output_errors.values() if e.value is None]
        if len(missing) == len(layers):
            st.caption(_("Output error: not measured. {reason}").format(reason=literal(said_of(missing[0]))))
    for row in rows:
        if row.refused is not None:
            st.warning(
                f"{label(row.step.technique)}: {literal(refusal(row.refused))}", icon=":material/block:"
            )


def _take(layers: Sequence[str], rows: Sequence[CriterionRow]) -> None:
    made = {row.step.technique: row.step for row in rows if row.model is not None}
    choose, take = st.columns([2, 1], vertical_alignment="bottom")
    picked = choose.selectbox(_("Criterion"), list(made), format_func=label, key=f"{KEY}.take")
    take.button(
        _("Use it on this layer") if len(layers) == 1 else _("Use it on these layers"),
        on_click=partial(set_step, layers, Stage.PRUNE, made.get(picked or ""), by_widget=False),
        disabled=picked not in made,
        key=f"{KEY}.use",
        width="stretch",
    )
