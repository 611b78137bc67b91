"""One item: what both models say of it, what they look at, and how alike that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from compress_core.measure.attribution import AttributionMethod
from compress_core.measure.compare import Comparison
from compress_core.measure.explain import Explanation, explain
from compress_core.measure.predictions import NO_CLASS, Predictions
from compress_core.measure.similarity import MEASURES
from compress_core.progress import result_of
from compress_core.store import digest
from dashboard import engine
from dashboard.explain.words import reason_text, what_a_map_says, what_floors_say
from dashboard.figures.explain import attribution_bars, blink, maps_side_by_side
from dashboard.figures.similarity import measure_names
from dashboard.show import figure, is_dark
from dashboard.text import _, literal

if TYPE_CHECKING:
    from compress_core.model import Model
    from compress_core.subject.subject import Split


def explained(model: Model, split: Split, item: int, method: AttributionMethod, seed: int) -> Explanation:
    """The maps of one item with both floors, kept by content; raises Refused where the method cannot."""
    subject = model.subject
    key = digest("explained item", model.key, split.digest, item, method.name, seed)

    def make() -> Explanation:
        inputs = split.inputs[item : item + 1]
        return result_of(
            explain(subject.network, model.network(), inputs, method, subject.input.baseline, seed=seed)
        )

    return engine.store().get(key, make, lambda found: 4 * found.before.nbytes + 2**15)


def draw(
    model: Model, split: Split, comparison: Comparison, item: int, method: AttributionMethod, seed: int
) -> None:
    """Classes and confidence, the maps before and after, and the similarity beside its floors."""
    _answers(model, comparison, item)
    found = explained(model, split, item, method, seed)
    if model.subject.input.is_image:
        _maps(model, split, item, found)
    else:
        _bars(model, found)


def _answers(model: Model, comparison: Comparison, item: int) -> None:
    before, after = comparison.before, comparison.after
    label, first, second = st.columns(3)
    known = before.labels
    label.metric(
        _("Label"), _("none") if known is None else _class_name(model, int(known[item])), border=True
    )
    first.metric(_("Original says"), *_said(model, before, item), delta_color="off", delta_arrow="off", border=True)
    second.metric(
        _("Compressed says"), *_said(model, after, item), delta_color="off", delta_arrow="off", border=True
    )


def _said(model: Model, predictions: Predictions, item: int) -> tuple[str, str]:
    chosen = int(predictions.predicted[item])
    if chosen == NO_CLASS:
        return _("nothing"), _("its outputs are not finite")
    confidence = f"{100 * predictions.confidence[item]:.1f} %"
    return _class_name(model, chosen), _("with {confidence} confidence").format(confidence=confidence)


def _class_name(model: Model, number: int) -> str:
    classes = model.subject.classes
    return classes[number] if number < len(classes) else str(number)


def _maps(model: Model, split: Split, item: int, found: Explanation) -> None:
    picture = model.subject.input.raw(split.inputs[item : item + 1])[0].numpy()
    before, after = found.before[0], found.after[0]
    figure(maps_side_by_side(picture, before, after, dark=is_dark()), "explain.maps")
    st.caption(what_a_map_says(is_image=True))
    left, right = st.columns([1, 1.15], gap="medium")
    with left:
        figure(blink(before, after, dark=is_dark()), "explain.blink")
    with right:
        _similarity(found)


def _bars(model: Model, found: Explanation) -> None:
    before, after = found.before[0], found.after[0]
    names = model.subject.input.features or tuple(str(i) for i in range(len(before)))
    figure(attribution_bars(names, before, after, dark=is_dark()), "explain.bars")
    st.caption(what_a_map_says(is_image=False))
    _similarity(found)


def _similarity(found: Explanation) -> None:
    st.markdown(f"**{_('How alike both maps of this item are')}**")
    names = measure_names()
    shown = [m for m in MEASURES if np.isfinite(_first(found.random, m)) or np.isfinite(_first(found.items, m))]
    frames = {
        _("this item"): found.items,
        _("noise floor"): found.noise,
        _("random floor"): found.random,
    }
    rows = {title: [_first(frame, m) for m in shown] for title, frame in frames.items()}
    table = pd.DataFrame({_("measure"): [names[m] for m in shown], **rows})
    st.dataframe(
        table,
        hide_index=True,
        width="stretch",
        column_config={title: st.column_config.NumberColumn(format="%.2f") for title in frames},
    )
    reason = found.items["reason"].iloc[0]
    if reason is not None:
        st.caption(_("Not measured: {reason}.").format(reason=literal(reason_text(reason))))
    st.caption(what_floors_say())


def _first(frame: pd.DataFrame, measure: str) -> float:
    return float(frame[measure].iloc[0])
