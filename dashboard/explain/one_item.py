"""One item: what both models say of it, what they look at, and how alike that is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st
import torch
from numpy.typing import NDArray

from compress_core.foundation.csv_table import Provenance
from compress_core.foundation.number import fixed
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import digest
from compress_core.measure.behavior.compare import Comparison
from compress_core.measure.behavior.predictions import NO_CLASS, Predictions
from compress_core.measure.explain.asked_answer import AskedKind
from compress_core.measure.explain.attribution import AttributionMethod
from compress_core.measure.explain.explanation import Explanation, explain
from compress_core.measure.explain.similarity import MEASURES
from compress_core.subject.answer_kind import PredictionTask
from compress_core.subject.wave_form import WaveForm, wave_form
from dashboard import engine
from dashboard.explain import wave_map, word_maps
from dashboard.explain.asked_words import name_of_class, short_target, what_is_asked
from dashboard.explain.plain_words import (
    how_it_was_made,
    what_a_map_says,
    what_a_wave_says,
    what_bounds_say,
    what_words_say,
)
from dashboard.figures.attribution_maps import attribution_bars, blink, maps_side_by_side
from dashboard.figures.drawn import Drawn
from dashboard.figures.similarity_summary import measure_names
from dashboard.number_table import number_table
from dashboard.show import about_item, figure, is_dark
from dashboard.text import _, current_language, literal

if TYPE_CHECKING:
    from compress_core.apply.model import Model
    from compress_core.subject.split import Split

_FEW = 6  # values of one answer that are shown
_PLAIN: Any = {"delta_color": "off", "delta_arrow": "off", "border": True, "height": "stretch"}


@dataclass(frozen=True, eq=False)
class ItemView:
    """One item of a split, a model and a method; the seed makes the noise and the shuffled weights.

    place: which word is asked about where a model answers at each of them; value: which of several real
    numbers.
    """

    model: Model
    split: Split
    item: int
    method: AttributionMethod
    seed: int
    place: int | None = None
    value: int | None = None

    @property
    def key(self) -> str:
        """What the maps are made of."""
        asked = (self.place, self.value, self.model.subject.answers.value)
        return digest(self.model.key, self.split.digest, self.item, self.method.name, self.seed, *asked)

    def explanation(self) -> Explanation:
        """The maps with ceiling and floor, kept by content; raises Refused where they cannot be made."""
        return engine.store().get(
            f"explained:{self.key}", self._explained, lambda found: 4 * found.before.nbytes + 2**15
        )

    def _explained(self) -> Explanation:
        subject, network = self.model.subject, self.model.network()
        inputs = self.split.inputs[self.item : self.item + 1]
        at = None if self.place is None else torch.tensor([self.place])
        baseline = subject.input.baseline
        work = explain(
            subject.network,
            network,
            inputs,
            self.method,
            baseline,
            seed=self.seed,
            at=at,
            answers=subject.answers,
            value=self.value,
        )
        return result_of(work)

    def drawn(self, name: str, make: Callable[[], Drawn]) -> Drawn:
        """A figure of the maps, drawn once for each theme and language."""
        key = digest("drawn", name, self.key, is_dark(), current_language())
        return engine.store().get(key, make, lambda _: 2**18)


def draw(view: ItemView, comparison: Comparison) -> None:
    """What both answer, the maps before and after, and the similarity beside its ceiling and floor."""
    found = view.explanation()
    if found.asked is AskedKind.VECTOR:
        _vectors(found)
    else:
        _answers(view, comparison)
    form = view.model.subject.input
    if form.is_image:
        _maps(view, found)
    elif form.is_text:
        _words(view, found)
    elif (wave := wave_form(view.model.subject)) is not None:
        _wave(view, found, wave)
    else:
        _bars(view, found)


def _answers(view: ItemView, comparison: Comparison) -> None:
    model, item, at = view.model, view.item, view.place
    before, after = comparison.before, comparison.after
    label, first, second = st.columns(3)
    named = _("Label") if before.kind.has_classes else _("Right answer")
    label.metric(named, label_words(model, before, item, at), border=True, height="stretch")
    first.metric(_("Original says"), *_said(model, before, item, at), **_PLAIN)
    second.metric(_("Compressed says"), *_said(model, after, item, at), **_PLAIN)


def _vectors(found: Explanation) -> None:
    """How near both vectors are to the original's own, which is what the maps add up to."""
    after = float(found.items["answer_after"].iloc[0])
    first, second = st.columns(2)
    first.metric(_("What is explained"), _("the original's vector"), **_PLAIN)
    second.metric(_("Compressed: cosine with it"), cosine_text(after), **_PLAIN)


def cosine_text(value: float) -> str:
    """Four digits, since those near 1 are told apart by them."""
    return f"{value:.4f}" if np.isfinite(value) else _("not measured")


def _said(model: Model, predictions: Predictions, item: int, at: int | None) -> tuple[str, str]:
    if predictions.in_parts or not predictions.kind.has_classes:
        return answer_words(model, predictions, item, at), " "
    chosen = int(predictions.predicted[item])
    if chosen == NO_CLASS:
        return class_name(model, chosen), _("its outputs are not finite")
    confidence = f"{100 * predictions.confidence[item]:.1f} %"
    return class_name(model, chosen), _("with {confidence} confidence").format(confidence=confidence)


