"""Lessons: each file agrees with itself, and every number in it is what a test works out by itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from compress_core.apply.model import Model
from compress_core.deliver import packed_size
from compress_core.deliver.packed_file import pack_bytes
from compress_core.deliver.plain_container import container_bytes
from compress_core.foundation.store import Store
from compress_core.subject.subject import Subject
from dashboard import engine
from dashboard.figures.predicted_outcome import MeasuredCurve, predicted_outcome
from dashboard.learn import lesson_steps
from dashboard.learn.lesson import Lesson, LessonNumber, QuizQuestion
from dashboard.learn.lesson_files import lessons
from dashboard.learn.lesson_numbers import model_for, number_at, number_of
from dashboard.learn.quantity_words import distance_in_words, unit_of_quantity
from tests.subjects import loaded_sample

ROOT = Path(__file__).resolve().parent.parent
NAMES = list(lessons())
STORE = Store(2**29)


@pytest.fixture(autouse=True)
def _models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "sample", cache(loaded_sample))
    monkeypatch.setattr(engine, "store", lambda: STORE)
    monkeypatch.setattr(packed_size, "packed_length", lambda model, _kept: len(file_of(model)))


FILES: dict[str, bytes] = {}
"""The packed file of each model: a size that is told is that of the file that is looked at here."""


def file_of(model: Model) -> bytes:
    if model.key not in FILES:
        FILES[model.key] = pack_bytes(model)
    return FILES[model.key]


def _logits(lesson: Lesson, recipe: dict[str, object] | None) -> torch.Tensor:
    """What the shipped network itself answers to all validation items."""
    return _answers(lesson.model, json.dumps(recipe, sort_keys=True))


@cache
def _answers(model: str, recipe: str) -> torch.Tensor:
    lesson = next(each for each in lessons().values() if each.model == model)
    network = model_for(lesson, json.loads(recipe)).network().eval()
    with torch.no_grad():
        found = network(engine.sample(model).split("validation").inputs)
    assert isinstance(found, torch.Tensor)
    return found


def _right(lesson: Lesson, recipe: dict[str, object] | None) -> np.ndarray:
    labels = engine.sample(lesson.model).split("validation").labels
    assert labels is not None
    return (_logits(lesson, recipe).argmax(1) == labels).numpy()


def _state(lesson: Lesson, recipe: dict[str, object] | None) -> dict[str, torch.Tensor]:
    return model_for(lesson, recipe).network().state_dict()


def _worst(lesson: Lesson, recipe: dict[str, object] | None) -> float:
    labels = engine.sample(lesson.model).split("validation").labels
    assert labels is not None
    apart = 100.0 * (_right(lesson, recipe).astype(int) - _right(lesson, None))
    return min(float(apart[(labels == each).numpy()].mean()) for each in labels.unique())


def _of_layer(lesson: Lesson, recipe: dict[str, object] | None) -> list[torch.Tensor]:
    return [
        tensor
        for name, tensor in _state(lesson, recipe).items()
        if name.split(".")[0] == lesson.layer and tensor.dim() > 1
    ]


def _csr(tensor: torch.Tensor) -> int:
    return 8 * int((tensor != 0).sum()) + 4 * (len(tensor) + 1) if tensor.dim() > 1 else 4 * tensor.numel()


def _turned(lesson: Lesson, recipe: dict[str, object] | None, before: bool) -> float:
    was, now = _right(lesson, None), _right(lesson, recipe)
    return float((was & ~now).sum() if before else (now & ~was).sum())


def _without_largest(lesson: Lesson, place: float) -> float:
    network = engine.sample(lesson.model).network
    split = engine.sample(lesson.model).split("validation")
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    weight = state[f"{lesson.layer}.weight"]
    kept = weight.numel() - round(place * weight.numel())
    weight[weight.abs() > weight.abs().flatten().sort().values[kept - 1]] = 0
    with torch.no_grad():
        answers = torch.func.functional_call(network, state, (split.inputs,)).argmax(1)
    assert split.labels is not None
    return float((answers == split.labels).double().mean())


def _soft(lesson: Lesson, place: float, rank: int) -> float:
    exponentials = np.exp(_logits(lesson, None)[lesson.item].double().numpy() / place)
    return float(np.sort(exponentials / exponentials.sum())[-rank])


AT_A_PLACE: Mapping[str, Callable[[Lesson, float], float]] = {
    "accuracy_without_largest": _without_largest,
    "answer_share": lambda lesson, place: _soft(lesson, place, 1),
    "runner_up_share": lambda lesson, place: _soft(lesson, place, 2),
}
Own = Callable[[Lesson, dict[str, object] | None], float]
OWN: Mapping[str, Own] = {
    "accuracy": lambda lesson, recipe: float(_right(lesson, recipe).mean()),
    "accuracy_change": lambda lesson, recipe: (
        100 * float(_right(lesson, recipe).mean() - _right(lesson, None).mean())
    ),
    "worst_class_change": _worst,
    "changed_answers": lambda lesson, recipe: float(
        (_logits(lesson, recipe).argmax(1) != _logits(lesson, None).argmax(1)).float().mean()
    ),
    "right_to_wrong": lambda lesson, recipe: _turned(lesson, recipe, before=True),
    "wrong_to_right": lambda lesson, recipe: _turned(lesson, recipe, before=False),
    "file_bytes": lambda lesson, recipe: float(len(container_bytes(model_for(lesson, recipe)))),
    "packed_bytes": lambda lesson, recipe: float(len(file_of(model_for(lesson, recipe)))),
    "dense_bytes": lambda lesson, recipe: 4.0 * sum(t.numel() for t in _state(lesson, recipe).values()),
    "sparse_bytes": lambda lesson, recipe: float(sum(map(_csr, _state(lesson, recipe).values()))),
    "parameters": lambda lesson, recipe: float(sum(t.numel() for t in _state(lesson, recipe).values())),
    "layer_weights": lambda lesson, recipe: float(sum(t.numel() for t in _of_layer(lesson, recipe))),
    "layer_zeros": lambda lesson, recipe: float(sum(int((t == 0).sum()) for t in _of_layer(lesson, recipe))),
    "multiplications": lambda lesson, recipe: float(
        sum(t.numel() for t in _state(lesson, recipe).values() if t.dim() > 1)
    ),
}


def _named(lesson: Lesson) -> Iterator[tuple[LessonNumber, dict[str, object] | None]]:
    """Every number of a lesson with its recipe: those that texts name, and those of the slider."""
    for asked in lesson.numbers.values():
        yield asked, asked.recipe if asked.at is None else lesson.knob.recipe_at(asked.at)
    for place in lesson.knob.places:
        for quantity in lesson.readouts:
            yield LessonNumber(quantity=quantity, at=place), lesson.knob.recipe_at(place)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_number_of_a_lesson_is_what_the_test_itself_finds(name: str) -> None:
    lesson = lessons()[name]
    for asked, recipe in _named(lesson):
        found = number_of(lesson, asked).value
        if asked.quantity in AT_A_PLACE:
            assert asked.at is not None
            own = AT_A_PLACE[asked.quantity](lesson, asked.at)
        else:
            own = OWN[asked.quantity](lesson, recipe)
        assert found == pytest.approx(own, abs=1e-9, rel=1e-5), (asked, recipe)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_an_exercise_has_an_answer_and_is_not_solved_where_it_begins(name: str) -> None:
    lesson = lessons()[name]

    def holds(place: float) -> bool:
        return all(
            bound.holds(unit_of_quantity(bound.quantity).written(number_at(lesson, bound.quantity, place)))
            for bound in lesson.goal
        )

    assert any(map(holds, lesson.knob.places))
    assert not holds(lesson.prediction.at)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_outcome_can_be_predicted_exactly_within_the_bounds_of_the_form(name: str) -> None:
    lesson, asked = lessons()[name], lessons()[name].prediction
    outcome = unit_of_quantity(asked.quantity).written(number_at(lesson, asked.quantity, asked.at))
    assert asked.low <= outcome <= asked.high


def _weights(subject: Subject) -> dict[str, tuple[int, ...]]:
    return {layer.name: tuple(layer.kernel_shape) for layer in subject.layers}


def test_what_questions_say_of_the_network_is_so() -> None:
    assert _weights(loaded_sample("lenet300")) == {"fc1": (300, 784), "fc2": (100, 300), "fc3": (10, 100)}
    assert (300 * 784, 300 + 784, 784 + 1 + 100) == (235_200, 1_084, 885)
    assert {lesson.model for lesson in lessons().values()} == {"lenet300"}, "texts name its layers"


@pytest.mark.parametrize("name", NAMES)
def test_a_question_names_what_the_model_measures_and_no_more(name: str) -> None:
    lesson = lessons()[name]
    said = lesson_steps.question_text(lesson)
    subject = engine.sample(lesson.model)
    facts = {
        "{accuracy}": f"{100 * _right(lesson, None).mean():.2f} %",
        "{parameters}": f"{sum(p.numel() for p in subject.network.parameters()):,}",
    }
    assert [fact in said for fact in facts.values()] == [field in lesson.question for field in facts]


@pytest.mark.slow
def test_lessons_are_read_without_torch() -> None:
    command = (
        "import sys; from dashboard.learn import lesson_files, lesson_steps\n"
        "lesson_steps.question_text(next(iter(lesson_files.lessons().values())))\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def _changed(**changes: object) -> Lesson:
    first = lessons()[NAMES[0]]
    return Lesson.model_validate({**dict(first), **changes})


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"why": "It is {nothing}."}, "numbers without a meaning"),
        ({"question": "It is {after}."}, "nothing is worked out before a prediction"),
        ({"readouts": ("file_bytes",)}, "read off as well"),
        (
            {"numbers": {"after": LessonNumber(quantity="accuracy", at=0.123)}},
            "every place is one of the knob",
        ),
    ],
)
def test_a_lesson_that_contradicts_itself_is_our_own_mistake(changes: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        _changed(**changes)


def test_a_question_has_one_right_answer() -> None:
    good = lessons()[NAMES[0]].quiz[0]
    with pytest.raises(ValidationError, match="one answer is right"):
        QuizQuestion(text="?", answers=(good.answers[0], good.answers[0]))


def test_the_seed_decides_the_order_of_answers() -> None:
    lesson = lessons()[NAMES[0]]
    orders = {lesson.answers_in_order(seed) for seed in range(20)}
    assert len(orders) > 1
    assert lesson.answers_in_order(3) == lesson.answers_in_order(3)
    for order, question in zip(lesson.answers_in_order(3), lesson.quiz, strict=True):
        assert sorted(order) == list(range(len(question.answers)))


def _right_places(lesson: Lesson, seed: int | str) -> list[int]:
    """Where the right answer of each question stands on the page."""
    orders = lesson.answers_in_order(seed)
    return [order.index(question.right_place) for order, question in zip(orders, lesson.quiz, strict=True)]


@pytest.mark.parametrize("name", NAMES)
def test_the_place_of_an_answer_does_not_tell_whether_it_is_right(name: str) -> None:
    lesson, seeds = lessons()[name], [*range(400), "class"]
    found = [_right_places(lesson, seed) for seed in seeds]
    assert all(len(set(places)) > 1 for places in found), "in no lesson one place is always right"
    for number, question in enumerate(lesson.quiz):
        counted = [sum(places[number] == at for places in found) for at in range(len(question.answers))]
        even = len(seeds) / len(question.answers)
        assert all(0.6 * even < count < 1.5 * even for count in counted), counted


@pytest.mark.parametrize(
    ("predicted", "said"),
    [
        (96.15, "You said 96.15 %, and it is 96.15 %: exactly right."),
        (95.5, "You said 95.50 %, it is 96.15 %: close, only 0.65 points away."),
        (99.0, "You said 99.00 %, it is 96.15 %: 2.85 points lower than you thought."),
        (50.0, "You said 50.00 %, it is 96.15 %: 46.15 points higher than you thought."),
    ],
)
def test_the_distance_is_said_in_words(predicted: float, said: str) -> None:
    assert distance_in_words(predicted, 96.15, 1.0, unit_of_quantity("accuracy")) == said


def test_a_goal_does_not_hold_where_nothing_was_measured() -> None:
    assert not lessons()[NAMES[0]].goal[0].holds(np.nan)


def test_a_prediction_is_drawn_where_it_was_asked_for_and_the_outcome_beside_it() -> None:
    values = np.array([99.0, 96.0, 68.123456])
    curve = MeasuredCurve("Accuracy", "%", "Removed", ["0 %", "90 %", "99 %"], values, values - 1, values + 1)
    drawn = predicted_outcome(
        curve, asked=1, predicted=80.0, whose="your prediction", here=2, title="Lower than you thought."
    )
    found = {trace.name: (list(trace.x), list(trace.y)) for trace in drawn.figure.data if trace.name}
    assert found["what came out"] == ([0, 1, 2], values.tolist())
    assert found["your prediction"] == ([1], [80])
    assert found["where the knob stands"] == ([2], values[2:].tolist())
    assert drawn.table["predicted"].dropna().tolist() == [80.0]
    assert "90 %: 96, 99 %: 68.12" in drawn.alternative
    assert drawn.figure.layout.yaxis.title.text == "%"


@pytest.mark.parametrize(
    ("values", "step", "form"),
    [
        ([1041.4, 1041.4, 1041.4], 100.0, ",.0f"),
        ([0.0, 0.0, 0.0], 0.5, ",.1f"),
        ([98.2, 99.0, 99.1], 0.5, ",.1f"),
        ([5000.0, 120000.0, 300000.0], 100000.0, ",.0f"),
        ([0.1, 0.11, 0.13], 0.01, ",.2f"),
    ],
)
def test_all_ticks_of_an_outcome_have_as_many_decimals(values: list[float], step: float, form: str) -> None:
    """What never changes stood between 1042 and 1,040.5."""
    nothing = np.full(3, np.nan)
    curve = MeasuredCurve("Size", "KiB", "Removed", ["a", "b", "c"], np.array(values), nothing, nothing)
    axis = predicted_outcome(curve, asked=1, predicted=None, whose="", here=0, title="").figure.layout.yaxis
    assert (axis.dtick, axis.tickformat) == (step, form)
    assert axis.range is None or axis.range[0] < values[0] < axis.range[1]
