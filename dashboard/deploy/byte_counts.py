"""Is it really small? Bytes counted in every usual way, and why the ways differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from compress_core.apply.model import Model
from compress_core.deliver.export_format import PACKED
from compress_core.foundation.number import Number
from compress_core.measure.cost.sizes import SizeRow, counted_sizes
from dashboard import engine
from dashboard.deploy import job_results
from dashboard.figures.size_bars import Way, bytes_side_by_side
from dashboard.show import figure, is_dark, kept, number_text
from dashboard.text import _

_FILES = ("dense", "csr", "bitmask", "container", "packed")
_BITS = ("values", "positions", "tables")


def draw(model: Model) -> None:
    """The figure, then the same as a table with one sentence on each way."""
    made = job_results.file_job(model, PACKED).result()
    packed = job_results.packed_size(model)
    rows = _counted(model, packed) if made is None else made.sizes
    if made is None:
        st.caption(
            _("How small the packed file is, and what gzip makes of each, is known once that file was made.")
            if packed is None
            else _("What gzip makes of each is known once the packed file was made.")
        )
    by_name = {row.name: row for row in rows}
    name = f"sizes:{made is not None}:{packed is not None}"
    figure(
        kept(name, model.key, lambda: bytes_side_by_side(_ways(model, by_name), dark=is_dark())),
        "deploy.sizes",
    )
    with st.expander(_("Why the ways differ"), icon=":material/help:", expanded=True):
        st.table(_table(rows), border="horizontal", hide_index=True)


def _counted(model: Model, packed: Number | None) -> tuple[SizeRow, ...]:
    key = f"counted:{model.key}:{model.subject.name}:{packed is not None}"
    return engine.store().get(key, lambda: counted_sizes(model, packed))


def _ways(model: Model, rows: Mapping[str, SizeRow]) -> list[Way]:
    """The original on top, then each way with what gzip makes of it, where that is known."""
    original = Model.original(model.subject)
    ways = [Way(_("Original file"), original.file_bytes, is_original=True)]
    for name in _FILES:
        if name not in rows:
            ways.append(Way(_("Packed file"), None))
            continue
        ways.append(Way(_(rows[name].label), _size(rows[name])))
        zipped = rows.get(f"{name}_gzip")
        if zipped is not None:
            ways.append(Way(_(zipped.label), _size(zipped), is_zipped=True))
    return ways


def _size(row: SizeRow) -> int | None:
    return None if row.number.value is None else int(row.number.value)


def _table(rows: Sequence[SizeRow]) -> pd.DataFrame:
    labels = {row.name: _(row.label) for row in rows}
    indented = {name: _("of these: {item}").format(item=labels[name]) for name in _BITS if name in labels}
    order = _in_order(rows)
    return pd.DataFrame(
        {
            "": [indented.get(row.name, labels[row.name]) for row in order],
            _("how much"): [number_text(row.number) for row in order],
            _("what it means"): [_(row.note) for row in order],
        }
    )


def _in_order(rows: Sequence[SizeRow]) -> list[SizeRow]:
    """Each row at its place, what bit mask and codes are made of right below them."""
    items = [row for row in rows if row.name in _BITS]
    others = [[row, *(items if row.name == "bitmask" else [])] for row in rows if row.name not in _BITS]
    return [row for below in others for row in below]
