"""How far a visitor is in a lesson: what was predicted, where the knob stands, what was answered.

It stands in the page's link, so that F5 and a new server lose nothing; for this visitor alone: whoever is
sent the address begins with the question, and is not told the outcome.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace
from functools import lru_cache
from hashlib import sha256
from types import MappingProxyType

from compress_core.foundation.errors import Refused
from dashboard.learn.lesson import Lesson
from dashboard.learn.lesson_files import lessons
from dashboard.links import decoded, encoded
from dashboard.shared_choice import SharedChoice
from dashboard.visitor import visitor

QUESTION, OUTCOME, WHY, EXERCISE, QUIZ = range(5)
WHOSE_CHARACTERS = 12
MOST_REMEMBERED = 200  # texts of addresses, each read several times in a run


@dataclass(frozen=True)
class LessonProgress:
    """Frozen, replaced as a whole.

    stage: how far it is revealed. answers: for each question of the quiz the place of the answer that was
    chosen, as the lesson's file has them, or None. median_of: the prediction is the median of so many, those
    of a class; 0 where it is the visitor's own.
    """

    stage: int = QUESTION
    predicted: float | None = None
    median_of: int = 0
    place: float | None = None
    answers: tuple[int | None, ...] = (None, None, None)

    @property
    def has_ended(self) -> bool:
        """Whether every question was answered."""
        return self.stage == QUIZ and None not in self.answers

    def answered(self, question: int, answer: int | None) -> LessonProgress:
        """With another answer to one question."""
        answers = [*self.answers]
        answers[question] = answer
        return replace(self, answers=tuple(answers))


PROGRESS: SharedChoice[str] = SharedChoice("done", "", lambda text: text or None)


def progress_in(name: str) -> LessonProgress:
    """How far this visitor is in a lesson."""
    return _read(PROGRESS.chosen(), _whose()).get(name, LessonProgress())


def keep_progress(name: str, progress: LessonProgress) -> None:
    """Remember it, and have the address say it."""
    kept = {**_read(PROGRESS.chosen(), _whose()), name: progress}
    PROGRESS.choose(encoded([_whose(), {name: astuple(one) for name, one in kept.items()}]))


def _whose() -> str:
    """What stands in the address of this visitor alone: no word by which the visitor is known elsewhere."""
    return sha256(f"progress of {visitor()}".encode()).hexdigest()[:WHOSE_CHARACTERS]


@lru_cache(MOST_REMEMBERED)
def _read(text: str, whose: str) -> Mapping[str, LessonProgress]:
    """What an address says of each lesson; nothing of what is damaged, of another visitor, or cannot be."""
    try:
        said = decoded(text)
    except Refused:
        return MappingProxyType({})
    match said:
        case [str(owner), {**kept}] if owner == whose:
            read = {
                name: _progress_of(lesson, kept[name]) for name, lesson in lessons().items() if name in kept
            }
            return MappingProxyType({name: found for name, found in read.items() if found is not None})
    return MappingProxyType({})


def _progress_of(lesson: Lesson, said: object) -> LessonProgress | None:
    """The progress that plain values say, if a visitor of this lesson could have come to it."""
    match said:
        case [
            int(stage),
            float() | int() | None as predicted,
            int(median_of),
            float() | None as place,
            [*given],
        ]:
            answers = tuple(answer if isinstance(answer, int) else None for answer in given)
            found = LessonProgress(stage, predicted, median_of, place, answers)
            return found if _could_be(lesson, found) else None
    return None


def _could_be(lesson: Lesson, progress: LessonProgress) -> bool:
    asked, predicted = lesson.prediction, progress.predicted
    offered = [(None, *range(len(question.answers))) for question in lesson.quiz]
    return (
        progress.stage in range(QUIZ + 1)
        and (predicted is None or (math.isfinite(predicted) and asked.low <= predicted <= asked.high))
        and progress.median_of >= 0
        and (progress.place is None or progress.place in lesson.knob.places)
        and len(progress.answers) == len(offered)
        and all(answer in places for answer, places in zip(progress.answers, offered, strict=True))
    )
