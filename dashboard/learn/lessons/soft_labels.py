"""Distillation and temperature: what a teacher tells beside the right answer."""

from __future__ import annotations

from compress_core.foundation.texts import N_
from dashboard.learn.lesson import (
    GoalBound,
    Lesson,
    LessonKnob,
    LessonNumber,
    LessonPrediction,
    QuizAnswer,
    QuizQuestion,
)

LESSON = Lesson(
    title=N_("What does a teacher tell? Distillation and temperature"),
    order=100,
    model="lenet300",
    layer="fc1",
    item=640,
    knob=LessonKnob(
        label=N_("Temperature"),
        knob="temperature",
        places=(1, 2, 3, 4, 5, 6, 8, 12, 20),
    ),
    prediction=LessonPrediction(
        label=N_("Share of the next class at temperature 4"),
        quantity="runner_up_share",
        at=4,
        low=0.0,
        high=100.0,
        step=1.0,
        near=1.0,
    ),
    readouts=("runner_up_share", "answer_share"),
    numbers={
        "next_cold": LessonNumber(quantity="runner_up_share", at=1),
        "first_cold": LessonNumber(quantity="answer_share", at=1),
        "next": LessonNumber(quantity="runner_up_share", at=4),
        "first": LessonNumber(quantity="answer_share", at=4),
        "next_hot": LessonNumber(quantity="runner_up_share", at=20),
        "first_hot": LessonNumber(quantity="answer_share", at=20),
    },
    question=N_(
        "A good teacher does not only say that it is a 7, but also that it looks a bit like a 1. A network "
        "says so too, very quietly: beside its answer every other class gets a tiny share. Dividing its "
        "scores by a **temperature** before the softmax makes the quiet part louder.\n\nFor one validation "
        "digit the network is all but sure of its answer: at temperature 1 the next class gets almost "
        "nothing. What share does that next class get at **temperature 4**?"
    ),
    why=N_(
        "The softmax turns differences of scores into ratios of shares, and a temperature divides those "
        "differences: the next class goes from {next_cold} to {next}. The order of the classes stays; a "
        "student hears which mistakes would be small ones."
    ),
    formula=r"p_k(T) = \frac{e^{z_k / T}}{\sum_j e^{z_j / T}}",
    these_numbers=N_(
        "The likeliest class has {first_cold} at temperature 1 and {first} at temperature 4; the next one "
        "{next_cold} and {next}."
    ),
    surprise=N_(
        "More is not better: at temperature 20 the likeliest class is down to {first_hot} and the next one "
        "has {next_hot}. Near the even share of one in ten for each class the teacher says hardly anything."
    ),
    exercise=N_("Now yourself: find a temperature where the answer still leads and the next class is heard."),
    goal=(GoalBound(quantity="answer_share", low=75.0), GoalBound(quantity="runner_up_share", low=10.0)),
    solved=N_("Reached. On Recover a compressed model learns from the original one in just this way."),
    quiz=(
        QuizQuestion(
            text=N_("What does a higher temperature change?"),
            answers=(
                QuizAnswer(
                    text=N_("How much the unlikely classes count."),
                    feedback=N_("Yes: the differences get smaller, the order stays."),
                    is_right=True,
                ),
                QuizAnswer(
                    text=N_("Which class is the likeliest."),
                    feedback=N_("No: all scores are divided by the same number."),
                ),
            ),
        ),
        QuizQuestion(
            text=N_("What does a student learn from a teacher that labels do not tell?"),
            answers=(
                QuizAnswer(
                    text=N_("Which classes look alike."),
                    feedback=N_("Yes: a label says one class, a teacher gives a share to each."),
                    is_right=True,
                ),
                QuizAnswer(
                    text=N_("The right answers."),
                    feedback=N_("Those the labels tell better: a teacher can be wrong."),
                ),
            ),
        ),
        QuizQuestion(
            text=N_("At a very high temperature, what are all shares close to?"),
            answers=(
                QuizAnswer(
                    text=N_("The same share for every class."),
                    feedback=N_("Yes: {first_hot} and {next_hot} at 20, and closer still beyond."),
                    is_right=True,
                ),
                QuizAnswer(
                    text=N_("Zero, except one."),
                    feedback=N_("That is a temperature close to zero: then only the answer is left."),
                ),
            ),
        ),
    ),
)
