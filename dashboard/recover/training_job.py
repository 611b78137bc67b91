"""The training of a page as a job: the same model, plan and items are the same job, whoever starts it."""

from __future__ import annotations

import json

from compress_core.apply.lineage import Train
from compress_core.apply.model import Model
from compress_core.face.train_compressed import Training, training_of
from compress_core.foundation.store import digest
from compress_core.foundation.texts import Phrase
from compress_core.tasks.train_model import TRAIN, TrainKnobs, is_begun, kept_checkpoint
from compress_core.training.loop import Trained
from compress_core.training.plan import Plan, parse_plan
from dashboard import engine
from dashboard import job_panel as jobs
from dashboard.page_job import PageJob
from dashboard.text import _, label

SHOWN = "slimscope.recover.shown"


def training_job(model: Model, plan: Plan) -> PageJob[Trained]:
    """Raises Refused where the model has no items to train on, or to choose by."""
    methods = ", ".join(label(step.method.name) for step in plan.steps)
    job = jobs.job_of(TRAIN, model, TrainKnobs(plan=plan.text), seed=0)  # the plan has the seed
    return PageJob(TRAIN, job, _("Train: {methods}").format(methods=methods), lambda t: t.weights.nbytes)


def has_begun(model: Model, plan: Plan) -> bool:
    """Whether such a training was interrupted after an epoch, and would go on from there."""
    return is_begun(model, TrainKnobs(plan=plan.text), engine.store())


def best_so_far(model: Model, plan: Plan) -> Trained | None:
    """What an interrupted training has learned by its last whole epoch; None where there is none."""
    stood = kept_checkpoint(model, TrainKnobs(plan=plan.text), engine.store())
    if stood is None:
        return None
    ended = Phrase("It was ended after epoch {epoch}.", epoch=stood.epochs)
    return Trained(stood.best, stood.best_epoch, stood.history, ended)


def outcome_of(parent: Model, plan_text: str, trained: Trained) -> Training:
    """What a training left as a model, whose weights are kept."""
    asked = TrainKnobs(plan=plan_text)
    key = digest("trained on a page", parent.key, plan_text, len(trained.history), trained.epoch)
    return engine.store().get(key, lambda: training_of(parent, asked, trained, engine.store()))


def plan_of(training: Training) -> Plan:
    """How a model was trained."""
    return parse_plan(json.loads(operation_made(training).plan))


def operation_made(training: Training) -> Train:
    """The last operation of a trained model."""
    made = training.model.operation
    assert isinstance(made, Train), "a training ends in one"
    return made
