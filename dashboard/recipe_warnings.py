"""What a recipe does that its maker may not want, above the controls that led to it."""

from __future__ import annotations

import streamlit as st

from compress_core.apply.model import Model
from compress_core.foundation.store import digest
from compress_core.measure.cost.warnings import recipe_warnings
from dashboard import engine
from dashboard.text import _, literal


def draw(model: Model) -> None:
    """A sentence for each, behind a button with their number; nothing where all is well."""
    found = engine.store().get(digest("recipe warnings", model.key), lambda: recipe_warnings(model))
    if not found:
        return
    title = _("{count} warnings").format(count=len(found)) if len(found) > 1 else _("1 warning")
    with st.popover(title, icon=":material/priority_high:", width="content"):
        for sentence in found:
            st.warning(literal(_(sentence)), icon=":material/priority_high:")
