"""The rows of the layer table: what the recipe says of each layer, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from compress_core.apply.model import Model
from compress_core.apply.shared_budget import sharers, shares_budget
from compress_core.foundation.number import Number
from compress_core.measure.cost.cost import LayerCost, layer_costs
from compress_core.network.layers.kinds import Layer
from compress_core.recipe.edit import step_for_layer
from compress_core.recipe.values import Step
from dashboard import engine
from dashboard.figures.words import in_bytes
from dashboard.layer_list.layer_row import COLUMNS, Column, EditableCell, FixedCell, LayerRow
from dashboard.text import _, label, refusal
from dashboard.tune import shared_share
from dashboard.tune.cell_edits import STAGES, RefusedCell, refused_cells, text_of
from dashboard.tune.scanned_layers import sensitivity_cells
from dashboard.tune.sliders import as_shape
from dashboard.view import View

NEAR_PERCENT = 0.05  # what is written with one decimal reads the same
LEAST_PERCENT = 0.001


def layer_rows(view: View, model: Model, errors: Mapping[str, Number | None]) -> list[LayerRow]:
    """A row for each loaded layer, in the order of the network; an error of None is being measured."""
    rows = layer_costs(model, engine.store())
    refused = refused_cells(view)
    largest = max((row.bytes_before for row in rows), default=1) or 1
    scanned = sensitivity_cells(view, model.subject)
    return [
        replace(
            _row(view, model, cost, errors[cost.layer.name], refused, largest),
            sensitivity=scanned.get(cost.layer.name),
        )
        for cost in rows
    ]


def _row(
    view: View,
    model: Model,
    cost: LayerCost,
    error: Number | None,
    refused: Mapping[tuple[str, Column], RefusedCell],
    largest: int,
) -> LayerRow:
    name = cost.layer.name
    steps = {column: step_for_layer(view.recipe, name, STAGES[column]) for column in COLUMNS}
    return LayerRow(
        name,
        _(cost.layer.label),
        _shape(model, cost.layer),
        name in view.locked,
        {column: _cell(view, model, cost, column, steps[column], refused) for column in COLUMNS},
        _size(cost),
        (cost.bytes / largest, cost.bytes_before / largest),
        _error(error),
    )


def _shape(model: Model, layer: Layer) -> str:
    """The shape of a loaded layer, and what the groups leave of it."""
    small = model.base.by_name.get(layer.name)
    before = as_shape(layer)
    now = _("left out") if small is None else as_shape(small)
    return before if now == before else f"{before} → {now}"


def _cell(
    view: View,
    model: Model,
    cost: LayerCost,
    column: Column,
    step: Step | None,
    refused: Mapping[tuple[str, Column], RefusedCell],
) -> EditableCell:
    name = cost.layer.name
    text = text_of(view.recipe, name, column)
    nothing = {"prune": "0", "rank": "–", "bits": str(cost.bits_before)}[column]
    note, title = _outcome(cost, column, step, text)
    against = refused.get((name, column))
    moves = _moves(view, model, name, step) if column == "prune" else ""
    return EditableCell(
        text,
        float(text or cost.bits_before if column == "bits" else text or 0),
        nothing,
        note,
        " ".join([*([f"{label(step.technique)}."] if step else []), title]),
        moves,
        "" if against is None else against.typed,
        "" if against is None else refusal(against.reason),
    )


def _moves(view: View, model: Model, layer: str, step: Step | None) -> str:
    """Whom else a share that is typed here moves, in the words of the slider."""
    if step is None:
        return ""
    together = sharers(view.recipe, layer, step, list(model.base.by_name))
    return shared_share.beforehand(layer, together, view.locked)


def _outcome(cost: LayerCost, column: Column, step: Step | None, text: str) -> tuple[str, str]:
    """What came of a step where that is another number than the recipe says: in short, and in words."""
    if column == "rank" and cost.rank is not None and str(cost.rank) != text:
        return f"→ {cost.rank}", _("The narrowest of the factors has {rank} channels.").format(rank=cost.rank)
    return _zeros(cost, step) if column == "prune" else ("", "")


def _zeros(cost: LayerCost, step: Step | None) -> tuple[str, str]:
    """The zeros that the layer has now, where the recipe's share does not say so."""
    wanted = (None if step is None else step.sparsity) or 0.0
    percent = 100 * cost.share_of_weights(cost.zeros.total)
    is_shared = step is not None and shares_budget(step)
    is_near = abs(percent - 100 * wanted) < NEAR_PERCENT and (percent in {0, 100}) == (wanted in {0, 1})
    if not is_shared and is_near:  # no weight left, or every one, is never near to another share
        return "", ""
    title = _("{zeros:.1f} % of this layer's weights are zero: {pruned:.1f} % pruned, "
              "{quantized:.1f} % rounded to zero, {original:.1f} % zero before.").format(
        zeros=percent,
        pruned=100 * cost.share_of_weights(cost.zeros.pruned),
        quantized=100 * cost.share_of_weights(cost.zeros.quantized),
        original=100 * cost.share_of_weights(cost.zeros.original),
    )  # fmt: skip
    share = f"{percent:.1f}\N{NO-BREAK SPACE}%"
    if step is None:  # nobody asked for a share that this could be taken for
        return _("{share} zeros").format(share=share), title
    found = f"→\N{NO-BREAK SPACE}{share}"
    return (f"{_('of network')} {found}" if is_shared else found), title


def _size(cost: LayerCost) -> FixedCell:
    title = _("{now:,} of {before:,} bytes as loaded").format(now=cost.bytes, before=cost.bytes_before)
    return FixedCell(in_bytes(cost.bytes), cost.bytes, title=title)


def _error(error: Number | None) -> FixedCell:
    if error is None:
        return FixedCell("…", None, "pending", _("It is being measured."))
    if error.value is None:
        return FixedCell(_("not measured"), None, "missing", _(error.reason or ""))
    if error.kind == "exact":
        return FixedCell("0 %", error.value, "exact", _("The weights are as they were, so nothing changes."))
    said = _("Measured on N = {items:,} calibration items, with what the layer reads while no other layer is "
             "compressed. Biases and input steps are not in it.").format(items=error.n)  # fmt: skip
    return FixedCell(_percent(error.value), error.value, "measured", said)


def _percent(share: float) -> str:
    """Three digits at most, and never a nothing that is something."""
    percent = 100 * share
    if percent >= 100:
        return f"{percent:,.0f} %"
    return "< 0.001 %" if 0 < percent < LEAST_PERCENT else f"{percent:.3g} %"
