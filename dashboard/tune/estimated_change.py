"""What each place of a slider is estimated to cost in accuracy, once each layer was measured alone.

Where the slider is at rest, the readout says what was measured, as soon as the header knows that. The
estimates of the other places are not moved to meet it: a shift would give points to a recipe that does
nothing, and a scale would be the quotient of two numbers near 0.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from compress_core.apply.model import Model
from compress_core.decide.estimated_knob import changes_of_knob
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import digest
from compress_core.recipe.values import Step
from dashboard import engine, header_numbers
from dashboard.known_estimator import known_estimator, known_sensitivity
from dashboard.live_slider.live_table import MeasuredHere, Readout, SliderValues
from dashboard.show import with_interval
from dashboard.text import _, refusal
from dashboard.tune.knob_of_layer import KnobOfLayer

CHANGE = "accuracy_change"  # the name of this number in the header
MOST = 4  # readouts for which one screen has room


def with_estimate(readouts: tuple[Readout, ...], estimate: tuple[Readout, ...]) -> tuple[Readout, ...]:
    """Both; where that is too many, without the first, which counts what the slider and the bytes say too."""
    return (*readouts[max(0, len(readouts) + len(estimate) - MOST) :], *estimate)


def estimated_change(place: KnobOfLayer, step: Step, values: SliderValues) -> tuple[Readout, ...]:
    """A readout for the places of a knob; none where the model as loaded was not scanned.

    step: one of the technique whose knob it is. values [rows]: NaN where the layer has no such step.
    """
    subject = place.model.subject
    if engine.workspace().folder is None or place.view.trainings or subject.splits.get("validation") is None:
        return ()
    parent = Model.original(subject)
    sensitivity = known_sensitivity(parent)
    if not sensitivity.curves:
        return ()
    estimated = _estimated(place, parent, step, values)
    here = None if place.is_refused else _measured(place.model)
    return (replace(estimated, here=here, is_of_all=True),)


def _estimated(place: KnobOfLayer, parent: Model, step: Step, values: SliderValues) -> Readout:
    name, unit = _("Accuracy change"), _("points")
    try:
        changes = _changes(place, parent, step, values)
    except Refused as reason:
        unknown = np.full(len(values), np.nan)
        return Readout(name, "", unknown, "estimated", note=refusal(reason), missing=_("no estimate"))
    note = _("Estimated from what each layer lost alone on N = {items:,} validation items.")
    return Readout(name, unit, changes, "estimated", 1, note=note.format(items=known_sensitivity(parent).n))


def _measured(model: Model) -> MeasuredHere | None:
    """The change that the header says of this very recipe; of an unchanged model it says none."""
    found = header_numbers.of_this_recipe(model) if model.is_changed else None
    number = None if found is None else found.numbers.get(CHANGE)
    if found is None or number is None or number.value is None:
        return None
    note = _("Measured with this recipe on N = {items:,} of {all:,} validation items: {change}.")
    said = note.format(items=found.items, all=found.all_items, change=with_interval(number))
    return MeasuredHere(number.value, _("points"), note=said)


def _changes(place: KnobOfLayer, parent: Model, step: Step, values: SliderValues) -> SliderValues:
    scans, recipe, layer = engine.workspace().scans.version(parent.key), place.view.recipe, place.layer.name
    others = {name: value for name, value in step.changed.items() if name not in {"sparsity", "rank", "bits"}}
    asked = (
        parent.key,
        parent.subject.name,
        scans,
        recipe.sha,
        layer,
        step.technique,
        others,
        values.tolist(),
    )
    return engine.store().get(
        digest("changes of knob", *asked),
        lambda: changes_of_knob(
            known_estimator(parent), known_sensitivity(parent), recipe, layer, step, values.tolist()
        ),
    )
