"""train: win back by training what compression cost."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from compress_core.apply.kept_models import keep_model
from compress_core.apply.lineage import Train
from compress_core.apply.model import Model
from compress_core.apply.run import key_of, model_of
from compress_core.apply.trained import keep_trained, trained_model
from compress_core.face.checked_arguments import checked_model
from compress_core.face.load_model import load
from compress_core.face.shared_store import shared_store
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.foundation.texts import Phrase
from compress_core.subject.subject import Subject
from compress_core.tasks.train_model import TrainKnobs, carried_out, run_of
from compress_core.training.checkpoint import EpochFigures
from compress_core.training.flat_plan import flat_plan
from compress_core.training.loop import EpochDone, Trained
from compress_core.training.plan import parse_plan
from compress_core.training.training_run import operation_of


@dataclass(frozen=True, eq=False)
class Training:
    """A trained model and how it came about; a notebook shows a row for each epoch.

    epoch: whose weights the model has, counted from 1; ended: why the training stopped early, None where it
    did not.
    """

    model: Model
    epoch: int
    history: tuple[EpochFigures, ...]
    ended: Phrase | None

    def frame(self) -> pd.DataFrame:
        """A row for each epoch: loss, score on validation items, its interval, learning rate.

        The score stands under the name of its metric: accuracy, of real numbers explained_variance, of
        vectors cosine_to_original. The loss is in nats, of real numbers in variances, of vectors 1 - cosine.
        """
        return pd.DataFrame(
            {
                "epoch": figures.epoch,
                "loss": figures.loss,
                figures.metric: figures.score.value,
                "low": figures.score.low,
                "high": figures.score.high,
                "n": figures.score.n,
                "learning_rate": figures.learning_rate,
            }
            for figures in self.history
        )

    def _repr_html_(self) -> str:
        return self.frame().to_html(index=False, na_rep="")


def train(
    model: Model | Subject,
    method: str | Sequence[str] = "fine_tune",
    *,
    teacher: Model | Subject | str | None = None,
    watch: Callable[[EpochFigures], None] | None = None,
    store: Store | None = None,
    **knobs: object,
) -> Training:
    """Train a compressed model on the training items of its subject: what is pruned stays zero.

    method: one name or several, fine_tune, distill and others (`slimscope methods` lists them); knobs:
    theirs, and those of every training, as epochs, batch_size, learning_rate and seed. teacher: whom it
    learns from where a method asks, a model or the name of a sample that takes the same items; the model as
    loaded unless said otherwise. watch is called with the figures of each epoch. The epoch with the best
    score on validation items is given: accuracy, R squared of real numbers, the cosine of vectors, which have
    no labels and learn by distill alone. The same call on the same machine gives the same weights.

    Where the workspace cannot keep what was learned, a warning of Python says so, and the model that is given
    ends with this process: pack, apply or export write it elsewhere.

    Raises Refused where the model has no training items or cannot be trained, or a knob is not there.

        recovered = train(small, "distill", temperature=4, epochs=3).model
    """
    made = checked_model(model, "train")
    kept = store or shared_store()
    plan = flat_plan([method] if isinstance(method, str) else list(method), knobs)
    asked = TrainKnobs(plan=plan.text)
    taught_by = teacher_from(teacher)
    work = carried_out(run_of(made, asked, taught_by), kept)
    while True:
        try:
            progress = next(work)
        except StopIteration as end:
            trained: Trained = end.value
            break
        if watch is not None and isinstance(progress, EpochDone):
            watch(progress.figures)
    try:
        return training_of(made, asked, trained, kept, taught_by)
    except Refused as refused:
        warnings.warn(f"The trained model ends with this process: {refused}", stacklevel=2)
        return unkept_training_of(made, asked, trained, taught_by)


def teacher_from(teacher: Model | Subject | str | None) -> Model | None:
    """A model to learn from, or a sample by its name; raises Refused for anything else."""
    if teacher is None:
        return None
    return checked_model(load(teacher) if isinstance(teacher, str) else teacher, "train")


def training_of(
    parent: Model, asked: TrainKnobs, trained: Trained, store: Store, teacher: Model | None = None
) -> Training:
    """What a training left, kept in the store under the history of its model.

    Raises Refused where the disk does not take it.
    """
    lineage = (*parent.lineage, _operation(parent, asked, trained, teacher))
    keep_trained(key_of(parent.subject, lineage), trained.weights, store)
    model = model_of(parent.subject, lineage, store)
    keep_model(model, store)
    return Training(model, trained.epoch, trained.history, trained.ended)


def unkept_training_of(
    parent: Model, asked: TrainKnobs, trained: Trained, teacher: Model | None = None
) -> Training:
    """The same of this process alone, where nothing takes it."""
    operation = _operation(parent, asked, trained, teacher)
    key = key_of(parent.subject, (*parent.lineage, operation))
    model = trained_model(parent, operation, trained.weights, key)
    return Training(model, trained.epoch, trained.history, trained.ended)


def _operation(parent: Model, asked: TrainKnobs, trained: Trained, teacher: Model | None) -> Train:
    return operation_of(parent, parse_plan(json.loads(asked.plan)), len(trained.history), teacher)
