"""The figures of a training, the same while it runs and when it is over."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from compress_core.apply.lineage import Lineage
from compress_core.apply.model import Model
from compress_core.foundation.store import digest
from compress_core.measure.behavior.evaluate import evaluate
from compress_core.training.objective import TrainingObjective
from compress_core.training.objective_of_kind import objective_of
from compress_core.training.training_run import VALIDATION
from dashboard import engine
from dashboard.figures.layers_over_epochs import layers_over_epochs, told_of_layers
from dashboard.figures.training_curves import StartingPoint, training_curves
from dashboard.recover.told import Told, epochs_of, is_worth_a_look, of_layers, steps_of
from dashboard.show import figure, is_dark, provenance
from dashboard.text import _

PLACE, LIVE = "recover", "recover.live"
"""A training under way may stand above the outcome of another, or of itself where it ends meanwhile."""


def draw(
    figures: Sequence[Told],
    *,
    epochs: int,
    objective: TrainingObjective,
    before: StartingPoint,
    lineage: Lineage,
    items: int,
    kept: int | None = None,
    place: str = PLACE,
) -> None:
    """Score and loss, then what happens to the layers, where anything does.

    lineage: what the training began with, to which the numbers belong; items: of the validation split; place:
    under which keys they stand.
    """
    told, inside = epochs_of(figures), steps_of(figures, epochs)
    drawn = training_curves(
        told, inside, objective=objective, of=epochs, before=before, kept=kept, dark=is_dark()
    )
    about = provenance(split=VALIDATION, items=items, lineage=lineage)
    figure(drawn, f"{place}.curves", about)
    found = {name: of_layers(figures, name) for name in told_of_layers()}
    shown = {name: values for name, values in found.items() if is_worth_a_look(values)}
    if not shown:
        return
    name = next(iter(shown))
    if len(shown) > 1:
        name = (
            st.segmented_control(
                _("Of each layer"),
                list(shown),
                default=name,
                format_func=lambda each: told_of_layers()[each].title,
                key=f"{place}.of_layers",
                required=True,
            )
            or name
        )
    drawn = layers_over_epochs(shown[name], told_of_layers()[name], dark=is_dark())
    figure(drawn, f"{place}.{name}", provenance(lineage=lineage))


def starting_point(model: Model, *, seconds: float = 0.0) -> StartingPoint:
    """The scores from which a training of this model begins; what is not known yet is being measured.

    seconds: how long to wait for that.
    """
    split, both = model.subject.split(VALIDATION), (Model.original(model.subject), model)
    if not all(engine.is_evaluated(one, split) for one in both):
        key = digest("before a training", model.key, split.digest)
        engine.compared_within(seconds, key, lambda: [evaluate(one, split, engine.store()) for one in both])
    name = objective_of(model.subject.answers).metric_name
    known = [
        evaluate(one, split, engine.store())[name] if engine.is_evaluated(one, split) else None
        for one in both
    ]
    return StartingPoint(*known)
