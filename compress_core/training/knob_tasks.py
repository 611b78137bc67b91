"""Knobs of training methods that mean something for some tasks alone."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic.fields import FieldInfo

from compress_core.foundation.errors import Refused
from compress_core.measure.behavior.metric import WITH_CLASSES
from compress_core.subject.answer_kind import PredictionTask
from compress_core.training.plan import Plan


@dataclass(frozen=True)
class ForTasks:
    """Beside a knob: the tasks for which it means something, all where nothing is said."""

    tasks: frozenset[PredictionTask]


FOR_CLASSES = ForTasks(WITH_CLASSES)
FOR_LABELED = ForTasks(frozenset(PredictionTask) - {PredictionTask.EMBEDDING})


def is_idle(field: FieldInfo, task: PredictionTask) -> bool:
    """Whether a knob changes nothing of a training for a task."""
    return any(isinstance(each, ForTasks) and task not in each.tasks for each in field.metadata)


def refuse_knobs_of_other_tasks(plan: Plan, task: PredictionTask) -> None:
    """Raises Refused where a knob is set that would change nothing."""
    for step in plan.steps:
        for name, field in type(step.knobs).model_fields.items():
            if is_idle(field, task) and getattr(step.knobs, name) != field.default:
                raise Refused(
                    "{knob} of {method} changes nothing of a training for {task}: leave it out.",
                    knob=name,
                    method=step.method.name,
                    task=task.value,
                )
