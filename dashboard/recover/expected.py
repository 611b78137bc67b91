"""How long a training will take, worked out beside the page before it starts."""

from __future__ import annotations

import math

import streamlit as st

from compress_core.apply.model import Model
from compress_core.foundation.number import Number
from compress_core.foundation.store import digest
from compress_core.training.expected_time import expected_seconds
from compress_core.training.plan import Plan
from dashboard import engine
from dashboard.text import _

AT_ONCE_S = 0.3


def draw(model: Model, plan: Plan) -> None:
    """About how long; asked again until it is known. Raises Refused where such a training cannot begin."""
    if not _is_known(model, plan, AT_ONCE_S):
        st.fragment(_until_known, run_every=engine.ASK_EVERY_S)(model, plan)
        return
    found = engine.store().get(_key(model, plan), lambda: _expected(model, plan))
    st.markdown(expected_text(found, plan, model.subject.training_items.count))


def _is_known(model: Model, plan: Plan, seconds: float) -> bool:
    key = _key(model, plan)
    return engine.compared_within(
        seconds, key, lambda: engine.store().get(key, lambda: _expected(model, plan))
    )


def _key(model: Model, plan: Plan) -> str:
    return digest("expected seconds", model.key, plan.text, model.subject.training_items.digest)


def _expected(model: Model, plan: Plan) -> Number:
    return expected_seconds(model, plan, engine.store())


def _until_known(model: Model, plan: Plan) -> None:
    """Draws in its own place alone; the run that follows finds the number."""
    if _is_known(model, plan, 0):
        st.rerun()
    st.markdown(_("How long it takes is being worked out …"))


def expected_text(expected: Number, plan: Plan, items: int) -> str:
    """About so long, and for what; an estimate, and marked as one."""
    assert expected.value is not None, "it was timed"
    said = (
        _("**≈ {time}** once it runs, for one epoch of {items:,} items, estimated from a few steps.")
        if plan.knobs.epochs == 1
        else _(
            "**≈ {time}** once it runs, for {epochs} epochs of {items:,} items, estimated from a few steps."
        )
    )
    return said.format(time=duration(expected.value), epochs=plan.knobs.epochs, items=items)


def duration(seconds: float) -> str:
    """Seconds as people say them, no finer than an estimate is."""
    if seconds < 90:
        return _("{seconds} s").format(seconds=max(1, math.ceil(seconds)))
    if seconds < 90 * 60:
        return _("{minutes} min").format(minutes=math.ceil(seconds / 60))
    return _("{hours:.1f} h").format(hours=seconds / 3600)
