"""What a lesson is: its model and knob, what is predicted, and every text with the numbers that it names.

Plain values, checked when the file is read. A text may name numbers as {name}: each is one that the core
works out from a recipe. No torch: a lesson is read before anything is loaded.
"""

from __future__ import annotations

import random
import string
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, model_validator

from compress_core.foundation.knobs import Strict

Quantity = Literal[
    "accuracy",
    "accuracy_change",
    "worst_class_change",
    "changed_answers",
    "right_to_wrong",
    "wrong_to_right",
    "file_bytes",
    "dense_bytes",
    "sparse_bytes",
    "packed_bytes",
    "parameters",
    "layer_weights",
    "layer_zeros",
    "multiplications",
    "accuracy_without_largest",
    "answer_share",
    "runner_up_share",
]
RecipePlan = dict[str, Any]
FROM_CARD = frozenset({"accuracy", "parameters"})
"""What a question may name: numbers that the model's card says."""


class LessonKnob(Strict):
    """The one control of a lesson: a knob of a technique, and where it may stand.

    technique: none where the model stays as loaded and the knob only looks at it, as a temperature does.
    match: which layers, or which group. fixed: values of its other knobs.
    factor and unit say how a place is written: 0.9 as 90 %.
    """

    label: str
    technique: str = ""
    knob: str
    places: tuple[float, ...] = Field(min_length=3)
    match: str = "*"
    of_groups: bool = False
    fixed: dict[str, Any] = Field(default_factory=dict)
    is_whole: bool = False
    factor: float = 1.0
    unit: str = ""

    def recipe_at(self, place: float) -> RecipePlan | None:
        """The recipe with the knob at a place; None where nothing is compressed."""
        if not self.technique:
            return None
        value: float = int(place) if self.is_whole else place
        step = {"technique": self.technique, **self.fixed, self.knob: value}
        rule = {"match": self.match, "steps": [step]}
        return {"groups": [rule]} if self.of_groups else {"layers": [rule]}

    def text_at(self, place: float) -> str:
        """A place as it is written."""
        return f"{place * self.factor:.6g} {self.unit}".strip()


class LessonPrediction(Strict):
    """What a visitor commits to before anything is shown: a quantity with the knob at one place.

    Bounds and step as the visitor writes them (percent, KiB); within `near` of the outcome it is close.
    """

    label: str
    quantity: Quantity
    at: float
    low: float
    high: float
    step: float = Field(gt=0)
    near: float = Field(gt=0)


class LessonNumber(Strict):
    """A number that texts name: a quantity at a place of the knob, of a recipe, or of the original."""

    quantity: Quantity
    at: float | None = None
    recipe: RecipePlan | None = None

    @model_validator(mode="after")
    def _is_of_one_model(self) -> LessonNumber:
        assert self.at is None or self.recipe is None, "a number is of a place of the knob or of a recipe"
        return self


class GoalBound(Strict):
    """What has to hold at the place where the visitor leaves the knob, as the visitor reads it."""

    quantity: Quantity
    low: float | None = None
    high: float | None = None

    def holds(self, written: float) -> bool:
        """Whether a value lies within; one that is not there does not."""
        return (self.low is None or written >= self.low) and (self.high is None or written <= self.high)


class QuizAnswer(Strict):
    """An answer to choose, and what is said at once to whoever chooses it."""

    text: str
    feedback: str
    is_right: bool = False


class QuizQuestion(Strict):
    """A question with answers, one of them right."""

    text: str
    answers: tuple[QuizAnswer, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _has_one_right_answer(self) -> QuizQuestion:
        assert [answer.is_right for answer in self.answers].count(True) == 1, "one answer is right"
        return self

    @property
    def right_place(self) -> int:
        """Which of its answers is the right one, as the file has them."""
        return next(place for place, answer in enumerate(self.answers) if answer.is_right)


class Lesson(Strict):
    """One lesson on one sample model: texts as templates, numbers by name, and what is tried."""

    title: str
    order: int
    model: str
    layer: str
    item: int = 0
    knob: LessonKnob
    prediction: LessonPrediction
    readouts: tuple[Quantity, ...]
    numbers: dict[str, LessonNumber]
    question: str
    why: str
    formula: str
    these_numbers: str
    surprise: str
    exercise: str
    goal: tuple[GoalBound, ...] = Field(min_length=1)
    solved: str
    quiz: tuple[QuizQuestion, QuizQuestion, QuizQuestion]

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Lesson:
        places = self.knob.places
        asked = [self.prediction.at, *(n.at for n in self.numbers.values() if n.at is not None)]
        assert not [place for place in asked if place not in places], "every place is one of the knob"
        assert list(places) == sorted(set(places)), "places ascend"
        assert self.prediction.quantity in self.readouts, "what is predicted is read off as well"
        said = {field for text in self.texts() for field in _fields(text)}
        assert said <= set(self.numbers), f"numbers without a meaning: {sorted(said - set(self.numbers))}"
        asked_before = [t for q in self.quiz for t in (q.text, *(answer.text for answer in q.answers))]
        assert not [name for text in asked_before for name in _fields(text)], "a class is asked them before"
        assert set(_fields(self.question)) <= FROM_CARD, "nothing is worked out before a prediction is made"
        return self

    def answers_in_order(self, seed: int | str) -> tuple[tuple[int, ...], ...]:
        """For each question the places of its answers, in the order in which a seed shows them.

        Everybody with the same seed sees the same. The right ones do not all stand at the same place: where
        they did, whoever had found one knew the others.
        """
        drawn = random.Random(f"{seed}:{self.title}")  # noqa: S311 - an order, no secret
        while True:
            orders = tuple(tuple(drawn.sample(range(n), n)) for n in (len(q.answers) for q in self.quiz))
            shown = zip(self.quiz, orders, strict=True)
            if len({order.index(question.right_place) for question, order in shown}) > 1:
                return orders

    def texts(self) -> Iterator[str]:
        """Every text that may name numbers."""
        yield from (self.why, self.these_numbers, self.surprise, self.exercise, self.solved)
        for question in self.quiz:
            yield question.text
            yield from (said for answer in question.answers for said in (answer.text, answer.feedback))


def _fields(text: str) -> Iterator[str]:
    return (name for _text, name, _spec, _conversion in string.Formatter().parse(text) if name)
