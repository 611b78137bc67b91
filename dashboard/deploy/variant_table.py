"""Which kernel variant suits each layer best? All that were tried, timed on what the layer gets."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from compress_core.foundation.csv_table import Provenance
from compress_core.foundation.printable import printable
from compress_core.measure.speed.kernel_variants import KernelVariant, KernelVariantRow, KernelVariantTable
from dashboard.number_table import height_of, number_table
from dashboard.show import interval_text, with_interval
from dashboard.text import _


def draw(tables: Sequence[KernelVariantTable], of: Provenance) -> None:
    """The chosen variant of every layer at a batch size; all that were tried when wished."""
    batches = [table.batch for table in tables]
    left, right = st.columns([1, 2], vertical_alignment="bottom")
    batch = left.segmented_control(
        _("Items at once"), batches, default=batches[0], key="deploy.variants.batch", required=True
    )
    everything = right.toggle(
        _("Also show kernel variants that were tried and not chosen"), key="deploy.variants.all"
    )
    table = tables[batches.index(batch) if batch in batches else 0]
    rows = [row for row in table.rows if everything or row.chosen]
    number_table(
        variant_frame(rows, everything=everything),
        "deploy.variants",
        of,
        taken=taken_frame(table),
        caption=_said_of_all(table),
        height=height_of(len(rows), 430),
        column_config={
            _("why"): st.column_config.TextColumn(width="large"),
            _("chosen"): st.column_config.CheckboxColumn(width="small"),
        },
    )


def taken_frame(table: KernelVariantTable) -> pd.DataFrame:
    """Every layer in every variant at this batch size, in words that no language changes."""
    return pd.DataFrame(
        {
            "layer": [row.layer for row in table.rows],
            "batch": table.batch,
            "kernel_variant": [row.variant.value for row in table.rows],
            "chosen": [row.chosen for row in table.rows],
            "milliseconds": [row.milliseconds.value for row in table.rows],
            "times_faster_than_dense": [row.ratio.value for row in table.rows],
            "low": [row.ratio.low for row in table.rows],
            "high": [row.ratio.high for row in table.rows],
            "reason": [row.reason for row in table.rows],
        }
    )


def variant_frame(rows: Sequence[KernelVariantRow], *, everything: bool) -> pd.DataFrame:
    """One row for each layer and variant; missing numbers say so. everything: not only what was chosen."""
    chosen = {_("chosen"): [row.chosen for row in rows]} if everything else {}
    return pd.DataFrame(
        {
            _("layer"): [printable(row.layer) for row in rows],
            _("kernel variant"): [_(row.variant.title) for row in rows],
            **chosen,
            _("ms"): [_milliseconds(row) for row in rows],
            _("times faster than dense"): [_ratio(row) for row in rows],
            _("why"): [_(row.reason) for row in rows],
        }
    )


def _ratio(row: KernelVariantRow) -> str:
    if row.variant is KernelVariant.DENSE:
        return "–"
    return with_interval(row.ratio)


def _milliseconds(row: KernelVariantRow) -> str:
    value = row.milliseconds.value
    return _("not measured") if value is None else f"{value:.3g}"


def _said_of_all(table: KernelVariantTable) -> str:
    ratio = table.layers_ratio
    explained = _(
        "Dense multiplies every weight; CSR stores only the kept ones with their columns; gathered leaves "
        "out rows and columns that are all zero. A variant is taken where it is surely faster. Intervals in "
        "this table are those of one process: another start may differ by more."
    )
    if ratio.value is None:
        return explained
    together = _("All these layers together: {ratio} {interval} times as fast as dense.").format(
        ratio=f"{ratio.value:.2f}", interval=interval_text(ratio)
    )
    return f"{explained} {together}"
