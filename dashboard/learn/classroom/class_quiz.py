"""The three questions of a lesson, asked of a class before it and after it, and what came of them."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import streamlit as st

from compress_core.foundation.csv_table import as_csv
from dashboard.learn.classroom.class_view import ASKS_S
from dashboard.learn.classroom.classroom import Classroom
from dashboard.learn.classroom.open_class import OpenClass, act, open_class
from dashboard.learn.classroom.quiz_counts import QuestionCount, count_table, quiz_counts
from dashboard.learn.lesson import Lesson, QuizQuestion
from dashboard.learn.lesson_progress import progress_in
from dashboard.link_limits import limits
from dashboard.linked_choices import is_presenting
from dashboard.text import _, literal

OPEN = (None, None, None)


def is_due(found: OpenClass | None, name: str) -> bool:
    """Whether a pupil is still to be asked before the lesson; not where the link hides its questions."""
    if found is None or found.pupil is None or name in found.pupil.before or "quiz" in limits().hidden:
        return False
    return progress_in(name).predicted is None and name not in found.pupil.after


def draw_before(name: str, lesson: Lesson, seed: int | str) -> None:
    """The questions without a word on what is right; what is left open stays so."""
    st.markdown(_("**Before the lesson**: what do you think? Leave open what you do not know."))
    with st.form(f"learn.{name}.before", border=True):
        orders = lesson.answers_in_order(seed)
        for number, (question, order) in enumerate(zip(lesson.quiz, orders, strict=True)):
            st.radio(
                _(question.text),
                order,
                index=None,
                format_func=partial(_answer_text, question),
                key=f"learn.{name}.before.{number}",
            )
        st.form_submit_button(
            _("On to the lesson"),
            type="primary",
            icon=":material/arrow_forward:",
            key=f"learn.{name}.before.send",
            on_click=_answer_before,
            args=(name, len(lesson.quiz)),
        )


def _answer_before(name: str, questions: int) -> None:
    """Take the answers in the form before the page is drawn: the run that follows draws the lesson."""
    chosen = tuple(st.session_state[f"learn.{name}.before.{number}"] for number in range(questions))
    act(lambda classroom, me: classroom.answered_before(me, name, chosen))


def _answer_text(question: QuizQuestion, place: int) -> str:
    return _(question.answers[place].text)


def note_after(name: str, number: int, chosen: int | None) -> None:
    """Tell the class what its pupil answers after the lesson; it keeps the first answer to each question."""
    answers = tuple(chosen if at == number else None for at in range(len(OPEN)))
    act(lambda classroom, me: classroom.answered_after(me, name, answers))


def draw_results(name: str, lesson: Lesson, seed: int) -> None:
    """What the class answered, as it comes in, and the same as a file."""
    st.fragment(partial(_results, name, lesson, seed), run_every=ASKS_S)()


def _results(name: str, lesson: Lesson, seed: int) -> None:
    found = open_class()
    if found is None:
        st.rerun()
    counts = quiz_counts(found.classroom, name, lesson)
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(_("**What the class answers**"))
            _download(found.classroom, name, lesson, seed)
        st.markdown(_as_table(lesson, counts))
        if not is_presenting():
            st.caption(
                _(
                    "Before the lesson, and the first answer after it, of those who answered. Among "
                    "those who did both times: learned, wrong and then right; lost, right and then wrong."
                )
            )


def _download(classroom: Classroom, name: str, lesson: Lesson, seed: int) -> None:
    date = datetime.now(UTC).date().isoformat()
    st.download_button(
        _("CSV"),
        partial(_written, classroom, name, lesson, seed, date),
        f"{lesson.model}_{name}_seed{seed}_{date}_N{len(classroom.pupils)}_questions.csv",
        "text/csv",
        key=f"learn.{name}.results.csv",
        help=_("Counts of every answer, without names: download them before the class ends."),
        on_click="ignore",
        icon=":material/download:",
    )


def _written(classroom: Classroom, name: str, lesson: Lesson, seed: int, date: str) -> bytes:
    counts, pupils = quiz_counts(classroom, name, lesson), len(classroom.pupils)
    return as_csv(count_table(counts, name, lesson, seed=seed, date=date, pupils=pupils))


def _as_table(lesson: Lesson, counts: tuple[QuestionCount, ...]) -> str:
    head = [_("Question"), _("Right before"), _("Right after"), _("Learned"), _("Lost")]
    rows = [head, ["---", "---:", "---:", "---:", "---:"]]
    of = _("{count} of {n}").replace(" ", "\u00a0")
    rows += [
        [
            literal(_(question.text)),
            of.format(count=count.right_before, n=sum(count.before)),
            of.format(count=count.right_after, n=sum(count.after)),
            of.format(count=count.learned, n=count.both),
            of.format(count=count.lost, n=count.both),
        ]
        for question, count in zip(lesson.quiz, counts, strict=True)
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
