"""The numbers of a lesson, each asked of the core; nothing is worked out here.

All of them are kept by content in the store, so what was worked out while a visitor thought about a
prediction is there when it is shown.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from compress_core.foundation.number import Number
from dashboard import engine
from dashboard.learn.lesson import Lesson, LessonNumber, Quantity, RecipePlan
from dashboard.page_runs import PAGE_RUNS

if TYPE_CHECKING:
    from compress_core.apply.model import Model
    from compress_core.foundation.store import Store
    from compress_core.subject.split import Split

SPLIT = "validation"


def _store() -> Store:
    """Nothing of a lesson goes to the workspace: what others tried there would be lost among its models."""
    return engine.store().without_workspace()


def subject_split(lesson: Lesson) -> Split:
    """The items that every number of a lesson is measured on."""
    return engine.sample(lesson.model).split(SPLIT)


def model_for(lesson: Lesson, recipe: RecipePlan | None) -> Model:
    """The lesson's model as a recipe leaves it; as loaded without one."""
    from compress_core.apply.model import Model
    from compress_core.apply.run import compress
    from compress_core.recipe.reading import parse_recipe

    subject = engine.sample(lesson.model)
    return Model.original(subject) if recipe is None else compress(subject, parse_recipe(recipe), _store())


def number_of(lesson: Lesson, asked: LessonNumber) -> Number:
    """A number that a text of the lesson names."""
    from compress_core.foundation.store import digest  # torch comes with it

    recipe = asked.recipe if asked.at is None else lesson.knob.recipe_at(asked.at)
    said = json.dumps(recipe, sort_keys=True)
    place = math.nan if asked.at is None else asked.at
    subject = engine.sample(lesson.model)
    key = digest("lesson", subject.key, lesson.layer, lesson.item, asked.quantity, said, place)
    return _store().get(key, lambda: QUANTITIES[asked.quantity](lesson, model_for(lesson, recipe), place))


def number_at(lesson: Lesson, quantity: Quantity, place: float) -> Number:
    """A quantity with the knob at a place."""
    return number_of(lesson, LessonNumber(quantity=quantity, at=place))


def work_out(lesson: Lesson) -> None:
    """Have every number of a lesson in the store."""
    for asked in lesson.numbers.values():
        number_of(lesson, asked)
    for place in lesson.knob.places:
        for quantity in lesson.readouts:
            number_at(lesson, quantity, place)


def wait_until_worked_out(lesson: Lesson) -> None:
    """Have every number now: what the background is at it finishes first, as if no page ran."""
    engine.warm()
    with PAGE_RUNS.waiting():
        work_out(lesson)


def begin_to_work_out(name: str, lesson: Lesson) -> None:
    """Do so in the background, while the visitor thinks; no page waits for it."""

    def work() -> None:
        engine.warm()
        work_out(lesson)

    engine.comparing().wish(engine.session_id(), f"lesson {name}", work)


def _evaluated(metric: str, lesson: Lesson, model: Model, _place: float) -> Number:
    from compress_core.measure.behavior.evaluate import evaluate

    return evaluate(model, subject_split(lesson), _store())[metric]


def _worst_class(lesson: Lesson, model: Model, _place: float) -> Number:
    """The change of the class that lost most, with the interval that holds for all classes together."""
    from compress_core.measure.behavior.evaluate import compare

    row = compare(model, subject_split(lesson), _store()).per_class().iloc[0]
    return Number(
        float(row["change"]), "points", "measured", float(row["low"]), float(row["high"]), int(row["n"])
    )


def _counted(way: str, _lesson: Lesson, model: Model, _place: float) -> Number:
    from compress_core.measure.cost.sizes import counted_sizes

    return next(row.number for row in counted_sizes(model) if row.name == way)


def _packed(_lesson: Lesson, model: Model, _place: float) -> Number:
    from compress_core.deliver.packed_size import packed_size

    return packed_size(model, _store())


def _of_layer(name: str, lesson: Lesson, model: Model, _place: float) -> Number:
    from compress_core.measure.cost.cost import layer_costs

    cost = next(one for one in layer_costs(model, _store()) if one.layer.name == lesson.layer)
    counts = {"weights": cost.weights, "zeros": cost.zeros.total}
    return Number(float(counts[name]), "weight", "exact")


def _without_largest(lesson: Lesson, model: Model, place: float) -> Number:
    from compress_core.measure.behavior.largest_removed import without_largest

    return without_largest(model.subject, lesson.layer, place, subject_split(lesson), _store())["accuracy"]


def _soft_share(rank: int, lesson: Lesson, model: Model, place: float) -> Number:
    """What the model says of one item at a temperature: the share of its likeliest class, or of the next."""
    from compress_core.training.soft_answers import soft_answers

    found = soft_answers(model, subject_split(lesson), lesson.item, place, _store())
    assert found is not None, "lessons are about classes"
    soft = sorted(found.tolist())
    return Number(soft[-rank], "share", "measured", n=1)


QUANTITIES: Mapping[Quantity, Callable[[Lesson, Model, float], Number]] = MappingProxyType(
    {
        "accuracy": partial(_evaluated, "accuracy"),
        "accuracy_change": partial(_evaluated, "accuracy_change"),
        "worst_class_change": _worst_class,
        "changed_answers": partial(_evaluated, "churn"),
        "right_to_wrong": partial(_evaluated, "right_to_wrong"),
        "wrong_to_right": partial(_evaluated, "wrong_to_right"),
        "file_bytes": partial(_evaluated, "bytes"),
        "dense_bytes": partial(_counted, "dense"),
        "sparse_bytes": partial(_counted, "csr"),
        "packed_bytes": _packed,
        "parameters": partial(_counted, "parameters"),
        "layer_weights": partial(_of_layer, "weights"),
        "layer_zeros": partial(_of_layer, "zeros"),
        "multiplications": partial(_evaluated, "macs"),
        "accuracy_without_largest": _without_largest,
        "answer_share": partial(_soft_share, 1),
        "runner_up_share": partial(_soft_share, 2),
    }
)
