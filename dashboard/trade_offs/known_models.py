"""The models that a visitor may see, with their numbers on the validation split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from compress_core.apply.model import Model
from compress_core.decide.model_table import model_table
from compress_core.decide.seed_runs import run_of_each, seeds_together
from compress_core.foundation.csv_table import Provenance
from compress_core.measure.behavior.evaluate import evaluate
from dashboard import engine, saved_work, trial_log
from dashboard.text import _
from dashboard.visitor import visitor

if TYPE_CHECKING:
    from compress_core.subject.subject import Subject
    from dashboard.view import View

SPLIT = "validation"
PATIENCE_S = 0.4
LABEL = "label"
MANY = "several"  # in the place of the one recipe of a download


def known_models(subject: Subject) -> pd.DataFrame:
    """A row for each model of this visitor, or of nobody in particular, and what it is called."""
    table = model_table(subject, engine.workspace(), visitor(), SPLIT)
    return table.assign(**{LABEL: [_label(row) for row in table.itertuples()]})


def _label(row: object) -> str:
    """Its name, and the first words of what was done where nobody named it."""
    name, operation = str(getattr(row, "name", "")), getattr(row, "operation", "")
    return _("original") if operation == "original" else name


def by_seed(subject: Subject, table: pd.DataFrame) -> pd.DataFrame:
    """The same with a row for all runs that differ by their seed alone, and how many there are of each."""
    return seeds_together(table, run_of_each(engine.workspace().models.of_subject(subject.digest)))


def note_open_model(view: View, model: Model) -> None:
    """Have the original and the model that is open measured and kept, so that both stand among all models.

    Who comes first waits for that; afterwards it goes on behind the page, where it takes long.
    """
    split = model.subject.splits.get(SPLIT)
    saved_work.keep_model(view.lineage, model.subject)
    if split is None:
        return
    original = Model.original(model.subject)
    is_first = not engine.is_evaluated(original, split)
    is_over = is_first or engine.evaluated_within(PATIENCE_S, model, split)
    for one in (original, model):
        if is_over or engine.is_evaluated(one, split):
            trial_log.complete(one, evaluate(one, split, engine.store()))


def provenance_of(subject: Subject) -> Provenance:
    """What a download of several models speaks of: each row names its own recipe."""
    split = subject.splits.get(SPLIT)
    if split is None:
        return Provenance(subject.name, MANY)
    return Provenance(subject.name, MANY, split.name, len(split))


def items_said(subject: Subject) -> str:
    """What their numbers were measured on."""
    split = subject.splits.get(SPLIT)
    if split is None:
        return _("no items")
    return _("{split} split, N = {items:,}").format(split=_(split.name), items=len(split))