def answer_words(model: Model, answered: Predictions, item: int, at: int | None = None) -> str:
    """What a model says of an item: its class, the labels that hold, a place of it, or its values.

    at: which place, else the last one.
    """
    if not answered.kind.has_classes:
        return ", ".join(f"{value:.4g}" for value in answered.logits[item][:_FEW])
    return _decided(model, answered, item, answered.predicted, at)


def label_words(model: Model, answered: Predictions, item: int, at: int | None = None) -> str:
    """What would be right for an item, in the same words."""
    if answered.wanted is not None:
        return ", ".join(f"{value:.4g}" for value in answered.wanted[item][:_FEW])
    return _("none") if answered.labels is None else _decided(model, answered, item, answered.labels, at)


def _decided(
    model: Model, answered: Predictions, item: int, chosen: NDArray[np.int64], at: int | None
) -> str:
    rows = answered.rows_of(item)
    if at is not None and answered.part_of is not None:
        rows = rows[answered.part_of[rows] == at]
    if answered.part_of is None or model.subject.task is not PredictionTask.LABELS:
        return class_name(model, int(chosen[rows[-1]])) if rows.size else _("none")
    holds = [model.subject.classes[int(answered.part_of[row])] for row in rows if chosen[row] == 1]
    return ", ".join(holds) or _("none")


def class_name(model: Model, number: int) -> str:
    """What a class is called; -1 is no class."""
    return name_of_class(model.subject, number)


def _maps(view: ItemView, found: Explanation) -> None:
    before, after, dark = found.before[0], found.after[0], is_dark()
    picture = view.model.subject.input.raw(view.split.inputs[view.item : view.item + 1])[0].numpy()
    maps = view.drawn("maps", lambda: maps_side_by_side(picture, before, after, dark=dark))
    figure(maps, "explain.maps", _provenance(view))
    st.caption(what_a_map_says(what_is_asked(view.model.subject, found), is_image=True))
    left, right = st.columns([1, 1.15], gap="medium")
    with left:
        figure(
            view.drawn("blink", lambda: blink(before, after, dark=dark)), "explain.blink", _provenance(view)
        )
    with right:
        _similarity(view, found)


def _words(view: ItemView, found: Explanation) -> None:
    subject = view.model.subject
    target = short_target(subject, found)
    word_maps.draw(subject, view.split, view.item, found, target, _provenance(view))
    st.caption(what_words_say(what_is_asked(subject, found)))
    _similarity(view, found)


def _wave(view: ItemView, found: Explanation, form: WaveForm) -> None:
    subject = view.model.subject
    wave_map.draw(subject, view.split, view.item, found, form, view.drawn, _provenance(view))
    st.caption(what_a_wave_says(what_is_asked(subject, found)))
    _similarity(view, found)


def _bars(view: ItemView, found: Explanation) -> None:
    before, after, dark = found.before[0], found.after[0], is_dark()
    names = view.model.subject.input.features or tuple(str(i) for i in range(before.size))
    bars = view.drawn("bars", lambda: attribution_bars(names, before, after, dark=dark))
    figure(bars, "explain.bars", _provenance(view))
    st.caption(what_a_map_says(what_is_asked(view.model.subject, found), is_image=False))
    _similarity(view, found)


def _provenance(view: ItemView) -> Provenance:
    """One item of a split."""
    return about_item(view.split, view.item, items=1)


def _similarity(view: ItemView, found: Explanation) -> None:
    st.markdown(f"**{_('How alike both maps of this item are')}**")
    names = measure_names()
    chances = {m: found.chance(m) for m in MEASURES}
    shown = [m for m in MEASURES if np.isfinite(chances[m].median) or np.isfinite(_first(found.items, m))]
    frames = {_("this item"): found.items, _("noise ceiling"): found.noise}
    rows = {title: [_first(frame, m) for m in shown] for title, frame in frames.items()}
    random = _("random floor, {draws} draws").format(draws=next(iter(chances.values())).draws)
    rows[random] = [chances[m].median for m in shown]
    ranges = [
        _("{low} to {high}").format(low=fixed(chances[m].low), high=fixed(chances[m].high)) for m in shown
    ]
    cells = {title: [_cell(value) for value in values] for title, values in rows.items()}
    table = pd.DataFrame({_("measure"): [names[m] for m in shown], **cells, _("its range"): ranges})
    number_table(table, "explain.alike", _provenance(view), taken=_alike(found, shown))
    reason = found.items["reason"].iloc[0]
    if reason is not None:
        st.caption(_("Not measured: {reason}.").format(reason=literal(_(reason))))
    made = how_it_was_made(found, of_words=view.model.subject.input.is_text)
    st.caption(f"{made} {what_bounds_say()}".strip())


def _cell(value: float) -> str:
    return fixed(value) if np.isfinite(value) else _("not measured")


def _alike(found: Explanation, measures: list[str]) -> pd.DataFrame:
    """The same in words that no language changes."""
    chances = [found.chance(measure) for measure in measures]
    return pd.DataFrame(
        {
            "measure": measures,
            "this_item": [_first(found.items, measure) for measure in measures],
            "noise_ceiling": [_first(found.noise, measure) for measure in measures],
            "random_floor": [chance.median for chance in chances],
            "random_lowest": [chance.low for chance in chances],
            "random_highest": [chance.high for chance in chances],
        }
    )


def _first(frame: pd.DataFrame, measure: str) -> float:
    return float(frame[measure].iloc[0])
