"""What a class knows of how far its visitor is in a lesson, after F5 and from another tab as well."""

from __future__ import annotations

from dataclasses import replace

from dashboard.learn.classroom.class_words import bins_of
from dashboard.learn.classroom.open_class import OpenClass
from dashboard.learn.lesson import Lesson
from dashboard.learn.lesson_progress import OUTCOME, LessonProgress, keep_progress, progress_in


def take_over(found: OpenClass, name: str, lesson: Lesson) -> None:
    """Make what the class knows this visitor's progress.

    A pupil has the prediction that the class has, and whoever came with another one predicts anew as long as
    the outcome is held back. The teacher has the median of the class once a lesson is revealed.
    """
    if found.is_teacher:
        _as_teacher(found, name, lesson)
    elif found.pupil is not None:
        _as_pupil(found, name)


def _as_pupil(found: OpenClass, name: str) -> None:
    assert found.pupil is not None, "asked before"
    progress, kept = progress_in(name), found.pupil.predictions.get(name)
    if kept is not None and progress.predicted != kept:
        keep_progress(name, LessonProgress(stage=OUTCOME, predicted=kept))
    elif kept is None and progress.predicted is not None and found.holds_back(name):
        keep_progress(name, LessonProgress())


def _as_teacher(found: OpenClass, name: str, lesson: Lesson) -> None:
    bins, progress = bins_of(found.classroom, name, lesson), progress_in(name)
    if found.holds_back(name) or not bins.total:
        return
    if (progress.predicted, progress.median_of) != (bins.median, bins.total):
        stage = max(OUTCOME, progress.stage)
        keep_progress(name, replace(progress, stage=stage, predicted=bins.median, median_of=bins.total))
