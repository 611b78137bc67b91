"""A class as a value: who joined, what each predicted and answered, and which lessons are revealed.

Every change gives another value, and nothing adds up: what a pupil says takes the place of what the same
pupil said before, so nobody counts twice, from however many tabs. Lessons go by the names of their files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeVar

from compress_core.foundation.errors import Refused

MOST_PUPILS = 300
Answers = tuple[int | None, ...]
"""For each question the place of an answer as the lesson's file has them, or None for none."""
Kept = TypeVar("Kept")


def _nothing() -> Mapping[str, Kept]:
    return MappingProxyType({})


@dataclass(frozen=True)
class Pupil:
    """What one visitor said in a class, lesson by lesson; who it was stands nowhere in it.

    before: answers given before the lesson. after: to each question the first answer that was given after it.
    """

    predictions: Mapping[str, float] = field(default_factory=_nothing)
    before: Mapping[str, Answers] = field(default_factory=_nothing)
    after: Mapping[str, Answers] = field(default_factory=_nothing)


@dataclass(frozen=True)
class Classroom:
    """A class that is held: its pupils by the word of their browser, and the lessons that were revealed."""

    pupils: Mapping[str, Pupil] = field(default_factory=_nothing)
    revealed: frozenset[str] = frozenset()

    @property
    def is_full(self) -> bool:
        """Whether nobody else finds a place in it."""
        return len(self.pupils) >= MOST_PUPILS

    def joined(self, visitor: str) -> Classroom:
        """With a visitor among its pupils; raises Refused where it is full."""
        if visitor in self.pupils:
            return self
        if self.is_full:
            raise Refused(
                "This class has {most} pupils, as many as one holds: you have no place in it, and what you "
                "predict and answer does not count. Outcomes open to you too when its teacher reveals them.",
                most=MOST_PUPILS,
            )
        return self._with(visitor, Pupil())

    def left(self, visitor: str) -> Classroom:
        """Without a visitor, and without all that this visitor said."""
        return replace(self, pupils=_without(self.pupils, visitor))

    def committed(self, visitor: str, lesson: str, predicted: float) -> Classroom:
        """With a pupil's prediction in place of the one before; once revealed, it stays."""
        pupil = self.pupils.get(visitor)
        if pupil is None or lesson in self.revealed:
            return self
        return self._with(visitor, replace(pupil, predictions=_put(pupil.predictions, lesson, predicted)))

    def answered_before(self, visitor: str, lesson: str, answers: Answers) -> Classroom:
        """With what a pupil answers before a lesson; not once feedback has told what is right."""
        pupil = self.pupils.get(visitor)
        if pupil is None or lesson in pupil.after:
            return self
        return self._with(visitor, replace(pupil, before=_put(pupil.before, lesson, answers)))

    def answered_after(self, visitor: str, lesson: str, answers: Answers) -> Classroom:
        """With what a pupil answers after a lesson: of each question the first answer, then it is told."""
        pupil = self.pupils.get(visitor)
        if pupil is None:
            return self
        said = pupil.after.get(lesson, (None,) * len(answers))
        first = tuple(new if old is None else old for old, new in zip(said, answers, strict=True))
        return self._with(visitor, replace(pupil, after=_put(pupil.after, lesson, first)))

    def revealing(self, lesson: str) -> Classroom:
        """With a lesson's outcome open to everybody: from here on its predictions stand."""
        return replace(self, revealed=self.revealed | {lesson})

    def predictions(self, lesson: str) -> tuple[float, ...]:
        """What was predicted in a lesson, in ascending order: whose it is cannot be seen."""
        return tuple(sorted(p.predictions[lesson] for p in self.pupils.values() if lesson in p.predictions))

    def _with(self, visitor: str, pupil: Pupil) -> Classroom:
        return replace(self, pupils=_put(self.pupils, visitor, pupil))


def _put(kept: Mapping[str, Kept], key: str, value: Kept) -> Mapping[str, Kept]:
    return MappingProxyType({**kept, key: value})


def _without(kept: Mapping[str, Kept], key: str) -> Mapping[str, Kept]:
    return MappingProxyType({name: value for name, value in kept.items() if name != key})
