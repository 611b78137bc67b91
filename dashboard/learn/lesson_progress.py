"""How far a visitor is in a lesson: what was predicted, where the knob stands, what was answered."""

from __future__ import annotations

from dataclasses import dataclass, replace

import streamlit as st

KEY = "slimscope.learn.progress"
QUESTION, OUTCOME, WHY, EXERCISE, QUIZ = range(5)


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


def progress_in(name: str) -> LessonProgress:
    """How far this visitor is in a lesson."""
    kept: dict[str, LessonProgress] = st.session_state.get(KEY, {})
    return kept.get(name, LessonProgress())


def keep_progress(name: str, progress: LessonProgress) -> None:
    """Remember it for this session."""
    kept: dict[str, LessonProgress] = st.session_state.get(KEY, {})
    st.session_state[KEY] = {**kept, name: progress}
