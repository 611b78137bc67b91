"""What a class answered before and after a lesson is counted by question, and says of what it is."""

from __future__ import annotations

from io import BytesIO

import pandas as pd
import pytest

from compress_core.foundation.csv_table import as_csv
from dashboard.learn.classroom.classroom import Answers, Classroom
from dashboard.learn.classroom.quiz_counts import count_table, quiz_counts
from dashboard.learn.lesson_files import lessons

NAME = "smallest_weights"
LESSON = lessons()[NAME]
RIGHT = [next(p for p, a in enumerate(q.answers) if a.is_right) for q in LESSON.quiz]
WRONG = [next(p for p, a in enumerate(q.answers) if not a.is_right) for q in LESSON.quiz]


def class_of(*said: tuple[Answers | None, Answers | None]) -> Classroom:
    classroom = Classroom()
    for number, (before, after) in enumerate(said):
        me = str(number)
        classroom = classroom.joined(me)
        if before is not None:
            classroom = classroom.answered_before(me, NAME, before)
        if after is not None:
            classroom = classroom.answered_after(me, NAME, after)
    return classroom


def test_what_was_learned_and_lost_is_counted_among_those_who_answered_both_times() -> None:
    right, wrong = (RIGHT[0], None, None), (WRONG[0], None, None)
    counted = quiz_counts(
        class_of(
            (wrong, right), (wrong, right), (right, wrong), (right, right), (right, None), (None, wrong)
        ),
        NAME,
        LESSON,
    )
    first = counted[0]
    assert (first.right_before, sum(first.before), first.right_after, sum(first.after)) == (3, 5, 3, 5)
    assert (first.both, first.learned, first.lost) == (4, 2, 1)


def test_what_was_left_open_is_no_answer() -> None:
    second = quiz_counts(class_of(((RIGHT[0], None, RIGHT[2]), None)), NAME, LESSON)[1]
    assert sum(second.before) == sum(second.after) == second.both == 0


def test_another_lesson_is_not_counted_with_it() -> None:
    classroom = class_of((tuple(RIGHT), tuple(RIGHT)))
    assert all(
        sum(count.before) == 0 for count in quiz_counts(classroom, "real_bytes", lessons()["real_bytes"])
    )


@pytest.fixture(scope="module")
def taken() -> pd.DataFrame:
    classroom = class_of((tuple(WRONG), tuple(RIGHT)), (None, None))
    counts = quiz_counts(classroom, NAME, LESSON)
    table = count_table(counts, NAME, LESSON, seed=7, date="2026-11-29", pupils=len(classroom.pupils))
    return pd.read_csv(BytesIO(as_csv(table)))


def test_each_row_of_the_file_says_lesson_model_seed_date_and_number_of_pupils(taken: pd.DataFrame) -> None:
    origin = taken[["lesson", "model", "seed", "date", "pupils"]].drop_duplicates()
    assert origin.to_numpy().tolist() == [[NAME, "lenet300", 7, "2026-11-29", 2]]


def test_the_file_has_a_row_for_each_answer_and_no_pupil_in_it(taken: pd.DataFrame) -> None:
    assert len(taken) == sum(len(question.answers) for question in LESSON.quiz)
    assert taken["before"].sum() == taken["after"].sum() == len(LESSON.quiz)
    assert taken.loc[taken["is_right"], "after"].tolist() == [1, 1, 1]
    assert taken["wrong_then_right"].unique().tolist() == [1]
    assert not [column for column in taken if "visitor" in column or "name" in column or "code" in column]
