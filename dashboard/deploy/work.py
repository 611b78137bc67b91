"""What does one pass cost? Multiplications, bytes moved, and an estimate of the energy."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from compress_core.apply.model import Model
from compress_core.foundation.number import Number
from compress_core.measure.cost.energy import HOROWITZ, energy_costs
from dashboard import engine
from dashboard.show import number_text
from dashboard.text import _, literal


def draw(model: Model) -> None:
    """One table: the original, the model as a dense runtime runs it, and as an ideal one would."""
    original, now = _costs(Model.original(model.subject)), _costs(model)
    st.table(work_frame(original, now), border="horizontal", hide_index=True)
    st.caption(
        _(
            "For one item. Operations and bytes are counted; energy is estimated (≈), not measured: "
            "{multiply:.1f} pJ for a multiplication and addition of 32-bit numbers, {slow:.0f} pJ for a "
            "byte from main memory, {fast:.1f} pJ for one on the chip; every weight is read once. "
            "Source: {source}."
        ).format(
            multiply=HOROWITZ.float_mac,
            slow=HOROWITZ.slow_byte,
            fast=HOROWITZ.fast_byte,
            source=literal(HOROWITZ.source),
        )
    )


def _costs(model: Model) -> Mapping[str, Number]:
    return engine.store().get(f"energy:{model.key}", lambda: energy_costs(model, engine.store()))


def work_frame(original: Mapping[str, Number], now: Mapping[str, Number]) -> pd.DataFrame:
    """A row for each cost; the last column is what a machine could reach that skips every zero."""
    rows = [
        (_("Multiplications with an addition (MACs)"), "macs", "macs", "macs_useful"),
        (_("Weights read"), "traffic_weights", "traffic_weights", "traffic_weights_coded"),
        (_("Activations (inputs and outputs of layers) moved"), *3 * ("traffic_activations",)),
        (_("Energy, estimated"), "energy", "energy", "energy_exploited"),
    ]
    return pd.DataFrame(
        {
            "": [row[0] for row in rows],
            _("original"): [_counted(original[row[1]]) for row in rows],
            _("compressed, as an ordinary runtime runs it"): [
                _beside(now[row[2]], original[row[1]]) for row in rows
            ],
            _("compressed, if zeros were skipped and codes read"): [
                _beside(now[row[3]], original[row[1]]) for row in rows
            ],
        }
    )


def _counted(number: Number) -> str:
    """A number; where it cannot be counted, why."""
    if number.value is None:
        return _("not counted: {reason}").format(reason=literal(_(number.reason or "")))
    return number_text(number)


def _beside(now: Number, before: Number) -> str:
    """A number and its share of the original's."""
    if not before.value or now.value is None:
        return _counted(now)
    return f"{number_text(now)} ({100 * now.value / before.value:.0f} %)"
