"""What a class answered before a lesson and after it, counted: no answer can be led back to a pupil."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from dashboard.learn.classroom.classroom import Classroom, Pupil
from dashboard.learn.lesson import Lesson


@dataclass(frozen=True)
class QuestionCount:
    """One question: how often each of its answers was given before and after [answers], as the file has them.

    right: the place of the right answer. Of those who answered both times (both), learned were wrong before
    and right after, lost were right before and wrong after.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    right: int
    both: int
    learned: int
    lost: int

    @property
    def right_before(self) -> int:
        """How many were right before the lesson."""
        return self.before[self.right]

    @property
    def right_after(self) -> int:
        """How many were right after it."""
        return self.after[self.right]


def quiz_counts(classroom: Classroom, name: str, lesson: Lesson) -> tuple[QuestionCount, ...]:
    """The counts of every question of a lesson; what was left open is not among them."""
    return tuple(_count(list(classroom.pupils.values()), name, lesson, at) for at in range(len(lesson.quiz)))


def _count(pupils: Sequence[Pupil], name: str, lesson: Lesson, at: int) -> QuestionCount:
    answers = lesson.quiz[at].answers
    right = next(place for place, answer in enumerate(answers) if answer.is_right)
    nothing = (None,) * len(lesson.quiz)
    said = [(pupil.before.get(name, nothing)[at], pupil.after.get(name, nothing)[at]) for pupil in pupils]
    both = [(before, after) for before, after in said if before is not None and after is not None]
    return QuestionCount(
        before=tuple(sum(before == place for before, _ in said) for place in range(len(answers))),
        after=tuple(sum(after == place for _, after in said) for place in range(len(answers))),
        right=right,
        both=len(both),
        learned=sum(before != right and after == right for before, after in both),
        lost=sum(before == right and after != right for before, after in both),
    )


def count_table(
    counts: Sequence[QuestionCount], name: str, lesson: Lesson, *, seed: int, date: str, pupils: int
) -> pd.DataFrame:
    """A row for each answer, each of them with what it is of: lesson, model, seed, date and number of pupils.

    Questions and answers in English, as the lesson's file has them, so that files of several languages agree.
    """
    origin = {"lesson": name, "model": lesson.model, "seed": seed, "date": date, "pupils": pupils}
    return pd.DataFrame(
        [
            {
                **origin,
                "question": at + 1,
                "text": question.text,
                "answer": answer.text,
                "is_right": answer.is_right,
                "before": count.before[place],
                "after": count.after[place],
                "n_before": sum(count.before),
                "n_after": sum(count.after),
                "n_both": count.both,
                "wrong_then_right": count.learned,
                "right_then_wrong": count.lost,
            }
            for at, (question, count) in enumerate(zip(lesson.quiz, counts, strict=True))
            for place, answer in enumerate(question.answers)
        ]
    )
